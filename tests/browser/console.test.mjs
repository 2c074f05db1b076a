/** Tests the operators' console in a real browser, on the real Worker, with real traffic. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "../harness/origin.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { BusySite } from "./busy-site.mjs";
import { picture } from "./chromium.mjs";
import { address, consolePage, PATIENCE, SOON, signIn } from "./console-page.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Starts two origins, and a Worker with an admin token. @param {import("node:test").TestContext} t */
async function deployment(t) {
  const [left, right] = await Promise.all(
    ["left", "right"].map((name) =>
      Origin.start(t, (request, reply) => {
        if (request.url === "/broken") reply.statusCode = 500;
        // With data the session is stored and can be found.
        reply.setHeader("x-session-patch", JSON.stringify({ seen: name, theme: "dark" }));
        reply.end(name);
      }),
    ),
  );
  const vestibule = await Vestibule.start(t, {
    origins: [`left=${left.url}`, `right=${right.url}`],
    vars: SOON,
  });
  return { vestibule, left, right };
}

/**
 * Waits until the overview shows the expected number.
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
 * Sends requests of visitors, each with its own cookie.
 * @param {Vestibule} vestibule
 * @param {number} count
 */
async function visit(vestibule, count) {
  for (let each = 0; each < count; each += 1) {
    const response = await fetch(vestibule.url, { headers: { "user-agent": "Firefox on Linux" } });
    await response.text();
  }
}

test("the overview counts exactly the requests and errors that were made", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 47);
  for (let each = 0; each < 3; each += 1) await (await fetch(`${vestibule.url}/broken`)).text();
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await shows(page, "requests", "50");
  await shows(page, "errors", "3");
  await page.locator('[data-figure="statuses"]').getByText("47 · 94%").waitFor();
  await isAccessible(page, "overview");
  await picture(page, "console-overview");
  assert.deepEqual(complaints, []);
});

test("the overview updates by itself", async (t) => {
  const { vestibule } = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await shows(page, "requests", "0");
  await visit(vestibule, 7);
  await shows(page, "requests", "7");
  assert.deepEqual(complaints, []);
});

test("the overview links to the busiest sessions", async (t) => {
  const { vestibule } = await deployment(t);
  const cookie = (await fetch(vestibule.url)).headers.getSetCookie()[0].split(";")[0];
  for (let each = 0; each < 4; each += 1) {
    await (await fetch(vestibule.url, { headers: { cookie } })).text();
  }
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  const row = page.locator('[data-figure="busiest"] tbody tr');
  await row.locator('[data-label="Requests"]', { hasText: "4" }).waitFor(PATIENCE);
  await isAccessible(page, "the busiest sessions");
  const link = row.getByRole("link");
  const handle = await link.getAttribute("title");
  assert.ok((await link.getAttribute("href"))?.includes(`sessions/${handle}`));
  assert.deepEqual(complaints, []);
});

test("while the API fails, the overview keeps the last figures and shows their time", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 5);
  const { page, complaints } = await consolePage(t, {}, /ERR_INTERNET_DISCONNECTED/);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await shows(page, "requests", "5");
  await page.context().setOffline(true);
  await page.getByText(/Nothing new since \d\d:\d\d:\d\d/).waitFor();
  await shows(page, "requests", "5");
  await page.context().setOffline(false);
  await page.getByText(/^As of/).waitFor(PATIENCE);
  assert.deepEqual(complaints, []);
});

test("a drained origin gets no new session", async (t) => {
  const { vestibule, left } = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "origins"));
  await signIn(page);
  await page.getByRole("button", { name: "Drain left" }).click();
  await isAccessible(page, "a question");
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  const draining = page.getByRole("dialog", { name: "left is draining" });
  await draining.getByText("Empty", { exact: true }).waitFor(PATIENCE);
  await isAccessible(page, "a drained server");
  await picture(page, "console-drained");
  await draining.getByRole("button", { name: "Close" }).click();
  await page.getByText("Draining").waitFor();
  await isAccessible(page, "origins");
  await picture(page, "console-origins");
  // Isolates learn of it within seconds; then no new session comes.
  await until(async () => {
    const before = left.requests.length;
    await visit(vestibule, 8);
    return left.requests.length === before;
  });
  await page.getByRole("button", { name: "Undrain left" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undrain" }).click();
  await page.getByRole("button", { name: "Drain left" }).waitFor();
  assert.deepEqual(complaints, []);
});

