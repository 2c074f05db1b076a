/**
 * Tests Cloudflare Access as a sign-in method: which assertions are accepted, and what a session that began with one is
 * worth without it. The team's keys come from a server of the test.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import {
  FORGED_TOKENS,
  HostileProvider,
  KEYS,
  published,
  sign,
} from "./harness/hostile-provider.mjs";
import { Browser, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/hostile-provider.mjs").Claims} Claims */

const HEADER = "cf-access-jwt-assertion";
const AUDIENCE = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/**
 * Opens a site behind a team's Access, and a browser whose requests carry an assertion.
 * @param {import("node:test").TestContext} t
 * @param {{ mode?: string, access?: Record<string, unknown>, methods?: Record<string, unknown>,
 *   exceptions?: unknown[] }} [settings]
 */
async function open(t, { mode = "required", access = {}, methods = {}, exceptions = [] } = {}) {
  const team = provider.issuer();
  const site = await sites.open(t, () => ({
    login: {
      mode,
      exceptions,
      methods: {
        access: { team_domain: team.url, audiences: ["another-tag", AUDIENCE], ...access },
        ...methods,
      },
    },
  }));
  const browser = new Browser();
  /** Returns the claims of a valid assertion. */
  const sound = (/** @type {Claims} */ more = {}) =>
    team.token(AUDIENCE, { email: "alice@example.com", type: "app", nbf: now() - 1, ...more });
  const carry = async (/** @type {Claims} */ more = {}) => {
    browser.proxied = { [HEADER]: await sign(sound(more)) };
  };
  const url = `${site.url}/`;
  const users = () =>
    site.origin.requests.map(({ headers }) => headerOf(headers, "x-session-user"));
  return { team, site, url, browser, sound, carry, users };
}

/** Unix seconds. */
const now = () => Math.floor(Date.now() / 1000);

/** @param {[string, string][]} headers @param {string} name */
function headerOf(headers, name) {
  return headers.find(([own]) => own.toLowerCase() === name)?.[1] ?? "";
}

test("a page request with an assertion signs its user in and returns to the page", async (t) => {
  const { url, site, browser, carry, team } = await open(t);
  await carry({ sub: "u-1", custom: 1, name: "Alice", groups: ["staff"] });
  const answer = await browser.get(`${url}deep?q=1`);
  assert.deepEqual([answer.status, answer.url], [200, `${url}deep?q=1`]);
  const [{ headers }] = site.origin.requests;
  assert.deepEqual(
    ["user", "email", "name", "groups"].map((name) => headerOf(headers, `x-session-${name}`)),
    ["u-1", "alice@example.com", "Alice", "staff"],
  );
  for (let visit = 0; visit < 3; visit += 1)
    assert.equal((await browser.fetchJson(url)).status, 200);
  assert.equal(team.count("jwks"), 1, "the keys are cached");
});

test("claims and allowed users are set as for a provider", async (t) => {
  const access = {
    claims: { user: "email", groups: "custom.groups" },
    allow: { groups: ["staff"] },
  };
  const { url, browser, carry, users } = await open(t, { access });
  await carry({ custom: { groups: ["others"] } });
  const refused = await browser.get(url);
  assert.deepEqual([refused.status, refused.code], [403, "not_admitted"]);
  await carry({ custom: { groups: ["staff"] } });
  assert.equal((await browser.get(url)).status, 200);
  assert.deepEqual(users(), ["alice@example.com"]);
});

test("without an assertion nobody is signed in, and there is no loop", async (t) => {
  const { url, browser, site } = await open(t);
  const page = await browser.get(url);
  assert.deepEqual([page.status, page.code], [403, "login_denied"]);
  const call = await browser.fetchJson(url);
  assert.deepEqual([call.status, call.code], [401, "no_session"]);
  assert.equal(site.origin.requests.length, 0);
});

test("a session is worth nothing without its assertion, and continues with it", async (t) => {
  const { url, browser, carry, users } = await open(t);
  await carry({ sub: "u-1" });
  await browser.get(url);
  const { proxied } = browser;
  browser.proxied = {};
  const call = await browser.fetchJson(url);
  assert.deepEqual([call.status, call.code], [401, "no_session"]);
  assert.notEqual(browser.sessionOf(url), "", "the cookie stays");
  browser.proxied = proxied;
  assert.equal((await browser.fetchJson(url)).status, 200);
  assert.deepEqual(users(), ["u-1", "u-1"]);
});

