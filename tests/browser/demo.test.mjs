/** The newcomer's page: chat, stop the server, go on with the other, log out. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { openPage, picture } from "./chromium.mjs";

const ORIGIN = path.resolve(import.meta.dirname, "../../demo/origin.mjs");

/**
 * @param {import("node:test").TestContext} t
 * @param {string} name
 */
async function startOrigin(t, name) {
  const child = spawn(process.execPath, [ORIGIN, "--name", name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(async () => void child.kill("SIGKILL"));
  const [line] = await once(createInterface(child.stdout), "line");
  return { child, name, url: JSON.parse(line).listening };
}

/** @param {import("node:test").TestContext} t */
async function demo(t) {
  const origins = await Promise.all(["blue", "green"].map((name) => startOrigin(t, name)));
  const vestibule = await Vestibule.start(t, {
    origins: origins.map(({ name, url }) => `${name}=${url}`),
  });
  return { origins, vestibule };
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function say(page, text) {
  const before = await page.locator("#log .server").count();
  await page.getByLabel("Your message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
  const answer = page.locator("#log .server").nth(before);
  await until(async () => /conversation\. .+\.$/.test((await answer.textContent()) ?? ""), {
    what: "an answer",
  });
  return String(await answer.textContent());
}

/** @param {import("playwright-core").Page} page */
async function server(page) {
  const title = page.locator("#server", { hasText: "answers" });
  await title.waitFor();
  return String(await title.textContent()).split(" ")[0];
}

test("a newcomer chats, stops the server, goes on with the other, and logs out", async (t) => {
  const { vestibule } = await demo(t);
  const page = await openPage(t);
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(vestibule.url);

  const home = await server(page);
  assert.match(await say(page, "Good morning"), new RegExp(`This is ${home}\\..*message 1 `));
  assert.match(await say(page, "How are you?"), /message 2 /);
  const data = page.locator('[data-term="data"]');
  await until(async () => (await data.textContent())?.includes("How are you?"), {
    what: "the session's data",
  });
  await picture(page, "demo-chat");

  await page.getByRole("button", { name: "Stop this server" }).click();
  const other = home === "blue" ? "green" : "blue";
  await page.getByText(`${home} went away — ${other} picked up with 4 remembered turns`).waitFor();
  assert.equal(await server(page), other);
  assert.match(await say(page, "Are you there?"), new RegExp(`This is ${other}\\..*message 3 `));
  await picture(page, "demo-moved");

  await page.reload();
  const morning = page.locator("#log .you", { hasText: "Good morning" });
  await morning.waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.locator('[data-term="state"]', { hasText: /new|active/ }).waitFor();
  await morning.waitFor({ state: "detached" });
  assert.match(await say(page, "Hello again"), /message 1 /);
  assert.deepEqual(complaints, []);
});

test("the origin shows the contract's headers and no cookie of ours", async (t) => {
  const { vestibule } = await demo(t);
  const page = await openPage(t);
  await page.goto(vestibule.url);
  await server(page);
  for (const name of [
    "x-session-id",
    "x-session-tenant",
    "x-session-state",
    "x-forwarded-host",
    "traceparent",
  ]) {
    await page.locator(`#headers [data-term="${name}"]`).waitFor();
  }
  const cookies = page.locator('#headers [data-term="cookies received"]');
  assert.equal(await cookies.textContent(), "none");
});

test("the page keeps its shape on a phone and in the dark", async (t) => {
  const { vestibule } = await demo(t);
  for (const [name, options] of /** @type {const} */ ([
    ["demo-phone", { viewport: { width: 390, height: 844 } }],
    ["demo-dark", { colorScheme: "dark" }],
  ])) {
    const page = await openPage(t, options);
    await page.goto(vestibule.url);
    await server(page);
    await say(page, "Good evening");
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert.equal(overflow, 0, "nothing sticks out sideways");
    await picture(page, name);
  }
});

test("an error page is one a person can read", async (t) => {
  const vestibule = await Vestibule.start(t, { origins: ["http://127.0.0.1:9"] });
  const page = await openPage(t);
  await page.goto(vestibule.url);
  await page.getByRole("heading", { name: "Chat server unreachable" }).waitFor();
  await picture(page, "page-unreachable");
});
