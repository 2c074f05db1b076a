/** Tests the demo's page: chat, stop the server, continue with the other, sign out, and see it in the picture. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DemoOrigins } from "../../scripts/demo-origins.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { openPage, picture } from "./chromium.mjs";

/** Pause of a stopped server, long enough to look at it, in milliseconds. */
const AWAY = 8_000;

/**
 * @param {import("node:test").TestContext} t
 * @param {number} [restartMs]
 */
async function demo(t, restartMs = AWAY) {
  const servers = new DemoOrigins({ restartMs });
  t.after(async () => servers.stop());
  return Vestibule.start(t, { origins: await servers.start(["blue", "green"]) });
}

/**
 * Opens a page, and collects its errors.
 * @param {import("node:test").TestContext} t
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function watchedPage(t, options) {
  const page = await openPage(t, options);
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A stopped server is unreachable by design, and a request may be in flight during a
    // sign-out.
    const isExpected = /net::ERR_|status of (401|50\d)|WebSocket connection/.test(message.text());
    if (message.type() !== "error" || isExpected) return;
    complaints.push(`${message.text()} ${message.location().url}`);
  });
  return { page, complaints };
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function sendMessage(page, text) {
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

/**
 * Returns one of the two servers in the picture.
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
function card(page, name) {
  const shown = page.locator(`.servers [data-server="${name}"]`);
  return {
    /** @param {string} state */
    is: (state) =>
      page.locator(`.servers [data-server="${name}"][data-state="${state}"]`).waitFor(),
    words: async () => String(await shown.textContent()).replace(/\s+/g, " "),
    pid: async () => (await shown.textContent())?.match(/process (\d+)/)?.[1],
  };
}

/**
 * Returns the servers with an active line.
 * @param {import("playwright-core").Page} page
 */
function lines(page) {
  return page.evaluate(
    "[...document.querySelectorAll('.live.on')].map((line) => line.dataset.line).join()",
  );
}

/**
 * Returns the ticked steps of the story.
 * @param {import("playwright-core").Page} page
 */
function ticked(page) {
  return page.evaluate(
    "[...document.querySelectorAll('.story .done')].map((item) => item.dataset.step).join()",
  );
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} part of the picture's explanation
 */
function caption(page, part) {
  return page.locator("#caption", { hasText: part }).waitFor();
}

/** @param {string} name */
function sibling(name) {
  return name === "blue" ? "green" : "blue";
}

const stop = { name: "Stop this server" };

test("a visitor chats, stops the server, continues with the other, and signs out", async (t) => {
  const vestibule = await demo(t);
  const { page, complaints } = await watchedPage(t);
  await page.goto(vestibule.url);

  const home = await server(page);
  assert.match(
    await sendMessage(page, "Good morning"),
    new RegExp(`This is ${home}\\..*message 1 `),
  );
  assert.match(await sendMessage(page, "How are you?"), /message 2 /);
  const data = page.locator('[data-term="data"]');
  await until(async () => (await data.textContent())?.includes("How are you?"), {
    what: "the session's data",
  });
  await isAccessible(page, "a conversation");
  await picture(page, "demo-chat");

  await page.getByRole("button", stop).click();
  const other = sibling(home);
  await page.getByText(`${home} went away — ${other} picked up with 4 remembered turns`).waitFor();
  assert.equal(await server(page), other);
  assert.match(
    await sendMessage(page, "Are you there?"),
    new RegExp(`This is ${other}\\..*message 3 `),
  );
  await isAccessible(page, "a conversation that moved");
  await picture(page, "demo-moved");

  await page.reload();
  const morning = page.locator("#log .you", { hasText: "Good morning" });
  await morning.waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.locator('[data-term="state"]', { hasText: /new|active/ }).waitFor();
  await morning.waitFor({ state: "detached" });
  assert.match(await sendMessage(page, "Hello again"), /message 1 /);
  assert.deepEqual(complaints, []);
});