for (const [what, forge] of FORGED_TOKENS) {
  test(`a token is refused: ${what}`, async (t) => {
    const { url, browser, sound, team, site } = await open(t);
    browser.proxied = { [HEADER]: await forge(sound(), team, {}) };
    assert.equal((await browser.get(url)).status, 403);
    assert.equal((await browser.fetchJson(url)).status, 401);
    assert.equal(site.origin.requests.length, 0);
  });
}

test("assertions with a wrong claim or key are refused", async (t) => {
  const { url, browser, sound, site } = await open(t);
  const other = provider.issuer();
  for (const [what, token] of Object.entries({
    "another audience": await sign(sound({ aud: ["someone-else"] })),
    "no audience": await sign(sound({ aud: undefined })),
    "another team": await sign(sound({ iss: other.url })),
    "the team's domain with a slash": await sign(sound({ iss: `${sound().iss}/` })),
    expired: await sign(sound({ iat: now() - 500, exp: now() - 61 })),
    "without an end": await sign(sound({ exp: undefined })),
    "with an end as text": await sign(sound({ exp: String(now() + 300) })),
    "not valid yet": await sign(sound({ nbf: now() + 120 })),
    "another's key": await sign(sound(), { key: KEYS.foreign }),
    "an unknown key id": await sign(sound(), { header: { kid: "k9" } }),
    "no key id": await sign(sound(), { header: { kid: undefined } }),
    "another algorithm": await sign(sound(), { key: KEYS.elliptic }),
    "two of them": `${await sign(sound())}, ${await sign(sound())}`,
    "no token": "x",
  })) {
    browser.proxied = { [HEADER]: token };
    assert.equal((await browser.get(url)).status, 403, what);
    assert.equal((await browser.fetchJson(url)).status, 401, what);
  }
  assert.equal(site.origin.requests.length, 0);
});

test("a client that invents assertions gets 429, like one that invents cookies", async (t) => {
  const { url, browser, sound } = await open(t);
  browser.proxied = { [HEADER]: await sign(sound(), { key: KEYS.foreign }) };
  const statuses = new Set();
  for (let sent = 0; sent < 400 && !statuses.has(429); sent += 1) {
    statuses.add((await browser.get(url)).status);
  }
  assert.deepEqual([...statuses], [403, 429]);
});

test("an assertion proves no recent sign-in, because Access renews it without asking", async (t) => {
  const { url, site, browser, carry } = await open(t, {
    exceptions: [{ path: "/vault/*", mode: "required", max_age: "10m" }],
  });
  await carry({ iat: now() });
  assert.equal((await browser.get(url)).status, 200);
  const vault = await browser.fetchJson(`${site.url}/vault/x`);
  assert.deepEqual([vault.status, vault.code], [401, "step_up_required"]);
});

test("a user without an id, such as a service token, is not admitted", async (t) => {
  const { url, browser, carry } = await open(t);
  await carry({ sub: "", common_name: "robot.access" });
  const answer = await browser.get(url);
  assert.deepEqual([answer.status, answer.code], [403, "not_admitted"]);
});

test("rotated keys are fetched for an unknown key id, at most once a minute", async (t) => {
  const { url, browser, carry, team, sound } = await open(t);
  await carry();
  await browser.get(url);
  team.answers.jwks = { body: { keys: [await published(KEYS.foreign, { kid: "k2" })] } };
  const next = await sign(sound({ sub: "later" }), { key: KEYS.foreign, header: { kid: "k2" } });
  browser.proxied = { [HEADER]: next };
  assert.equal((await browser.get(url)).status, 200);
  assert.equal(team.count("jwks"), 2);
  for (let at = 0; at < 5; at += 1) {
    browser.proxied = { [HEADER]: await sign(sound(), { header: { kid: `made-up-${at}` } }) };
    assert.equal((await browser.fetchJson(url)).status, 401);
  }
  assert.equal(team.count("jwks"), 2);
});

test("while the team's keys are unreachable nobody passes, not even as a guest", async (t) => {
  const { url, browser, carry, team, site } = await open(t, { mode: "optional" });
  team.answers.jwks = { status: 500, body: "" };
  await carry();
  const answer = await browser.get(url);
  assert.deepEqual([answer.status, answer.code], [503, "idp_unavailable"]);
  assert.ok(Number(answer.header("retry-after")) > 0);
  assert.equal(site.origin.requests.length, 0);
});

