/** Tests sign-ins at a real OpenID provider, as seen by the visitor, the chat server and the provider. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { read } from "./harness/cookie.mjs";
import { HostileProvider } from "./harness/hostile-provider.mjs";
import { fold } from "./harness/origin.mjs";
import { DENY, Provider } from "./harness/provider.mjs";
import { Browser, clientOf, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";
import { freshKey } from "./harness/workerd.mjs";

const ACCOUNTS = {
  alice: { email: "alice@example.com", name: "Alice Liddell", groups: ["staff", "chess"] },
  bob: { email: "bob@example.com", name: "Bob", groups: [] },
};

const sites = await Sites.start({ after });

/**
 * Opens a site with its own provider, and a browser.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [document]
 * @param {Record<string, unknown>} [login]
 */
async function open(t, document = {}, login = {}) {
  const provider = await Provider.start(t, { accounts: ACCOUNTS });
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(provider.url)] }, ...login },
    ...document,
  }));
  provider.register(clientOf(site));
  return { provider, site, origin: site.origin, browser: new Browser(), url: `${site.url}/` };
}

/** The chat server receives the provider's access token. */
const WITH_TOKEN = { headers: { "X-Access-Token": "access_token" } };

/** @param {string} line a `Set-Cookie` line */
const nameOf = (line) => line.split("=")[0];

test("a visitor without a session goes to the provider and back to the requested page", async (t) => {
  const { browser, site, origin } = await open(t);
  const answer = await browser.signIn(`${site.url}/chat?room=1&from=%2Fa`);
  assert.deepEqual([answer.status, answer.body], [200, "ok"], answer.code);
  assert.equal(answer.url, `${site.url}/chat?room=1&from=%2Fa`);
  assert.deepEqual(
    origin.requests.map(({ url }) => url),
    ["/chat?room=1&from=%2Fa"],
  );
  assert.deepEqual(origin.received("x-session-user"), ["alice"]);
  assert.deepEqual(origin.received("x-session-email"), ["alice@example.com"]);
  assert.deepEqual(origin.received("x-session-groups"), ["staff,chess"]);
  assert.match(origin.received("x-session-name")[0], /^Alice(%20| )Liddell$/);
});

test("/_session/me shows the signed-in user", async (t) => {
  const { browser, url } = await open(t);
  await browser.signIn(url);
  const { user, email, name, groups, stored } = (await browser.me(url)).json();
  assert.deepEqual(
    { user, email, name, groups, stored },
    { user: "alice", ...ACCOUNTS.alice, stored: true },
  );
});

test("a program without a session gets 401 and no redirect", async (t) => {
  const { browser, url, origin } = await open(t);
  const answer = await browser.fetchJson(url);
  assert.deepEqual([answer.status, answer.location], [401, undefined]);
  assert.equal(origin.requests.length, 0);
});

test("the authorization request asks for a code bound to this sign-in and browser", async (t) => {
  const { browser, provider, site } = await open(t);
  const turnedAway = await browser.step(`${site.url}/chat?room=1`);
  assert.equal(turnedAway.status, 303);
  const login = turnedAway.location ?? assert.fail("not led to sign in");
  assert.equal(login.pathname, "/_session/login");
  assert.equal(login.searchParams.get("return_to"), "/chat?room=1");
  const sent = await browser.step(login);
  assert.equal(sent.status, 303);
  assert.match(sent.header("cache-control"), /no-store/);
  const asked = sent.location ?? assert.fail("not led to the provider");
  assert.equal(asked.origin + asked.pathname, `${provider.url}/auth`);
  const { state, nonce, code_challenge, scope, ...rest } = Object.fromEntries(asked.searchParams);
  assert.deepEqual(rest, {
    response_type: "code",
    client_id: "vestibule",
    redirect_uri: `${site.url}/_session/callback`,
    code_challenge_method: "S256",
  });
  assert.deepEqual(scope.split(" "), ["openid", "email", "profile", "groups"]);
  assert.match(state, /^[\w-]{22,}$/);
  assert.match(nonce, /^[\w-]{22,}$/);
  assert.notEqual(state, nonce);
  assert.match(code_challenge, /^[\w-]{43}$/);
  const [line, ...others] = sent.cookies.filter((one) =>
    nameOf(one).startsWith("vestibule-session-login-"),
  );
  assert.deepEqual(others, []);
  assert.match(
    line,
    /^vestibule-session-login-[\w-]{8}=[\w.~-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600$/,
  );
  assert.ok(!line.includes(nonce) && !line.includes(code_challenge));
});

test("two sign-ins share no state, nonce or code verifier", async (t) => {
  const { browser, site } = await open(t);
  const seen = [];
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const { location } = await browser.step(`${site.url}/_session/login`);
    const of = (/** @type {string} */ name) => location?.searchParams.get(name);
    seen.push(of("state"), of("nonce"), of("code_challenge"));
  }
  assert.equal(new Set(seen).size, 6);
});