test("a message sent before the page has its connection is answered, after what was said before", async (t) => {
  const vestibule = await demo(t);
  const { page, complaints } = await watchedPage(t);
  await page.goto(vestibule.url, { waitUntil: "commit" });
  assert.match(await sendMessage(page, "Good morning"), /message 1 /);

  const connecting = Promise.withResolvers();
  const mayConnect = Promise.withResolvers();
  await page.route(/\/socket\.io\/\?/, async (route) => {
    connecting.resolve(undefined);
    await mayConnect.promise;
    await route.continue();
  });
  await page.reload();
  await page.getByLabel("Your message").fill("How are you?");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("Connecting …").waitFor();
  await connecting.promise;
  mayConnect.resolve(undefined);
  await page.locator("#log .server", { hasText: "message 2 " }).waitFor();
  const said = await page.locator("#log .you").allTextContents();
  assert.deepEqual(said, ["Good morning", "How are you?"]);
  assert.deepEqual(complaints, []);
});

test("the picture shows a stopped server, the moved connection, and the server's return", async (t) => {
  const vestibule = await demo(t);
  const { page, complaints } = await watchedPage(t);
  await page.goto(vestibule.url);
  const home = await server(page);
  const other = sibling(home);
  await card(page, home).is("answering");
  await card(page, other).is("ready");
  assert.match(await card(page, home).words(), /answers you process \d+ · 1 conversation/);
  assert.match(await card(page, other).words(), /ready process \d+ · 0 conversations/);
  assert.equal(await lines(page), `door,${home}`);
  const before = await card(page, home).pid();

  await sendMessage(page, "Good morning");
  await page.locator("#held", { hasText: "the last 2 turns" }).waitFor();
  await page.getByRole("button", stop).click();
  await caption(
    page,
    `${home}’s memory is gone. Your session was at the edge: ${other} was told who you are and what was said (X-Session-State: takeover).`,
  );
  await card(page, home).is("away");
  await card(page, other).is("answering");
  assert.equal(await lines(page), `door,${other}`);
  await until(async () => /stopped, back in [1-8] s/.test(await card(page, home).words()), {
    what: "the countdown",
  });

  await card(page, home).is("ready");
  await caption(
    page,
    `${home} is back: a new process with an empty memory. You stay with ${other}`,
  );
  assert.match(await card(page, home).words(), /0 conversations/);
  assert.notEqual(await card(page, home).pid(), before);
  assert.equal(await lines(page), `door,${other}`);
  await isAccessible(page, "a server that is back");
  await picture(page, "demo-back");
  assert.match(await sendMessage(page, "And now?"), new RegExp(`This is ${other}\\..*message 2 `));
  assert.deepEqual(complaints, []);
});

test("the page reports that both servers are stopped, and continues with the first that returns", async (t) => {
  const vestibule = await demo(t);
  const { page, complaints } = await watchedPage(t);
  await page.goto(vestibule.url);
  const home = await server(page);
  await sendMessage(page, "Good morning");
  await page.getByRole("button", stop).click();
  await card(page, sibling(home)).is("answering");
  await page.getByRole("button", stop).click();
  await caption(page, "No server answers. Your session is still at the edge");
  assert.equal(await lines(page), "");
  await isAccessible(page, "no server");
  await picture(page, "demo-nobody");
  await server(page);
  await until(async () => /message 2 /.test(await sendMessage(page, "Is anybody there?")));
  assert.deepEqual(complaints, []);
});