test("a second user on the same cookie gets a session of their own, and the first one's ends", async (t) => {
  const { url, browser, carry, users } = await open(t);
  await carry({ sub: "first" });
  await browser.get(url);
  const first = browser.sessionOf(url);
  const { proxied } = browser;
  await carry({ sub: "second", email: "second@example.com" });
  const call = await browser.fetchJson(url);
  assert.deepEqual([call.status, call.code], [401, "no_session"], "a call is not the first user's");
  assert.equal((await browser.get(url)).status, 200);
  assert.notEqual(browser.sessionOf(url), first);
  assert.equal((await browser.fetchJson(url)).status, 200);
  assert.deepEqual(users(), ["first", "second", "second"]);
  const thief = new Browser();
  thief.proxied = proxied;
  thief.plant(url, "vestibule-session", first);
  await until(async () => (await thief.fetchJson(url)).status === 401, { what: "its end" });
});

test("a change of groups or address rotates the session at the next page", async (t) => {
  const { url, site, browser, carry } = await open(t);
  await carry({ groups: ["staff"] });
  await browser.get(url);
  // A sign-in changes only the second half of the public name.
  const handle = () => site.origin.received("x-session-id").map((name) => name.split(".")[0]);
  const first = handle();
  const before = browser.sessionOf(url);
  await carry({ groups: ["guests"] });
  assert.equal((await browser.fetchJson(url)).status, 401, "a call does not keep the old groups");
  assert.equal((await browser.get(url)).status, 200);
  assert.notEqual(browser.sessionOf(url), before);
  assert.deepEqual(site.origin.received("x-session-groups"), ["guests"]);
  assert.deepEqual(handle(), first, "the same session");
});

test("where guests are admitted, a page request with an assertion is not a guest's", async (t) => {
  const { url, browser, carry, users } = await open(t, { mode: "optional" });
  await browser.get(url);
  await carry({ sub: "u-1" });
  await browser.get(url);
  assert.deepEqual(users(), ["", "u-1"]);
});

test("the assertion and its cookie reach the server only if the tenant says so", async (t) => {
  for (const forward of [false, true]) {
    const { url, site, browser, carry } = await open(t, { access: { forward } });
    await carry();
    browser.plant(url, "CF_Authorization", browser.proxied[HEADER]);
    browser.plant(url, "theme", "dark");
    await browser.get(url);
    const [{ headers }] = site.origin.requests;
    const token = browser.proxied[HEADER];
    assert.equal(headerOf(headers, HEADER), forward ? token : "");
    const cookies = forward ? `CF_Authorization=${token}; theme=dark` : "theme=dark";
    assert.equal(headerOf(headers, "cookie"), cookies);
  }
});

test("a site without Access as its method forwards no assertion, and believes none", async (t) => {
  const team = provider.issuer();
  const site = await sites.open(t, () => ({ login: { mode: "optional" } }));
  const browser = new Browser();
  browser.proxied = { [HEADER]: await sign(team.token(AUDIENCE)) };
  assert.equal((await browser.get(site.url)).status, 200);
  const [{ headers }] = site.origin.requests;
  assert.deepEqual([headerOf(headers, HEADER), headerOf(headers, "x-session-user")], ["", ""]);
  assert.equal(team.requests.length, 0);
});

test("signing out leads to the sign-out of Access", async (t) => {
  const { url, site, browser, carry } = await open(t);
  await carry();
  await browser.get(url);
  const json = {};
  const answer = await browser.fetchJson(`${site.url}/_session/logout`, { method: "POST", json });
  assert.deepEqual([answer.status, answer.json()], [200, { continue: "/cdn-cgi/access/logout" }]);
  assert.equal(browser.sessionOf(url), "");
});

test("a user with a password needs no assertion where both are methods", async (t) => {
  const { url, site, browser, users } = await open(t, { methods: { password: true } });
  enrol(sites, site.id, { user: "bob", password: "of bob" });
  const json = { username: "bob", password: "of bob" };
  const answer = await browser.fetchJson(`${site.url}/_session/login`, { method: "POST", json });
  assert.equal(answer.status, 200, answer.body);
  assert.equal((await browser.get(url)).status, 200);
  assert.deepEqual(users(), ["bob"]);
});