test("the callback sets the session cookie and clears the sign-in cookie", async (t) => {
  const { browser, url } = await open(t);
  const back = await browser.beginSignIn(url);
  assert.equal(browser.signInsOf(url).length, 1);
  const answer = await browser.step(back);
  assert.deepEqual([answer.status, answer.location?.href], [303, url]);
  assert.match(answer.header("cache-control"), /no-store/);
  assert.equal(answer.header("referrer-policy"), "no-referrer");
  assert.deepEqual(
    answer.cookies
      .map(nameOf)
      .map((name) => name.slice(0, "vestibule-session-login".length))
      .sort(),
    ["vestibule-session", "vestibule-session-login"],
  );
  const session = answer.cookies.find((line) => nameOf(line) === "vestibule-session") ?? "";
  assert.match(session, /; Path=\/; HttpOnly; SameSite=Lax/);
  assert.deepEqual(browser.signInsOf(url), []);
  assert.notEqual(browser.sessionOf(url), "");
});

test("unmapped tokens reach neither the browser nor the chat server", async (t) => {
  const { browser, url, origin, provider } = await open(t);
  await browser.signIn(url);
  await browser.me(url);
  await browser.beginSignIn(new URL("/_session/login", url));
  await browser.get(url);
  const secrets = /eyJ[\w-]+\.eyJ[\w-]+\.|access_token|refresh_token|id_token/;
  for (const answer of browser.trail.filter((one) => !one.url.startsWith(provider.url))) {
    assert.doesNotMatch(JSON.stringify(answer), secrets, answer.url);
  }
  assert.doesNotMatch(JSON.stringify(origin.requests), secrets);
  assert.doesNotMatch(JSON.stringify(origin.requests), /vestibule-session-login-|callback\?/);
});

test("a mapped access token is sent only to the chat server", async (t) => {
  const { browser, url, origin, provider } = await open(t, WITH_TOKEN);
  await browser.signIn(url);
  const [token] = origin.received("x-access-token");
  assert.ok(await provider.accepts(token));
  const site = browser.trail.filter((one) => !one.url.startsWith(provider.url));
  assert.ok(site.every((answer) => !JSON.stringify(answer).includes(token)));
  await browser.fetchJson(url, { headers: { "x-access-token": "evil" } });
  assert.deepEqual(origin.received("x-access-token"), [token]);
});

