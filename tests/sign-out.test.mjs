/** Tests sign-outs: here, at the provider, everywhere, and by the provider's logout token. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import {
  FORGED_TOKENS,
  HostileProvider,
  INVALID_CLAIMS,
  sign,
  signLogout,
} from "./harness/hostile-provider.mjs";
import { Provider } from "./harness/provider.mjs";
import { Browser, clientOf, isIn, oidcMethod, refused, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/hostile-provider.mjs").Claims} Claims */

const ACCOUNTS = { alice: { name: "Alice" }, bob: { name: "Bob" } };

const sites = await Sites.start({ after });
const hostile = await HostileProvider.start({ after });

/**
 * Opens a site with its own real provider, where alice is signed in.
 * @param {import("node:test").TestContext} t
 */
async function open(t) {
  const provider = await Provider.start(t, { accounts: ACCOUNTS });
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(provider.url)] } },
  }));
  provider.register(clientOf(site));
  const url = `${site.url}/`;
  const browser = await signedIn(url);
  return { provider, site, url, browser, logout: `${site.url}/_session/logout` };
}

/**
 * Returns another browser that is signed in.
 * @param {string} url
 * @param {string} [account]
 */
async function signedIn(url, account = "alice") {
  const browser = new Browser();
  const answer = await browser.signIn(url, { account });
  assert.equal(answer.body, "ok", `signing in: ${answer.status} ${answer.code}`);
  return browser;
}

