/** The operator's console, in a real browser, on the real Worker, about real traffic. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { KvServer } from "../harness/kv.mjs";
import { Origin } from "../harness/origin.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { openPage, picture } from "./chromium.mjs";

/** @typedef {import("playwright-core").Page} Page */

const TOKEN = "an-admin-token-for-the-console-tests";

/** What the API counts arrives with the next batch of telemetry. */
const PATIENCE = { timeout: 30_000 };

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Axe comes in from outside, and the page's own policy would keep it there. */
const INSPECTED = { bypassCSP: true };

/**
 * @param {Page} page
 * @param {string} what
 */
async function isAccessible(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(
    `axe.run(document, { iframes: false, runOnly: ${JSON.stringify(RULES)} })`,
  );
  const { violations } = /** @type {{ violations: any[] }} */ (found);
  const told = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.target).join(", ")}`,
  );
  assert.deepEqual(told, [], what);
}

/**
 * Two origins, and a Worker with an admin token.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 */
async function deployment(t, vars = {}) {
  const [left, right] = await Promise.all(
    ["left", "right"].map((name) =>
      Origin.start(t, (request, reply) => {
        if (request.url === "/broken") reply.statusCode = 500;
        // Something to keep, so that the session is stored and can be found.
        reply.setHeader("x-session-patch", JSON.stringify({ seen: name, theme: "dark" }));
        reply.end(name);
      }),
    ),
  );
  const vestibule = await Vestibule.start(t, {
    origins: [`left=${left.url}`, `right=${right.url}`],
    vars: { ADMIN_TOKEN: TOKEN, ...vars },
  });
  return { vestibule, left, right };
}

/** Two tenants by documents, one origin for both. @param {import("node:test").TestContext} t */
async function tenants(t) {
  const origin = await Origin.start(t);
  const documents = new KvServer();
  t.after(() => documents.stop());
  for (const id of ["acme", "globex"]) {
    const document = { id, hosts: [`${id}.localhost`], origins: [{ name: "a", url: origin.url }] };
    documents.plant(`host:${id}.localhost`, id);
    documents.plant(`tenant:${id}`, JSON.stringify(document));
  }
  const vestibule = await Vestibule.start(t, {
    tenants: documents,
    origins: [],
    vars: { ADMIN_TOKEN: TOKEN },
  });
  return vestibule;
}

/**
 * @param {Vestibule} vestibule
 * @param {string} page
 */
function address(vestibule, page) {
  return `${vestibule.url}/_session/console/#/${page}`;
}

/** @param {Page} page */
async function signIn(page) {
  await page.getByLabel("Admin token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
}

/**
 * A number on the overview, once it is the one that is expected.
 * @param {Page} page
 * @param {string} name
 * @param {string} value
 */
async function shows(page, name, value) {
  const figure = page.locator(`[data-figure="${name}"]`).first();
  await until(async () => (await figure.textContent()) === value, {
    within: PATIENCE.timeout,
    what: `${name} being ${value}`,
  });
}

/**
 * Visitors, each with a cookie of its own.
 * @param {Vestibule} vestibule
 * @param {number} count
 */
async function visit(vestibule, count) {
  for (let each = 0; each < count; each += 1) {
    const response = await fetch(vestibule.url, { headers: { "user-agent": "Firefox on Linux" } });
    await response.text();
  }
}

test("a wrong token opens nothing, and the right one leads where one was going", async (t) => {
  const { vestibule } = await deployment(t);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "logs"));
  await page.getByLabel("Admin token").fill("not the token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("This is not the token").waitFor();
  await isAccessible(page, "sign-in");
  await picture(page, "console-sign-in");
  await signIn(page);
  await page.getByRole("heading", { name: "Logs", level: 1 }).waitFor();
  assert.ok(!page.url().includes(TOKEN));
});

test("the overview shows as many requests and errors as were made", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 47);
  for (let each = 0; each < 3; each += 1) await (await fetch(`${vestibule.url}/broken`)).text();
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await shows(page, "requests", "50");
  await shows(page, "errors", "3");
  await page.locator('[data-figure="statuses"]').getByText("47 · 94%").waitFor();
  await isAccessible(page, "overview");
  await picture(page, "console-overview");
});

test("the overview moves without being asked to", async (t) => {
  const { vestibule } = await deployment(t);
  const page = await openPage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await shows(page, "requests", "0");
  await visit(vestibule, 7);
  await shows(page, "requests", "7");
});

test("while nothing is heard, what was known stays, with since when", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 5);
  const page = await openPage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await shows(page, "requests", "5");
  await page.context().setOffline(true);
  await page.getByText(/Nothing new since \d\d:\d\d:\d\d/).waitFor();
  await shows(page, "requests", "5");
  await page.context().setOffline(false);
  await page.getByText(/^As of/).waitFor(PATIENCE);
});