test("an operator finds, inspects and revokes a session", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 3);
  const { page, complaints } = await consolePage(t);
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
  assert.deepEqual(complaints, []);
});

test("all sessions of a tenant end only after its name is typed", async (t) => {
  const { vestibule } = await deployment(t);
  await visit(vestibule, 2);
  const { page, complaints } = await consolePage(t);
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
  assert.deepEqual(complaints, []);
});

test("an explanation sends no request to the server", async (t) => {
  const { vestibule, left, right } = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "explain"));
  await signIn(page);
  await page.getByRole("textbox", { name: "URL" }).fill(`${vestibule.url}/some/path`);
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator('[data-step="Outcome"]').getByText("forwarded").waitFor();
  await page.locator('[data-step="Cookie"]').getByText("none").waitFor();
  assert.equal(await page.locator(".scores li").count(), 2);
  assert.equal(left.requests.length + right.requests.length, 0);
  await isAccessible(page, "explain");
  await picture(page, "console-explain");
  assert.deepEqual(complaints, []);
});

test("a log line links to its session", async (t) => {
  const { vestibule } = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "logs"));
  await signIn(page);
  const line = page.locator(".log li", { hasText: "GET" }).last();
  // Isolates send their lines once they know that an operator watches.
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
  await page.getByRole("heading", { name: "Lifetime" }).waitFor(PATIENCE);
  assert.deepEqual(complaints, []);
});

test("the log shows no new lines while paused", async (t) => {
  const { vestibule } = await deployment(t);
  const { page, complaints } = await consolePage(t);
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
  assert.deepEqual(complaints, []);
});

for (const [what, options] of /** @type {[string, any][]} */ ([
  ["light", {}],
  ["phone", { viewport: { width: 390, height: 844 }, isMobile: true }],
  ["dark", { colorScheme: "dark" }],
  ["wide-dark", { colorScheme: "dark", viewport: { width: 1920, height: 1080 } }],
])) {
  test(`every page fits its window and passes the accessibility checks: ${what}`, async (t) => {
    const site = await BusySite.start(t);
    const { page, complaints } = await consolePage(t, options);
    await page.goto(address(site.vestibule, "overview"));
    await signIn(page);
    for (const [place, settled] of [
      ["overview", page.locator('[data-figure="streams"]', { hasText: "6" })],
      ["origins?tenant=acme", page.getByText("Draining")],
      ["sessions?tenant=acme", page.getByRole("link", { name: "hedy" })],
      ["sessions?tenant=initech&user=nobody", page.getByText("Nothing found")],
      ["tenants", page.locator("dd", { hasText: /^6$/ })],
      ["tenants/acme", page.getByRole("heading", { name: "No faults" })],
      ["tenants/new", page.getByRole("button", { name: "Create" })],
      ["explain?tenant=acme", page.getByRole("button", { name: "Explain" })],
      ["logs", page.locator(".log .warn").first()],
      ["nowhere", page.getByText("There is no such page")],
    ]) {
      await page.goto(address(site.vestibule, String(place)));
      await /** @type {import("playwright-core").Locator} */ (settled).waitFor(PATIENCE);
      const root = "document.documentElement";
      const overflow = await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`);
      assert.ok(Number(overflow) <= 0, `${place} sticks out sideways`);
      await isAccessible(page, `${place}, ${what}`);
      await picture(page, `console-${String(place).replace(/\W+/g, "-")}-${what}`);
    }
    assert.deepEqual(complaints, []);
  });
}