test("a sign-out ends the session and returns the provider's sign-out address", async (t) => {
  const { browser, url, site, logout, provider } = await open(t);
  const session = browser.sessionOf(url);
  const answer = await browser.fetchJson(logout, { method: "POST" });
  assert.equal(answer.status, 200);
  assert.match(answer.header("cache-control"), /no-store/);
  const onward = new URL(answer.json().continue);
  assert.equal(onward.origin + onward.pathname, `${provider.url}/session/end`);
  const { id_token_hint, ...rest } = Object.fromEntries(onward.searchParams);
  assert.deepEqual(rest, {
    client_id: "vestibule",
    post_logout_redirect_uri: `${site.url}/_session/signed-out`,
  });
  assert.match(id_token_hint, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.equal(browser.sessionOf(url), "");
  await refused(url, session);
});

test("a cookie from before a sign-in reveals nothing and ends no other session", async (t) => {
  const { browser, url, site, logout } = await open(t);
  const elsewhere = await signedIn(url);
  const before = browser.sessionOf(url);
  const again = `${site.url}/_session/login?return_to=%2F`;
  assert.equal((await browser.signIn(again, { account: "alice" })).body, "ok");
  const thief = new Browser();
  thief.plant(url, "vestibule-session", before);
  const answer = await thief.fetchJson(logout, { method: "POST", json: { everywhere: true } });
  assert.doesNotMatch(answer.body, /id_token_hint|continue/);
  assert.equal((await elsewhere.fetchJson(url)).status, 200);
});

test("a user who also signed out at the provider must sign in there again", async (t) => {
  const { browser, url, site, logout, provider } = await open(t);
  const answer = await browser.fetchJson(logout, { method: "POST" });
  const question = await browser.get(answer.json().continue);
  const end = await browser.submit(question, { logout: "yes" });
  assert.equal(end.status, 200);
  assert.equal(
    new URL(end.url).origin + new URL(end.url).pathname,
    `${site.url}/_session/signed-out`,
  );
  assert.match(end.header("content-type"), /^text\/html/);
  assert.deepEqual(provider.signOutAnswers, [200]);
  const stranger = await browser.get(url);
  assert.match(stranger.url, /\/interaction\//);
});

test("a form that signs out leads to the provider's sign-out", async (t) => {
  const { browser, url, logout, provider } = await open(t);
  const session = browser.sessionOf(url);
  const answer = await browser.post(logout, {}, { before: "/session/end" });
  assert.equal(answer.status, 303);
  assert.equal(answer.location?.origin, provider.url);
  assert.ok(answer.location?.searchParams.get("id_token_hint"));
  assert.equal(browser.sessionOf(url), "");
  await refused(url, session);
});

test("a sign-out link asks for confirmation on any page", async (t) => {
  const { browser, url, logout, provider } = await open(t);
  const page = await browser.get(logout);
  assert.equal(page.status, 200);
  assert.match(page.header("content-type"), /^text\/html/);
  assert.match(page.header("content-security-policy"), /frame-ancestors 'none'/);
  assert.ok(await isIn(browser, url));
  const answer = await browser.submit(page, {}, { before: "/session/end" });
  assert.equal(answer.location?.origin, provider.url);
  assert.equal(await isIn(browser, url), false);
});

test("a program signs out by POST only", async (t) => {
  const { browser, url, logout } = await open(t);
  const answer = await browser.fetchJson(logout);
  assert.equal(answer.status, 405);
  assert.match(answer.header("allow"), /POST/);
  assert.ok(await isIn(browser, url));
});

test("a page of another site cannot sign a user out", async (t) => {
  const { browser, url, logout } = await open(t);
  const form = await browser.post(logout, {}, { from: "https://evil.example" });
  assert.equal(form.status, 403);
  const sandboxed = { origin: "null", "sec-fetch-site": "cross-site" };
  const neighbour = { origin: url.replace("//site", "//x.site"), "sec-fetch-site": "same-site" };
  for (const headers of [sandboxed, neighbour]) {
    const answer = await browser.fetchJson(logout, { method: "POST", headers });
    assert.deepEqual([answer.status, answer.code], [403, "csrf"]);
  }
  assert.ok(await isIn(browser, url));
});

test("a sign-out without a session succeeds", async (t) => {
  const { url, logout } = await open(t);
  const stranger = new Browser();
  assert.equal((await stranger.fetchJson(logout, { method: "POST" })).status, 204);
  stranger.plant(url, "vestibule-session", "junk");
  assert.equal((await stranger.fetchJson(logout, { method: "POST" })).status, 204);
  assert.equal(stranger.sessionOf(url), "");
});

test("a sign-out does not depend on the provider", async (t) => {
  const { browser, url, logout, provider } = await open(t);
  const session = browser.sessionOf(url);
  await provider.stop();
  const answer = await browser.fetchJson(logout, { method: "POST" });
  assert.ok([200, 204].includes(answer.status), String(answer.status));
  await refused(url, session);
});

test("the page after the provider's sign-out needs no session", async (t) => {
  const { site } = await open(t);
  for (const query of ["", "?state=unknown", "?state=%3Cscript%3E"]) {
    const page = await new Browser().get(`${site.url}/_session/signed-out${query}`);
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.body, /<script>/);
  }
});

for (const [
  what,
  signOut,
] of /** @type {[string, (browser: Browser, logout: string) => Promise<unknown>][]} */ ([
  [
    "by a program",
    (browser, logout) => browser.fetchJson(logout, { method: "POST", json: { everywhere: true } }),
  ],
  [
    "by a form",
    (browser, logout) => browser.post(logout, { everywhere: "true" }, { before: "/session/end" }),
  ],
])) {
  test(`signing out everywhere ${what} ends all of the user's sessions and no others`, async (t) => {
    const { browser, url, logout } = await open(t);
    const other = await signedIn(url);
    const bob = await signedIn(url, "bob");
    const sessions = [browser, other].map((one) => one.sessionOf(url));
    await signOut(browser, logout);
    for (const session of sessions) await refused(url, session);
    assert.ok(await isIn(bob, url));
    assert.equal((await other.signIn(url)).body, "ok");
  });
}

test("a sign-out ends this session and no other", async (t) => {
  const { browser, url, logout } = await open(t);
  const other = await signedIn(url);
  const session = browser.sessionOf(url);
  await browser.fetchJson(logout, { method: "POST", json: { everywhere: false } });
  await refused(url, session);
  assert.ok(await isIn(other, url));
});

test("a back-channel logout signs the user out in that browser only", async (t) => {
  const { browser, url, provider } = await open(t);
  const other = await signedIn(url);
  const session = browser.sessionOf(url);
  await browser.submit(await browser.get(`${provider.url}/session/end`), { logout: "yes" });
  assert.deepEqual(provider.signOutAnswers, [200]);
  await refused(url, session);
  assert.ok(await isIn(other, url));
  const next = await browser.step(url);
  assert.equal(next.location?.pathname, "/_session/login");
  assert.equal((await browser.signIn(url)).body, "ok");
});

/**
 * Opens a site with a hostile provider, where alice is signed in.
 * @param {import("node:test").TestContext} t
 */
async function openHostile(t) {
  const issuer = hostile.issuer();
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url)] } },
  }));
  const url = `${site.url}/`;
  const sids = /** @type {string[]} */ ([]);
  issuer.claims = (claims) => {
    sids.push(claims.sid);
    return claims;
  };
  const browser = await signedIn(url);
  const at = new URL("/_session/backchannel-logout", url);
  /** Sends a logout token like a provider: without cookies or a browser's headers. */
  const sendToken = (/** @type {string} */ token) =>
    fetchForm(at, new URLSearchParams({ logout_token: token }).toString());
  return { issuer, url, browser, at, sendToken, sids };
}