test("an origin that is drained gets no new session", async (t) => {
  const { vestibule, left } = await deployment(t);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "origins"));
  await signIn(page);
  await page.getByRole("button", { name: "Drain left" }).click();
  await isAccessible(page, "a question");
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await page.getByText("Draining").waitFor();
  await isAccessible(page, "origins");
  await picture(page, "console-origins");
  // Isolates hear of it within seconds; from then on nobody new comes.
  await until(async () => {
    const before = left.requests.length;
    await visit(vestibule, 8);
    return left.requests.length === before;
  });
  await page.getByRole("button", { name: "Undrain left" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undrain" }).click();
  await page.getByRole("button", { name: "Drain left" }).waitFor();
});

test("a session is found, looked into and revoked", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 3);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "sessions"));
  await signIn(page);
  const rows = page.locator("table.sessions tbody tr");
  await until(async () => (await rows.count()) === 3, { within: PATIENCE.timeout });
  await isAccessible(page, "sessions");
  await picture(page, "console-sessions");

  await rows.first().getByRole("link").first().click();
  await page.getByRole("heading", { name: "Data" }).waitFor();
  await page.locator(".tree").getByText('"dark"').waitFor();
  await isAccessible(page, "session");
  await picture(page, "console-session");
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await until(async () => (await rows.count()) === 2, { within: PATIENCE.timeout });
});

test("everybody's sessions end only once the tenant's name is typed", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 2);
  const page = await openPage(t);
  await page.goto(address(vestibule, "sessions"));
  await signIn(page);
  await page.locator("table.sessions tbody tr").first().waitFor(PATIENCE);
  await page.getByRole("button", { name: "End all sessions" }).click();
  const end = page.getByRole("dialog").getByRole("button", { name: "End all sessions" });
  assert.equal(await end.isDisabled(), true);
  const word = String(await page.getByRole("dialog").locator("label code").textContent());
  await page.getByRole("dialog").getByRole("textbox").fill(word);
  await end.click();
  await page.getByRole("heading", { name: "No sessions" }).waitFor(PATIENCE);
});

test("a document is mended where its fault is, looked at, compared and saved", async (t) => {
  const vestibule = await tenants(t);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "tenants"));
  await signIn(page);
  await page.getByRole("link", { name: "Edit acme" }).waitFor();
  await isAccessible(page, "tenants");
  await picture(page, "console-tenants");
  await page.getByRole("link", { name: "Edit acme" }).click();

  const text = page.getByLabel("Document, as JSON");
  await text.waitFor();
  const stored = await text.inputValue();
  await text.fill(stored.replace('"url": "http', '"url": "ftp'));
  const line = stored.split("\n").findIndex((one) => one.includes('"url"')) + 1;
  await page.getByRole("button", { name: `Line ${line}` }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Save" }).isDisabled(), true);
  await isAccessible(page, "a fault");
  await picture(page, "console-fault");

  const titled = { ...JSON.parse(stored), branding: { title: "Acme Help" } };
  await text.fill(JSON.stringify(titled, null, 2));
  await page.getByText("No faults").waitFor();
  await page.getByText("Preview", { exact: true }).click();
  await page.frameLocator("iframe").getByText("Acme Help").first().waitFor();
  await picture(page, "console-preview");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".diff .new", { hasText: "Acme Help" }).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("As it is stored.").waitFor();

  await page.getByText("History", { exact: true }).click();
  await page
    .getByRole("button", { name: /^Compare/ })
    .first()
    .click();
  await page.locator(".diff .gone", { hasText: "Acme Help" }).waitFor();
  await isAccessible(page, "history");
  await picture(page, "console-history");
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByText("As it is stored.").waitFor();
  assert.equal(await text.inputValue(), stored);
});

test("who saves what somebody else has changed meanwhile is told, and loses nothing", async (t) => {
  const vestibule = await tenants(t);
  const [mine, theirs] = [await openPage(t), await openPage(t)];
  for (const page of [mine, theirs]) {
    await page.goto(address(vestibule, "tenants/acme"));
    await signIn(page);
    const text = page.getByLabel("Document, as JSON");
    await text.waitFor();
    const title = page === mine ? "Mine" : "Theirs";
    const titled = { ...JSON.parse(await text.inputValue()), branding: { title } };
    await text.fill(JSON.stringify(titled, null, 2));
    await page.getByText("No faults").waitFor();
  }
  for (const page of [theirs, mine]) {
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    if (page === theirs) await page.getByText("As it is stored.").waitFor();
  }
  await mine.getByText("Somebody else saved meanwhile").waitFor();
  await mine.locator(".diff .gone", { hasText: "Theirs" }).waitFor();
  await mine.getByRole("button", { name: "Overwrite theirs" }).click();
  await mine.getByText("As it is stored.").waitFor();
});