test("a return address on another site becomes the front page", async (t) => {
  const { browser, site, url, provider } = await open(t);
  await browser.signIn(url);
  const at = `${site.url}/_session/login`;
  for (const [address, expected] of /** @type {[string, string][]} */ ([
    ["/a/b?c=d&e=%2F", "/a/b?c=d&e=%2F"],
    ["https://evil.example/", "/"],
    ["//evil.example/", "/"],
    ["///evil.example/", "/"],
    ["/\\evil.example/", "/"],
    ["\\\\evil.example/", "/"],
    ["/\t/evil.example/", "/"],
    ["/\n/evil.example/", "/"],
    ["/a/..//evil.example/", "/"],
    ["/%2f/evil.example/", "/"],
    ["javascript:alert(1)", "/"],
    ["@evil.example/", "/"],
    [".evil.example/", "/"],
    [`${site.url}.evil.example/`, "/"],
    ["/_session/login", "/"],
    ["/_session/logout", "/"],
    ["/api/vhosts/%2F/permissions", "/api/vhosts/%2F/permissions"],
    ["/files/.hidden", "/files/.hidden"],
    ["/?p=C:\\dir", "/?p=C:\\dir"],
    [`/?${"a".repeat(2_116)}`, `/?${"a".repeat(2_116)}`],
    ["/a%2f..%2f..//evil.example/", "/"],
    ["/x/../_session/logout", "/"],
    [`/${"a".repeat(3_000)}`, "/"],
    ["", "/"],
  ])) {
    const answer = await browser.get(`${at}?return_to=${encodeURIComponent(address)}`);
    assert.deepEqual([answer.url, answer.body], [site.url + expected, "ok"], address.slice(0, 80));
  }
  assert.equal((await browser.get(at)).url, url);
  const strangers = browser.trail.filter(({ location }) =>
    location ? ![site.url, provider.url].includes(location.origin) : false,
  );
  assert.deepEqual(strangers, []);
});

test("sign-ins in several tabs all succeed", async (t) => {
  const { browser, site } = await open(t);
  const backs = [];
  for (const room of ["1", "2", "3"]) {
    backs.push(await browser.beginSignIn(`${site.url}/chat?room=${room}`));
  }
  assert.equal(browser.signInsOf(site.url).length, 3);
  for (const [at, back] of backs.entries()) {
    const answer = await browser.get(back);
    assert.deepEqual([answer.url, answer.body], [`${site.url}/chat?room=${at + 1}`, "ok"]);
  }
  assert.deepEqual(browser.signInsOf(site.url), []);
});

test("a pending sign-in survives a crash", async (t) => {
  const { browser, url } = await open(t);
  const back = await browser.beginSignIn(url);
  await sites.vestibule.restart();
  assert.equal((await browser.get(back)).body, "ok");
});