/**
 * @param {URL} at
 * @param {string} form
 */
function fetchForm(at, form) {
  return new Browser().send(at, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: form,
  });
}

/**
 * @param {import("./harness/sign-in.mjs").Answer} answer
 */
function assertInvalid(answer) {
  assert.equal(answer.status, 400, answer.body);
  assert.equal(answer.json().error, "invalid_request");
  assert.match(answer.header("content-type"), /json/);
  assert.match(answer.header("cache-control"), /no-store/);
}

test("a logout token ends its session and no other", async (t) => {
  const { issuer, url, browser, sendToken, sids } = await openHostile(t);
  const other = await signedIn(url);
  const session = browser.sessionOf(url);
  const answer = await sendToken(await signLogout(issuer.logoutToken({ sid: sids[0] })));
  assert.equal(answer.status, 200);
  assert.match(answer.header("cache-control"), /no-store/);
  await refused(url, session);
  assert.ok(await isIn(other, url));
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("a logout token without sid ends all sessions of the user only", async (t) => {
  const { issuer, url, browser, sendToken } = await openHostile(t);
  const other = await signedIn(url);
  const sessions = [browser, other].map((one) => one.sessionOf(url));
  issuer.claims = (claims) => ({ ...claims, sub: "bob" });
  const bob = await signedIn(url);
  assert.equal((await sendToken(await signLogout(issuer.logoutToken()))).status, 200);
  for (const session of sessions) await refused(url, session);
  assert.ok(await isIn(bob, url));
  issuer.behave();
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("a logout token with only a sid ends its session", async (t) => {
  const { issuer, url, browser, sendToken, sids } = await openHostile(t);
  const session = browser.sessionOf(url);
  const token = issuer.logoutToken({ sid: sids[0], sub: undefined });
  assert.equal((await sendToken(await signLogout(token))).status, 200);
  await refused(url, session);
});

test("a logout token for an unknown session is accepted", async (t) => {
  const { issuer, url, browser, sendToken } = await openHostile(t);
  const token = issuer.logoutToken({ sid: randomUUID(), sub: undefined });
  assert.equal((await sendToken(await signLogout(token))).status, 200);
  assert.ok(await isIn(browser, url));
});

test("a logout token is accepted once", async (t) => {
  const { issuer, url, browser, sendToken, sids } = await openHostile(t);
  const session = browser.sessionOf(url);
  const token = await signLogout(issuer.logoutToken());
  assert.equal((await sendToken(token)).status, 200);
  await refused(url, session);
  assert.equal((await browser.signIn(url)).body, "ok");
  assertInvalid(await sendToken(token));
  assert.ok(await isIn(browser, url));
  assert.equal(sids.length, 2);
});

test("a logout token with fractional times is accepted", async (t) => {
  const { issuer, url, browser, sendToken } = await openHostile(t);
  const session = browser.sessionOf(url);
  const { iat, exp, ...claims } = issuer.logoutToken();
  const token = await signLogout({ ...claims, iat: iat + 0.17, exp: exp + 0.5 });
  assert.equal((await sendToken(token)).status, 200);
  await refused(url, session);
});

for (const [groups, hint] of /** @type {[number, string][]} */ ([
  [100, "alice@example.com"],
  [20, "alice@example.com"],
])) {
  test(`the provider's sign-out address stays short for a user with ${groups} groups`, async (t) => {
    const { issuer, url } = await openHostile(t);
    const names = Array.from({ length: groups }, (_, at) => `group-${at}-${randomUUID()}`);
    issuer.claims = (claims) => ({ ...claims, groups: names });
    const browser = await signedIn(url);
    const logout = `${url}_session/logout`;
    const answer = await browser.fetchJson(logout, { method: "POST" });
    const onward = new URL(answer.json().continue);
    assert.ok(onward.href.length <= 2_048, String(onward.href.length));
    const parameters = Object.fromEntries(onward.searchParams);
    assert.deepEqual(parameters, {
      client_id: "vestibule",
      post_logout_redirect_uri: `${url}_session/signed-out`,
      logout_hint: hint,
    });
  });
}

for (const [what, claims, hint] of /** @type {[string, Claims, string][]} */ ([
  ["the login_hint claim", { login_hint: "opaque", preferred_username: "a" }, "opaque"],
  ["preferred_username", { preferred_username: "alice@corp.example" }, "alice@corp.example"],
  [
    "the email address if login_hint is not a string",
    { login_hint: 7, preferred_username: [] },
    "alice@example.com",
  ],
  [
    "the email address if login_hint is too long",
    { login_hint: "x".repeat(3_000) },
    "alice@example.com",
  ],
  ["the sub claim if there is no email address", { email: undefined }, "alice"],
])) {
  test(`the provider's sign-out address names the user by ${what}`, async (t) => {
    const { issuer, url } = await openHostile(t);
    issuer.claims = (all) => ({ ...all, ...claims, filler: "x".repeat(3_000) });
    const browser = await signedIn(url);
    const answer = await browser.fetchJson(`${url}_session/logout`, { method: "POST" });
    const { searchParams } = new URL(answer.json().continue);
    assert.equal(searchParams.get("logout_hint"), hint);
    assert.equal(searchParams.get("id_token_hint"), null);
  });
}

for (const [what, forge] of FORGED_TOKENS) {
  test(`a logout token ${what} is rejected`, async (t) => {
    const { issuer, url, browser, sendToken } = await openHostile(t);
    assertInvalid(
      await sendToken(await forge(issuer.logoutToken(), issuer, { typ: "logout+jwt" })),
    );
    assert.ok(await isIn(browser, url));
    assert.equal(issuer.count("elsewhere"), 0);
  });
}

const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/** @type {typeof INVALID_CLAIMS} */
const OF_A_SIGN_OUT = [
  ["a nonce", (claims) => ({ ...claims, nonce: "n" })],
  ["no event", ({ events: _, ...claims }) => claims],
  ["another event", (claims) => ({ ...claims, events: { "https://a.example/event": {} } })],
  ["an event in a list", (claims) => ({ ...claims, events: [EVENT] })],
  ["an event that is not an object", (claims) => ({ ...claims, events: { [EVENT]: true } })],
  ["neither session nor user", ({ sub: _, ...claims }) => claims],
  ["a sid that is not a string", (claims) => ({ ...claims, sid: 7 })],
  ["no jti", ({ jti: _, ...claims }) => claims],
];

for (const [what, alter] of [...INVALID_CLAIMS, ...OF_A_SIGN_OUT]) {
  test(`a logout token with ${what} is rejected`, async (t) => {
    const { issuer, url, browser, sendToken } = await openHostile(t);
    assertInvalid(await sendToken(await signLogout(alter(issuer.logoutToken()))));
    assert.ok(await isIn(browser, url));
  });
}

test("an ID token is rejected as a logout token", async (t) => {
  const { issuer, url, browser, sendToken, sids } = await openHostile(t);
  const idToken = issuer.token("vestibule", { sid: sids[0], nonce: "n" });
  assertInvalid(await sendToken(await sign(idToken)));
  assertInvalid(await sendToken(await sign(issuer.logoutToken({ sid: sids[0] }))));
  assert.ok(await isIn(browser, url));
});

test("a logout token of another site's provider is rejected", async (t) => {
  const { url, browser, sendToken } = await openHostile(t);
  const other = await openHostile(t);
  assertInvalid(await sendToken(await signLogout(other.issuer.logoutToken())));
  assert.ok(await isIn(browser, url));
});

test("a logout token is accepted by form POST only", async (t) => {
  const { issuer, url, browser, at } = await openHostile(t);
  const token = await signLogout(issuer.logoutToken());
  const program = new Browser();
  const query = new URL(`?logout_token=${token}`, at);
  const got = await program.send(query, {});
  assert.equal(got.status, 405);
  assert.match(got.header("allow"), /POST/);
  const body = JSON.stringify({ logout_token: token });
  const headers = { "content-type": "application/json" };
  assert.equal((await program.send(at, { method: "POST", headers, body })).status, 415);
  for (const form of ["", "logout_token=", `logout_token=${token}&logout_token=${token}`]) {
    assertInvalid(await fetchForm(at, form));
  }
  assertInvalid(await fetchForm(at, `logout_token=${"x".repeat(17 * 1024)}`));
  const tooLong = await fetchForm(at, `logout_token=${"x".repeat(20 * 1024)}`);
  assert.equal(tooLong.status, 413);
  assert.ok(await isIn(browser, url));
});

test("a logout token gets 503 while keys are unavailable, and can be repeated", async (t) => {
  const { issuer, url, browser, sendToken } = await openHostile(t);
  const session = browser.sessionOf(url);
  await sites.vestibule.restart();
  const token = await signLogout(issuer.logoutToken());
  issuer.answers.jwks = { status: 500 };
  const answer = await sendToken(token);
  assert.ok(answer.status >= 400, String(answer.status));
  assert.ok(await isIn(browser, url));
  issuer.behave();
  await until(async () => (await sendToken(token)).status === 200, {
    what: "the accepted logout token",
  });
  await refused(url, session);
});
