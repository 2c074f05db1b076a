/** Tests access to the operators' console: sign-in, the scope of each token, and secrecy of the token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "../harness/origin.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { ACME_TOKEN, BusySite } from "./busy-site.mjs";
import { picture } from "./chromium.mjs";
import {
  address,
  consolePage,
  documentText,
  editor,
  menu,
  PATIENCE,
  SOON,
  signIn,
  TOKEN,
  title,
  typeDocument,
  watch,
} from "./console-page.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Maximum bytes of a first visit on the wire, with headers: page, script, style and first figures. */
const BUDGET = 150_000;

/** @param {import("node:test").TestContext} t */
async function deployment(t) {
  const origin = await Origin.start(t);
  return Vestibule.start(t, {
    origins: [`left=${origin.url}`, "right=http://127.0.0.1:9"],
    vars: SOON,
  });
}

/**
 * Waits for the focus, which moves to a page's heading once that is drawn.
 * @param {Page} page
 * @param {string} text of the focused element
 */
function focused(page, text) {
  return until(
    async () => (await page.evaluate(() => document.activeElement?.textContent)) === text,
    { what: `the focus being at ${text}` },
  );
}

/** @param {Page} page */
function over(page) {
  return page.getByRole("dialog", { name: "You are signed out" });
}

test("a wrong token is rejected, and the right one opens the requested page", async (t) => {
  const vestibule = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "logs"));
  await page.getByLabel("Admin token").fill("not the token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("This token is wrong.").waitFor();
  await isAccessible(page, "sign-in");
  await picture(page, "console-sign-in");
  await signIn(page);
  await title(page, "Logs").waitFor();
  assert.deepEqual(complaints, []);
});

test("a console session survives a reload, is shared by all tabs, and ends in all", async (t) => {
  const vestibule = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await page.reload();
  await title(page, "Overview").waitFor();

  const tab = await page.context().newPage();
  const more = await watch(tab);
  await tab.goto(address(vestibule, "logs"));
  await title(tab, "Logs").waitFor();

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  assert.equal(await page.getByText("Overview").count(), 0);
  assert.deepEqual(await page.context().cookies(), []);
  await over(tab).waitFor(PATIENCE);
  assert.deepEqual([...complaints, ...more], []);
});

test("an operator signs in again after the console session ended, without losing input", async (t) => {
  const site = await BusySite.start(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(site.vestibule, "tenants/acme"));
  await signIn(page);
  await editor(page).waitFor();
  const typed = (await documentText(page)).replace("Acme Help", "Half a thou");
  await page.context().clearCookies();
  await typeDocument(page, typed);
  await over(page).waitFor(PATIENCE);
  await isAccessible(page, "the sign-in is over");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "token");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await over(page).waitFor();
  await signIn(page);
  await over(page).waitFor({ state: "detached" });
  assert.equal(await documentText(page), typed);
  assert.deepEqual(complaints, []);
});

test("the browser's back and forward buttons work, and a page's URL can be shared", async (t) => {
  const site = await BusySite.start(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(site.vestibule, "overview?tenant=acme"));
  await signIn(page);
  await menu(page).getByRole("link", { name: "Origins" }).click();
  await page.getByRole("link", { name: "Who is there at chat-a" }).click();
  await title(page, "chat-a").waitFor();
  await focused(page, "chat-a");
  const row = page.locator("table.sessions tbody tr").first();
  const handle = String(await row.getByRole("link").first().getAttribute("title"));
  await row.getByRole("link").first().click();
  await page.getByRole("heading", { name: "Lifetime" }).waitFor();
  const sent = page.url();
  await page.goBack();
  await title(page, "chat-a").waitFor();
  await page.goBack();
  await title(page, "Origins").waitFor();
  await page.goForward();
  await title(page, "chat-a").waitFor();

  const { page: theirs, complaints: more } = await consolePage(t);
  await theirs.goto(sent);
  await signIn(theirs);
  await theirs.getByRole("heading", { name: "Lifetime" }).waitFor();
  await theirs.getByText(handle).waitFor();
  assert.equal(await theirs.getByLabel("Tenant").inputValue(), "acme");
  assert.deepEqual([...complaints, ...more], []);
});

