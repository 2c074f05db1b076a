/**
 * Tests several tenants of one application: one unmodified Chainlit in two processes, and users with a
 * real browser who sign in at each tenant.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { hashed } from "../harness/accounts.mjs";
import { KvServer } from "../harness/kv.mjs";
import { Provider } from "../harness/provider.mjs";
import { CLIENT_SECRET, clientOf, oidcMethod } from "../harness/sign-in.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { attach, chainlitUser, PATIENCE, sendMessage } from "./chainlit-page.mjs";
import { openPage, picture } from "./chromium.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Cookies that Chainlit's page never reads itself: its user's token, and its socket's name. */
const VAULT = ["access_token*", "X-Chainlit-Session-id"];

const PASSWORD = "correct horse";
const ACCENTS = { acme: "#1b7f4b", globex: "#a21caf", open: "#1d4ed8" };

const [left, right] = await startChainlit({ after }, ["left", "right"]);
const provider = await Provider.start(
  { after },
  { accounts: { alice: { name: "Alice" }, bob: { name: "Bob" } } },
);
const tenants = new KvServer();
after(() => tenants.stop());
const vestibule = await Vestibule.start(
  { after },
  { tenants, origins: [], vars: { ACME__OIDC_SECRET: CLIENT_SECRET } },
);

/** The four tenants; the last keeps Chainlit's cookies in the browser. */
const acme = door("acme", {
  login: { mode: "required", methods: { oidc: [oidcMethod(provider.url)] } },
  branding: { title: "Acme Help", colors: { accent: ACCENTS.acme } },
  vault: VAULT,
});
const globex = door("globex", {
  login: { mode: "required", methods: { password: true } },
  branding: { title: "Globex Desk", colors: { accent: ACCENTS.globex } },
  vault: VAULT,
});
const open = door("open", {
  login: { mode: "off" },
  branding: { title: "Open House", colors: { accent: ACCENTS.open } },
});
const initech = door("initech", {
  login: {
    mode: "required",
    methods: { password: true },
    clear_cookies: ["access_token*"],
  },
});
provider.register(clientOf({ url: acme }));
accounts("globex", ["gina", "george"]);
accounts("initech", ["ines", "igor"]);

/**
 * Creates a tenant.
 * @param {string} id
 * @param {Record<string, unknown>} more further fields of its document
 * @returns {string} its address, without a final slash
 */
function door(id, more) {
  const host = `${id}.localhost`;
  const origins = [left, right].map(({ name, url }) => ({ name, url }));
  tenants.plant(`host:${host}`, id);
  tenants.plant(`tenant:${id}`, JSON.stringify({ id, hosts: [host], origins, ...more }));
  return `http://${host}:${vestibule.port}`;
}

/**
 * @param {string} tenant
 * @param {string[]} users
 */
function accounts(tenant, users) {
  for (const user of users) {
    const account = { user, password: hashed(PASSWORD), changed: 0 };
    tenants.plant(`user:${tenant}:${user}`, JSON.stringify(account));
  }
}

/**
 * Opens acme, and signs in at its provider on the way.
 * @param {Page} page
 * @param {string} account
 */
async function signInAtProvider(page, account) {
  await page.goto(acme);
  await page.getByLabel("Account").fill(account);
  await page.getByRole("button", { name: "Continue" }).click();
  await atChat(page, acme);
}

/**
 * Fills in the open page for passwords.
 * @param {Page} page
 * @param {string} user
 */