test("a tenant is made from a template, and deleted once its name is typed", async (t) => {
  const vestibule = await tenants(t);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "tenants/new"));
  await signIn(page);
  await page.getByLabel(/^Id/).fill("initech");
  await isAccessible(page, "new tenant");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("No faults").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("As it is stored.").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("initech");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "globex" }).waitFor();
  assert.equal(await page.getByRole("heading", { name: "initech" }).count(), 0);
});

test("a request is explained without being made", async (t) => {
  const { vestibule, left, right } = await deployment(t);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "explain"));
  await signIn(page);
  await page.getByRole("textbox", { name: "URL" }).fill(`${vestibule.url}/some/path`);
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator('[data-step="Outcome"]').getByText("forwarded").waitFor();
  await page.locator('[data-step="Cookie"]').getByText("absent").waitFor();
  assert.equal(await page.locator(".scores li").count(), 2);
  assert.equal(left.requests.length + right.requests.length, 0);
  await isAccessible(page, "explain");
  await picture(page, "console-explain");
});

test("a line of the log leads to its session", async (t) => {
  const { vestibule } = await deployment(t);
  const page = await openPage(t, INSPECTED);
  await page.goto(address(vestibule, "logs"));
  await signIn(page);
  const line = page.locator(".log li", { hasText: "request" }).last();
  // Isolates send their lines once they know that somebody reads.
  await until(
    async () => {
      await visit(vestibule, 1);
      return (await line.count()) > 0;
    },
    { within: PATIENCE.timeout, what: "a line" },
  );
  await line.locator("summary").click();
  await isAccessible(page, "logs");
  await picture(page, "console-logs");
  await page.getByRole("link", { name: "Show the session" }).first().click();
  await page.getByRole("heading", { name: "Its life" }).waitFor(PATIENCE);
});

test("the log stands still while it is paused", async (t) => {
  const { vestibule } = await deployment(t);
  const page = await openPage(t);
  await page.goto(address(vestibule, "logs"));
  await signIn(page);
  const lines = page.locator(".log li");
  const come = async () => {
    await visit(vestibule, 1);
    return (await lines.count()) > 0;
  };
  await until(come, { within: PATIENCE.timeout, what: "a line" });
  await page.getByRole("button", { name: "Pause" }).click();
  const before = await lines.count();
  const waiting = page.getByRole("button", { name: /Go on \([1-9]/ });
  await until(
    async () => {
      await visit(vestibule, 1);
      return (await waiting.count()) > 0;
    },
    { within: PATIENCE.timeout, what: "lines that wait" },
  );
  assert.equal(await lines.count(), before);
});

test("by the keyboard alone one gets past the menu, into a question and out again", async (t) => {
  const { vestibule } = await deployment(t);
  const page = await openPage(t);
  await page.goto(address(vestibule, "origins"));
  await signIn(page);
  await page.getByRole("button", { name: "Drain left" }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  await page.reload();
  await page.getByRole("button", { name: "Drain left" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the page");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Origins");
  await page.getByRole("button", { name: "Drain left" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(), "Drain left");
});

for (const [what, options] of /** @type {[string, any][]} */ ([
  ["phone", { viewport: { width: 390, height: 844 } }],
  ["dark", { colorScheme: "dark" }],
  ["wide-dark", { colorScheme: "dark", viewport: { width: 1920, height: 1080 } }],
])) {
  test(`every page keeps its shape and can be read: ${what}`, async (t) => {
    const vestibule = await tenants(t);
    const page = await openPage(t, { ...options, ...INSPECTED });
    await page.goto(address(vestibule, "overview"));
    await signIn(page);
    for (const [place, settled] of [
      ["overview", "Latency since counting began"],
      ["origins?tenant=acme", "a"],
      ["sessions?tenant=acme", "No sessions"],
      ["tenants", "acme"],
      ["tenants/acme", "No faults"],
      ["tenants/new", "New tenant"],
      ["explain?tenant=acme", "Explain"],
      ["logs", "Logs"],
      ["nowhere", "There is no such page"],
    ]) {
      await page.goto(address(vestibule, place));
      await page.getByRole("heading", { name: settled }).first().waitFor(PATIENCE);
      const root = "document.documentElement";
      const overflow = await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`);
      assert.ok(Number(overflow) <= 0, `${place} sticks out sideways`);
      await isAccessible(page, `${place}, ${what}`);
      await picture(page, `console-${place.replace(/\W+/g, "-")}-${what}`);
    }
  });
}