test("the steps of the story are ticked when done, by keyboard too, in all tabs", async (t) => {
  const vestibule = await demo(t);
  const { page, complaints } = await watchedPage(t);
  await page.goto(vestibule.url);
  const home = await server(page);
  const isTicked = (/** @type {string} */ steps) =>
    until(async () => (await ticked(page)) === steps, { what: `${steps} ticked off` });
  const current = page.locator('.story [aria-current="step"]');
  assert.equal(await ticked(page), "");
  assert.equal(await current.textContent(), "Say something");

  await page.keyboard.press("Tab");
  const stopping = page.getByRole("button", stop);
  assert.ok(await stopping.evaluate((button) => button === button.ownerDocument.activeElement));
  await page.getByLabel("Your message").focus();
  await page.keyboard.type("Good morning");
  await page.keyboard.press("Enter");
  await isTicked("say");
  assert.equal(await current.textContent(), "Stop the server");

  await stopping.focus();
  await page.keyboard.press("Enter");
  await isTicked("say,stop");
  await card(page, sibling(home)).is("answering");
  assert.ok(
    await stopping.evaluate((button) => button === button.ownerDocument.activeElement),
    "the focus is where it was",
  );
  await sendMessage(page, "Are you there?");
  await isTicked("say,stop,go-on");

  const tab = await page.context().newPage();
  await tab.goto(vestibule.url);
  await tab.locator("#log .you", { hasText: "Good morning" }).waitFor();
  await isTicked("say,stop,go-on,return");
  await tab.getByLabel("Your message").fill("From over here");
  await tab.keyboard.press("Enter");
  await page.locator("#log .you", { hasText: "From over here" }).waitFor();
  await tab.close();

  await page.getByRole("button", { name: "Log out" }).press("Enter");
  await page.getByText("That is the whole story.").waitFor();
  await isTicked("say,stop,go-on,return,leave");
  await caption(page, "You logged out");
  await page.getByRole("button", { name: "Begin again" }).press("Enter");
  await isTicked("");
  assert.deepEqual(complaints, []);
});

test("the page has no animation under prefers-reduced-motion", async (t) => {
  const vestibule = await demo(t);
  for (const [reducedMotion, moves] of /** @type {const} */ ([
    ["no-preference", true],
    ["reduce", false],
  ])) {
    const { page, complaints } = await watchedPage(t, { reducedMotion });
    await page.goto(vestibule.url);
    await server(page);
    await page.evaluate(`
      globalThis.dots = 0;
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) globalThis.dots += addedNodes.length;
      }).observe(document.getElementById("wires"), { childList: true });
    `);
    await sendMessage(page, "Good morning");
    assert.equal(Number(await page.evaluate("globalThis.dots")) > 0, moves, reducedMotion);
    assert.deepEqual(complaints, []);
  }
});

test("the origin receives the session headers and not our cookie", async (t) => {
  const vestibule = await demo(t);
  const { page, complaints } = await watchedPage(t);
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
  assert.deepEqual(complaints, []);
});

test("the page fits a phone, a wide screen and dark mode", async (t) => {
  const vestibule = await demo(t, 2_000);
  const phone = { width: 390, height: 844 };
  for (const [name, options] of /** @type {const} */ ([
    ["demo-phone", { viewport: phone }],
    ["demo-phone-dark", { viewport: phone, colorScheme: "dark" }],
    ["demo-dark", { colorScheme: "dark" }],
    ["demo-wide", { viewport: { width: 1920, height: 1080 } }],
  ])) {
    const { page, complaints } = await watchedPage(t, options);
    await page.goto(vestibule.url);
    const home = await server(page);
    await sendMessage(page, "Good evening");
    await page.getByRole("button", stop).click();
    await card(page, home).is("away");
    await card(page, sibling(home)).is("answering");
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert.equal(overflow, 0, "nothing sticks out sideways");
    await isAccessible(page, name);
    await picture(page, name);
    await card(page, home).is("ready");
    assert.deepEqual(complaints, []);
  }
});

test("a browser gets an error page that passes the accessibility checks", async (t) => {
  const vestibule = await Vestibule.start(t, { origins: ["http://127.0.0.1:9"] });
  const page = await openPage(t);
  await page.goto(vestibule.url);
  await page.getByRole("heading", { name: "Chat server unreachable" }).waitFor();
  await isAccessible(page, "the error page");
  await picture(page, "page-unreachable");
});