test("a sign-in begun before the keys were replaced must start again", async (t) => {
  const { browser, url } = await open(t);
  const back = await browser.beginSignIn(url);
  sites.vestibule.keys = freshKey();
  await sites.vestibule.restart();
  const answer = await browser.get(back);
  assert.ok(answer.body === "ok" || answer.code === "login_state", answer.code);
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("a callback works once, in the browser that began the sign-in", async (t) => {
  const { browser, url, provider } = await open(t);
  const back = await browser.beginSignIn(url);
  const stranger = new Browser();
  const stolen = await stranger.get(back);
  assert.deepEqual([stolen.status, stolen.code], [400, "login_state"]);
  assert.equal(provider.counted("/token"), 0);
  assert.equal((await browser.get(back)).body, "ok");
  const again = await browser.get(back);
  assert.deepEqual([again.url, again.body], [url, "ok"]);
  assert.equal(provider.counted("/token"), 1);
  assert.equal((await browser.me(url)).json().user, "alice");
});

test("a sign-in cannot be completed at another site", async (t) => {
  const one = await open(t);
  const other = await open(t);
  const back = await one.browser.beginSignIn(one.url);
  for (const { name, value } of one.browser.signInsOf(one.url)) {
    one.browser.plant(other.url, name, value);
  }
  const elsewhere = new URL(back.pathname + back.search, other.url);
  const answer = await one.browser.get(elsewhere);
  assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
  assert.equal(one.provider.counted("/token") + other.provider.counted("/token"), 0);
});

test("a pending sign-in does not count as a session", async (t) => {
  const { browser, url } = await open(t);
  await browser.beginSignIn(url);
  const [{ value }] = browser.signInsOf(url);
  browser.plant(url, "vestibule-session", value);
  assert.equal((await browser.fetchJson(url)).status, 401);
});

test("invalid values in every cookie do not prevent a sign-in", async (t) => {
  const { browser, url } = await open(t);
  for (const name of [
    "vestibule-session",
    "vestibule-session-login-AAAAAAAA",
    "vestibule-session-login-",
    "__Host-session",
  ]) {
    browser.plant(url, name, "junk");
  }
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("a visitor who declines at the provider gets 403 and can sign in later", async (t) => {
  const { browser, url, provider } = await open(t);
  const answer = await browser.signIn(url, { account: DENY });
  assert.deepEqual([answer.status, answer.code], [403, "login_denied"]);
  assert.deepEqual(browser.signInsOf(url), []);
  assert.equal(provider.counted("/token"), 0);
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("the sign-in page passes max_age on to each provider's link", async (t) => {
  const methods = { password: true, oidc: [oidcMethod("http://127.0.0.1:9")] };
  const site = await sites.open(t, () => ({ login: { mode: "required", methods } }));
  const page = await new Browser().get(`${site.url}/_session/login?max_age=60`);
  assert.match(page.body, /provider=main&amp;return_to=\/&amp;max_age=60"/);
});

test("a provider without iss has its own callback address", async (t) => {
  const hostile = await HostileProvider.start(t);
  const [quiet, other] = [hostile.issuer(), hostile.issuer()];
  const metadata = { ...quiet.metadata(), authorization_response_iss_parameter_supported: false };
  quiet.answers.discovery = { body: JSON.stringify(metadata) };
  const oidc = [oidcMethod(quiet.url, { name: "quiet" }), oidcMethod(other.url, { name: "other" })];
  const site = await sites.open(t, () => ({ login: { mode: "required", methods: { oidc } } }));
  const redirectUri = async (/** @type {string} */ name) => {
    const sent = await new Browser().step(`${site.url}/_session/login?provider=${name}`);
    return sent.location?.searchParams.get("redirect_uri");
  };
  assert.equal(await redirectUri("quiet"), `${site.url}/_session/callback?idp=quiet`);
  assert.equal(await redirectUri("other"), `${site.url}/_session/callback`);
});

test("a visitor chooses between several providers", async (t) => {
  const first = await Provider.start(t, { accounts: ACCOUNTS });
  const second = await Provider.start(t, { accounts: { carol: { name: "Carol" } } });
  const oidc = [
    oidcMethod(first.url, { name: "first", title: "First & Co" }),
    oidcMethod(second.url, { name: "second", title: "Second" }),
  ];
  const site = await sites.open(t, () => ({ login: { mode: "required", methods: { oidc } } }));
  for (const provider of [first, second]) provider.register(clientOf(site));
  const browser = new Browser();
  const page = await browser.get(`${site.url}/chat`);
  assert.equal(page.status, 200);
  assert.match(page.header("content-type"), /^text\/html/);
  assert.match(page.header("content-security-policy"), /frame-ancestors 'none'/);
  assert.match(page.body, /First &amp; Co/);
  assert.match(page.body, /provider=second/);
  assert.equal(first.counted("/auth") + second.counted("/auth"), 0);

  const unknown = await browser.step(`${site.url}/_session/login?provider=third`);
  assert.ok(unknown.status >= 400 && unknown.status < 500, String(unknown.status));

  const login = `${site.url}/_session/login?provider=second&return_to=%2Fchat`;
  const answer = await browser.signIn(login, { account: "carol" });
  assert.deepEqual([answer.url, answer.body], [`${site.url}/chat`, "ok"]);
  assert.deepEqual(site.origin.received("x-session-user"), ["carol"]);
  assert.equal(first.counted("/auth"), 0);
});

test("a guest who signs in gets a new cookie, and the old one is invalid", async (t) => {
  const { browser, site, url } = await open(t, {}, { mode: "optional" });
  await browser.get(url);
  const guest = browser.sessionOf(url);
  await browser.signIn(`${site.url}/_session/login?return_to=%2F`);
  assert.notDeepEqual(read(browser.sessionOf(url)).id, read(guest).id);
  const fixed = new Browser();
  fixed.plant(url, "vestibule-session", guest);
  const answer = await fixed.me(url);
  assert.ok([401, 409].includes(answer.status) || answer.json().user === null, answer.body);
});

test("a sign-in as another user starts a new session and ends the old one", async (t) => {
  const { browser, site, url, origin, provider } = await open(t);
  await browser.signIn(url);
  const before = browser.sessionOf(url);
  const [handle] = origin.received("x-session-id");
  browser.forget(provider.url);
  const login = `${site.url}/_session/login?return_to=%2F`;
  assert.equal((await browser.signIn(login, { account: "bob" })).body, "ok");
  assert.deepEqual(origin.received("x-session-user"), ["bob"]);
  assert.notDeepEqual(origin.received("x-session-id"), [handle]);
  assert.notDeepEqual(read(browser.sessionOf(url)).id, read(before).id);
  const old = new Browser();
  await until(
    async () => {
      old.plant(url, "vestibule-session", before);
      return (await old.fetchJson(url)).status === 401;
    },
    { what: "the end of the old session" },
  );
  assert.equal((await browser.me(url)).json().user, "bob");
});

test("rotated provider keys are fetched at the next sign-in", async (t) => {
  const { url, provider } = await open(t);
  assert.equal((await new Browser().signIn(url)).body, "ok");
  provider.rotateKeys();
  const answer = await new Browser().signIn(url);
  assert.equal(answer.body, "ok", answer.code);
  assert.equal(provider.counted("/jwks"), 2);
});

test("while the provider is down sign-ins fail and existing sessions continue", async (t) => {
  const { browser, url, provider } = await open(t);
  await browser.signIn(url);
  const late = new Browser();
  const back = await late.beginSignIn(url, { account: "bob" });
  await provider.stop();
  const answer = await late.get(back);
  assert.ok([502, 503, 504].includes(answer.status), String(answer.status));
  assert.match(answer.code, /^idp_(failed|unavailable)$/);
  assert.deepEqual(late.signInsOf(url), []);
  assert.equal((await browser.get(url)).body, "ok");
  await provider.run();
  assert.equal((await late.signIn(url, { account: "bob" })).body, "ok");
});

test("a visitor gets an error page for an unreachable new provider", async (t) => {
  const { browser, url, provider } = await open(t);
  await provider.stop();
  const answer = await browser.signIn(url);
  assert.deepEqual([answer.status, answer.code], [503, "idp_unavailable"]);
  assert.ok(Number(answer.header("retry-after")) > 0);
  await provider.run();
  await until(async () => (await browser.signIn(url)).body === "ok", { what: "signing in" });
});

/**
 * Signs in with an access token that has expired by now; the next one has a long lifetime.
 * @param {import("node:test").TestContext} t
 */
async function withOldToken(t) {
  const scene = await open(t, WITH_TOKEN);
  scene.provider.accessTokenSeconds = 1;
  assert.equal((await scene.browser.signIn(scene.url)).body, "ok");
  const signedIn = Date.now();
  scene.provider.accessTokenSeconds = 3600;
  const [old] = scene.origin.received("x-access-token");
  assert.ok(old, "the chat server has no access token");
  await until(() => Date.now() > signedIn + 2_000, { what: "the token's end" });
  const asked = scene.provider.counted("/token");
  const refreshes = () => scene.provider.counted("/token") - asked;
  return { ...scene, old, refreshes };
}

test("an expired access token is renewed once for many concurrent requests", async (t) => {
  const { browser, url, origin, provider, old, refreshes } = await withOldToken(t);
  provider.tokenMood = { delayMs: 500 };
  const before = origin.requests.length;
  const answers = await Promise.all(Array.from({ length: 50 }, () => browser.fetchJson(url)));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(refreshes(), 1);
  const seen = origin.requests
    .slice(before)
    .flatMap(({ headers }) => headers.filter(([name]) => fold(name) === "x-access-token"))
    .map(([, value]) => value);
  assert.equal(seen.length, 50);
  const [token, ...others] = new Set(seen);
  assert.deepEqual(others, []);
  assert.notEqual(token, old);
  assert.ok(await provider.accepts(token));
});

test("a renewed token is renewed again with its new refresh token", async (t) => {
  const { browser, url, origin, provider, refreshes } = await withOldToken(t);
  provider.accessTokenSeconds = 1;
  await browser.fetchJson(url);
  const renewed = Date.now();
  assert.equal(refreshes(), 1);
  await until(() => Date.now() > renewed + 2_000, { what: "the token's end" });
  provider.accessTokenSeconds = 3600;
  await browser.fetchJson(url);
  assert.equal(refreshes(), 2);
  assert.ok(await provider.accepts(origin.received("x-access-token")[0]));
});

test("a provider that fails to renew a token ends no session", async (t) => {
  const { browser, url, origin, provider, old } = await withOldToken(t);
  provider.tokenMood = { status: 500 };
  assert.equal((await browser.fetchJson(url)).status, 200);
  assert.deepEqual(origin.received("x-session-user"), ["alice"]);
  assert.ok(!origin.received("x-access-token").includes(old), "a token that has run out");
  provider.tokenMood = {};
  const renewed = await until(
    async () => {
      await browser.fetchJson(url);
      return origin.received("x-access-token")[0];
    },
    { what: "a new token", within: 40_000 },
  );
  assert.ok(await provider.accepts(renewed));
});

test("an expired token ends no session while its provider is unreachable", async (t) => {
  const { browser, url, origin, provider } = await withOldToken(t);
  await provider.stop();
  assert.equal((await browser.fetchJson(url)).status, 200);
  assert.deepEqual(origin.received("x-session-user"), ["alice"]);
});

test("a session ends when its provider does not know the sign-in any more", async (t) => {
  const { browser, url, provider } = await withOldToken(t);
  await provider.restart();
  await until(async () => (await browser.fetchJson(url)).status === 401, { what: "the end" });
  const turnedAway = await browser.step(url);
  assert.equal(turnedAway.location?.pathname, "/_session/login");
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("a renewal with a lost response leads to one new sign-in", async (t) => {
  const { browser, url, provider } = await withOldToken(t);
  provider.tokenMood = { isLost: true };
  assert.equal((await browser.fetchJson(url)).status, 200);
  provider.tokenMood = {};
  const ended = async () => (await browser.fetchJson(url)).status === 401;
  await until(ended, { what: "the end", within: 40_000 });
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("a user whose sign-in is older than max_age must sign in again", async (t) => {
  const exceptions = [{ path: "/settings/*", mode: "required", max_age: "2s" }];
  const { browser, site, url, origin } = await open(t, {}, { exceptions });
  await browser.signIn(url);
  const settings = `${site.url}/settings/profile`;
  const refused = await until(
    async () => {
      const answer = await browser.fetchJson(settings);
      return answer.status === 401 && answer;
    },
    { what: "the proof being too old" },
  );
  assert.equal(refused.code, "step_up_required");
  assert.equal((await browser.fetchJson(url)).status, 200);
  const turnedAway = await browser.step(settings);
  assert.equal(turnedAway.status, 303);
  assert.equal(turnedAway.location?.pathname, "/_session/login");
  assert.equal(turnedAway.location?.searchParams.get("max_age"), "2");
  const sent = await browser.step(turnedAway.location ?? "");
  assert.equal(sent.location?.searchParams.get("max_age"), "2");
  const answer = await browser.signIn(settings);
  assert.deepEqual([answer.url, answer.body], [settings, "ok"]);
  assert.deepEqual(origin.received("x-session-user"), ["alice"]);
});