test("an operator can sign in, skip the menu, and open and close a dialog by keyboard", async (t) => {
  const vestibule = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "overview"));
  await page.getByLabel("Admin token").waitFor();
  await page.keyboard.type(TOKEN);
  await page.keyboard.press("Enter");
  await title(page, "Overview").waitFor();
  const link = menu(page).getByRole("link", { name: "Origins" });
  while (!(await link.evaluate((element) => element === document.activeElement)))
    await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Drain left" }).waitFor();
  await focused(page, "Origins");

  await page.reload();
  await page.getByRole("button", { name: "Drain left" }).waitFor();
  await page.keyboard.press("Tab");
  await focused(page, "Skip to the page");
  await page.keyboard.press("Enter");
  await focused(page, "Origins");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await focused(page, "Drain left");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await focused(page, "Drain left");
  assert.deepEqual(complaints, []);
});

test("a tenant's own token shows only that tenant's data", async (t) => {
  const site = await BusySite.start(t);
  const { page, complaints } = await consolePage(t);
  const acme = { url: site.at("acme") };
  await page.goto(address(acme, "overview?tenant=globex"));
  await signIn(page, ACME_TOKEN);
  await page.locator('[data-figure="streams"]', { hasText: "6" }).waitFor(PATIENCE);
  await page.locator(".account").getByText("Tenant acme").waitFor();
  assert.equal(await page.getByLabel("Tenant").count(), 0);
  assert.equal(await menu(page).getByRole("link", { name: "Tenants" }).count(), 0);

  for (const [place, name] of [
    ["origins", "Origins"],
    ["sessions?tenant=globex", "Sessions"],
    ["logs", "Logs"],
    ["explain", "Explain"],
  ]) {
    await page.goto(address(acme, place));
    await title(page, name).waitFor();
    assert.equal(await page.getByText(/globex|initech/).count(), 0, place);
  }
  await page.goto(address(acme, "tenants/globex"));
  await page.getByText("There is no such page").waitFor();

  assert.deepEqual(complaints, []);

  const foreign = ["overview", "origins", "sessions", "logs", "metrics"];
  const paths = ["tenants", "tenants/acme", ...foreign.map((path) => `${path}?tenant=globex`)];
  for (const path of paths) {
    const { status } = await page.evaluate(
      async (url) => ({ status: (await fetch(url, { method: "HEAD" })).status }),
      `${acme.url}/_session/admin/${path}`,
    );
    assert.equal(status, 403, path);
  }
});

test("the token is in no URL, storage, page, or cookie that scripts can read", async (t) => {
  const site = await BusySite.start(t);
  const { page, complaints } = await consolePage(t);
  /** @type {string[]} */
  const sent = [];
  page.on("request", (request) => {
    const { cookie = "", ...headers } = request.headers();
    sent.push(`${request.url()} ${JSON.stringify(headers)} ${cookie}`);
    const body = request.postData() ?? "";
    if (!request.url().endsWith("/admin/sign-in")) sent.push(body);
  });
  await page.goto(address(site.vestibule, "overview"));
  await signIn(page);
  for (const place of ["origins?tenant=acme", "tenants/acme", "explain?tenant=acme", "logs"]) {
    await page.goto(address(site.vestibule, place));
    await page.locator("h1").waitFor();
  }
  assert.ok(sent.length > 10);
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    cookie: document.cookie,
  }));
  assert.deepEqual(kept, { local: {}, session: {}, databases: [], caches: [], cookie: "" });
  for (const text of [...sent, await page.content()]) assert.ok(!text.includes(TOKEN), text);
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
  assert.ok(cookie.expires <= Date.now() / 1000 + 30 * 60);
  assert.ok(!cookie.value.includes(TOKEN));
  assert.deepEqual(complaints, []);
});

test(`the first visit loads at most ${BUDGET / 1000} kB, and the next one almost nothing`, async (t) => {
  const vestibule = await deployment(t);
  const { page, complaints } = await consolePage(t);
  const wire = await page.context().newCDPSession(page);
  let bytes = 0;
  wire.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await wire.send("Network.enable");
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  const requests = page.locator('[data-figure="requests"]', { hasText: "0" });
  await requests.waitFor(PATIENCE);
  t.diagnostic(`first visit: ${bytes} bytes`);
  assert.ok(bytes > 20_000 && bytes <= BUDGET, `${bytes} bytes`);

  bytes = 0;
  await page.reload();
  await requests.waitFor(PATIENCE);
  await until(() => bytes > 0);
  t.diagnostic(`next visit: ${bytes} bytes`);
  assert.ok(bytes <= 10_000, `${bytes} bytes`);
  assert.deepEqual(complaints, []);
});