async function fillIn(page, user) {
  await page.getByLabel("Username").fill(user);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/**
 * Opens a tenant with a password page, and signs in.
 * @param {Page} page
 * @param {string} url
 * @param {string} user
 */
async function signInByPassword(page, url, user) {
  await page.goto(url);
  await fillIn(page, user);
  await atChat(page, url);
}

/**
 * @param {Page} page
 * @param {string} user
 */
function signInAtGlobex(page, user) {
  return signInByPassword(page, globex, user);
}

/**
 * Waits for the chat.
 * @param {Page} page
 * @param {string} url
 */
async function atChat(page, url) {
  await page.waitForURL(`${url}/`, PATIENCE);
  // Before the page knows the user, it may show the chat for a moment.
  await page.locator("#user-nav-button").waitFor(PATIENCE);
}

/**
 * Asserts that a tenant asks for a sign-in.
 * @param {Page} page
 * @param {string} url
 */
async function isOutside(page, url) {
  await page.goto(url);
  await page.getByLabel(url === acme ? "Account" : "Username").waitFor();
}

/**
 * Signs out by Vestibule's page, and at the provider if there is one.
 * @param {Page} page
 * @param {string} url
 */
async function signOut(page, url) {
  await page.goto(`${url}/_session/logout`);
  await page.getByRole("button", { name: "Sign out" }).click();
  if (url === acme) await page.getByRole("button", { name: "Sign out here too" }).click();
  await page.waitForURL(`${url}/_session/signed-out**`, PATIENCE);
}

/**
 * Returns the names of a tenant's cookies in the browser.
 * @param {Page} page
 * @param {string} url
 */
async function cookies(page, url) {
  const jar = await page.context().cookies(url);
  return jar.map(({ name }) => name).sort();
}

test("a visitor of acme signs in at the provider and chats as that user", async (t) => {
  const page = await openPage(t);
  await signInAtProvider(page, "alice");
  assert.match(await sendMessage(page, "hello"), /^(left|right) heard message 1 of alice: hello$/);
  assert.deepEqual(await chainlitUser(page), { status: 200, user: "alice", tenant: "acme" });
  await picture(page, "doors-acme");
});

test("a visitor of globex signs in with a password and chats as that user", async (t) => {
  const page = await openPage(t);
  await signInAtGlobex(page, "gina");
  assert.match(await sendMessage(page, "hello"), /^(left|right) heard message 1 of gina: hello$/);
  assert.deepEqual(await chainlitUser(page), { status: 200, user: "gina", tenant: "globex" });
  await picture(page, "doors-globex");
});

test("a wrong password gives no access", async (t) => {
  const page = await openPage(t);
  await page.goto(globex);
  await page.getByLabel("Username").fill("gina");
  await page.getByLabel("Password").fill("wrong horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await isOutside(page, globex);
});

test("an account of one tenant gives no access to another", async (t) => {
  const page = await openPage(t);
  await page.goto(globex);
  await fillIn(page, "ines");
  await page.getByRole("alert").waitFor();
  await isOutside(page, globex);
});

test("a visitor of the open tenant chats without signing in", async (t) => {
  const page = await openPage(t);
  await page.goto(open);
  assert.match(await sendMessage(page, "hello"), /^(left|right) heard message 1: hello$/);
  const { user, tenant } = await chainlitUser(page);
  assert.equal(tenant, "open");
  assert.match(String(user), /^[\w-]{22}$/);
  await picture(page, "doors-open");
});

for (const { name, url, signIn, user, next } of [
  { name: "acme", url: acme, signIn: signInAtProvider, user: "alice", next: "bob" },
  { name: "globex", url: globex, signIn: signInAtGlobex, user: "gina", next: "george" },
]) {
  test(`a reload at ${name} keeps the user and the conversation`, async (t) => {
    const page = await openPage(t);
    await signIn(page, user);
    const [process] = (await sendMessage(page, "before")).split(" ");
    await page.reload();
    assert.equal(await sendMessage(page, "after"), `${process} heard message 1 of ${user}: after`);
    assert.equal((await chainlitUser(page)).user, user);
  });

  test(`the browser receives none of Chainlit's cookies at ${name}`, async (t) => {
    const page = await openPage(t);
    await signIn(page, user);
    await sendMessage(page, "hello");
    assert.deepEqual(await cookies(page, url), ["vestibule-session"]);
    await page.reload();
    await sendMessage(page, "hello again");
    assert.deepEqual(await cookies(page, url), ["vestibule-session"]);
    assert.equal(await page.evaluate("document.cookie"), "");
  });

  test(`a file uploaded at ${name} reaches Chainlit`, async (t) => {
    const page = await openPage(t);
    await signIn(page, user);
    await sendMessage(page, "hello");
    const buffer = Buffer.alloc(100_000, "x");
    assert.equal(await attach(page, { name: "notes.txt", mimeType: "text/plain", buffer }), 200);
    const answer = await sendMessage(page, "read this");
    assert.match(answer, /message 2 of \w+: read this \(notes\.txt, 100000 bytes\)$/);
  });

  test(`a user who signs out at ${name} is signed out at once in every tab`, async (t) => {
    const page = await openPage(t);
    await signIn(page, user);
    await sendMessage(page, "hello");
    const other = await page.context().newPage();
    await other.goto(url);
    await sendMessage(other, "hello from here");
    await signOut(page, url);
    assert.equal((await chainlitUser(other)).status, 401);
    assert.deepEqual(await cookies(page, url), []);
    await isOutside(page, url);
    await isOutside(other, url);
  });

  test(`Chainlit sees the next user who signs in at ${name} in the same browser`, async (t) => {
    const page = await openPage(t);
    await signIn(page, user);
    await sendMessage(page, "hello");
    await signOut(page, url);
    await signIn(page, next);
    assert.equal((await chainlitUser(page)).user, next);
    assert.match(
      await sendMessage(page, "and now"),
      new RegExp(`heard message 1 of ${next}: and now$`),
    );
  });
}

test("Chainlit sees the new user after a sign-in without a sign-out", async (t) => {
  const page = await openPage(t);
  await signInAtGlobex(page, "gina");
  await sendMessage(page, "hello");
  await page.goto(`${globex}/_session/login`);
  await fillIn(page, "george");
  await atChat(page, globex);
  assert.match(await sendMessage(page, "and now"), /heard message 1 of george: and now$/);
  assert.equal((await chainlitUser(page)).user, "george");
});

test("Chainlit's own logout also ends the session where the application is set up for it", async (t) => {
  const page = await openPage(t);
  await signInAtGlobex(page, "gina");
  await sendMessage(page, "hello");
  await page.locator("#user-nav-button").click();
  await page.getByText("Logout").click();
  await page.getByLabel("Username").waitFor(PATIENCE);
  assert.deepEqual(await cookies(page, globex), []);
  await isOutside(page, globex);
});

test("Chainlit's cookie is cleared from the browser when the user changes", async (t) => {
  const page = await openPage(t);
  await signInByPassword(page, initech, "ines");
  await sendMessage(page, "hello");
  assert.ok((await cookies(page, initech)).includes("access_token"));
  await page.goto(`${initech}/_session/login`);
  const cleared = page.waitForResponse((response) => response.request().method() === "POST");
  await fillIn(page, "igor");
  const lines = await (await cleared).headerValues("set-cookie");
  assert.ok(
    lines.some((line) => /^access_token=;.*Max-Age=0/i.test(line)),
    lines.join("\n"),
  );
  await atChat(page, initech);
  assert.match(await sendMessage(page, "and now"), /heard message 1 of igor: and now$/);
  assert.equal((await chainlitUser(page)).user, "igor");
});

test("Chainlit's cookie is cleared from the browser at sign-out", async (t) => {
  const page = await openPage(t);
  await signInByPassword(page, initech, "ines");
  await sendMessage(page, "hello");
  await signOut(page, initech);
  assert.deepEqual(await cookies(page, initech), ["X-Chainlit-Session-id"]);
});

test("one browser is a different user at acme and globex, and a guest at the open tenant", async (t) => {
  const atAcme = await openPage(t);
  const atGlobex = await atAcme.context().newPage();
  const atOpen = await atAcme.context().newPage();
  await signInAtProvider(atAcme, "alice");
  await signInByPassword(atGlobex, globex, "gina");
  await atOpen.goto(open);
  for (const round of [1, 2]) {
    const text = `round ${round}`;
    assert.match(
      await sendMessage(atAcme, text),
      new RegExp(`message ${round} of alice: ${text}$`),
    );
    assert.match(
      await sendMessage(atGlobex, text),
      new RegExp(`message ${round} of gina: ${text}$`),
    );
    assert.match(await sendMessage(atOpen, text), new RegExp(`message ${round}: ${text}$`));
  }
  await signOut(atAcme, acme);
  assert.equal((await chainlitUser(atGlobex)).user, "gina");
  assert.match(await sendMessage(atGlobex, "still here"), /message 3 of gina: still here$/);
});

test("each tenant has its own name and colour", async (t) => {
  const page = await openPage(t);
  const seen = [];
  for (const url of [acme, globex, open]) {
    await page.goto(`${url}/_session/logout`);
    const link = page.getByRole("link", { name: "Back to the site" });
    const colour = await link.evaluate((element) => getComputedStyle(element).backgroundColor);
    seen.push([await page.title(), await page.locator("header").textContent(), colour]);
  }
  assert.deepEqual(seen, [
    ["You are signed out · Acme Help", "Acme Help", "rgb(27, 127, 75)"],
    ["You are signed out · Globex Desk", "Globex Desk", "rgb(162, 28, 175)"],
    ["You are signed out · Open House", "Open House", "rgb(29, 78, 216)"],
  ]);
});
