/** Tests identities that change with renewed tokens, and sign-outs of users who are not admitted any more. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HostileProvider, KEYS, sign } from "./harness/hostile-provider.mjs";
import { Provider } from "./harness/provider.mjs";
import { Browser, clientOf, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/hostile-provider.mjs").Claims} Claims */

const sites = await Sites.start({ after });
const hostile = await HostileProvider.start({ after });

/** The chat server receives the provider's access token, so that it is renewed. */
const WITH_TOKEN = { headers: { "X-Access-Token": "access_token" } };

/** A user id from a claim that the user can change. */
const NAMED = { user: "login", email: "email", name: "name", groups: "groups" };

/** Waits until a token with a lifetime of a second has expired. */
async function untilOld() {
  const begun = Date.now();
  await until(() => Date.now() > begun + 2_000, { what: "the token's end" });
}

/**
 * Opens a site where alice signed in at a hostile provider, with an access token that has expired.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [method]
 * @param {Claims} [claims] the claims at the sign-in
 * @param {Record<string, unknown>} [document]
 */
async function open(
  t,
  method = {},
  claims = { groups: ["staff", "chess"] },
  document = WITH_TOKEN,
) {
  const issuer = hostile.issuer();
  /** Alterations of the next tokens. @type {{ claims: Claims, body: (body: Claims) => Promise<Claims> | Claims }} */
  const next = { claims, body: (body) => body };
  let isOpen = false;
  issuer.claims = (all) => ({ ...all, ...next.claims });
  const usual = issuer.answer.bind(issuer);
  issuer.answer = async (asked) => {
    const answer = await usual(asked);
    if (asked.route !== "token") return answer;
    const isRefresh = asked.form.get("grant_type") === "refresh_token";
    const body = /** @type {Claims} */ (answer.body);
    // On a slow machine the first token may expire before the first page is loaded.
    const expires_in = isOpen ? 300 : 1;
    const access_token = isRefresh ? `new-${issuer.count("token")}` : body.access_token;
    const tokens = { ...body, access_token, expires_in, refresh_token: "r" };
    return { ...answer, body: isOpen ? await next.body(tokens) : tokens };
  };
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url, method)] } },
    ...document,
  }));
  const url = `${site.url}/`;
  const browser = new Browser();
  const answer = await browser.signIn(url);
  assert.equal(answer.body, "ok", answer.code);
  await untilOld();
  isOpen = true;
  const { origin } = site;
  /** Sends a request, and returns what the chat server receives of the user. */
  const received = async () => {
    const { status } = await browser.fetchJson(url);
    assert.equal(status, 200);
    const [groups = ""] = origin.received("x-session-groups");
    return {
      user: origin.received("x-session-user")[0],
      groups,
      token: origin.received("x-access-token"),
    };
  };
  return { issuer, site, origin, url, browser, next, received };
}

/** @param {{ browser: Browser, url: string }} scene */
async function assertSignedOut({ browser, url }) {
  const session = browser.sessionOf(url);
  const answer = await browser.fetchJson(url);
  assert.deepEqual([answer.status, answer.code], [401, "session_ended"]);
  const replay = new Browser();
  replay.plant(url, "vestibule-session", session);
  assert.equal((await replay.fetchJson(url)).status, 401);
  const refused = await browser.signIn(url);
  assert.deepEqual([refused.status, refused.code], [403, "not_admitted"]);
}

test("changed groups of a real provider reach the chat server with the next token", async (t) => {
  const accounts = { alice: { email: "alice@example.com", name: "Alice", groups: ["staff", "a"] } };
  const provider = await Provider.start(t, { accounts });
  const site = await sites.open(t, () => ({
    login: {
      mode: "required",
      methods: { oidc: [oidcMethod(provider.url, { allow: { groups: ["staff"] } })] },
    },
    ...WITH_TOKEN,
  }));
  provider.register(clientOf(site));
  provider.accessTokenSeconds = 1;
  const browser = new Browser();
  assert.equal((await browser.signIn(`${site.url}/`)).body, "ok");
  const [id] = site.origin.received("x-session-id");
  provider.accounts.alice = { ...accounts.alice, groups: ["staff", "b"] };
  await untilOld();
  assert.equal((await browser.fetchJson(`${site.url}/`)).status, 200);
  assert.deepEqual(site.origin.received("x-session-groups"), ["staff,b"]);
  assert.deepEqual(site.origin.received("x-session-email"), ["alice@example.com"]);
  assert.deepEqual(site.origin.received("x-session-id"), [id]);
  provider.accounts.alice = { ...accounts.alice, groups: ["b"] };
  await untilOld();
  assert.equal((await browser.fetchJson(`${site.url}/`)).status, 401);
  const refused = await browser.get(`${site.url}/`);
  assert.deepEqual([refused.status, refused.code], [403, "not_admitted"]);
});

for (const [
  what,
  method,
  claims,
  after,
] of /** @type {[string, Record<string, unknown>, Claims, Claims][]} */ ([
  ["a group", { allow: { groups: ["staff"] } }, { groups: ["staff", "a"] }, { groups: ["a"] }],
  ["the last group", { allow: { groups: ["staff"] } }, { groups: ["staff"] }, { groups: [] }],
  ["the groups claim", { allow: { groups: ["staff"] } }, { groups: ["staff"] }, {}],
  [
    "an allowed address",
    { allow: { email_domains: ["example.com"] } },
    { email_verified: true },
    { email_verified: true, email: "alice@elsewhere.example" },
  ],
  [
    "email_verified",
    { allow: { email_domains: ["example.com"] } },
    { email_verified: true },
    { email_verified: false },
  ],
  ["their user name", { claims: NAMED }, { login: "al" }, { login: "alice2" }],
])) {
  test(`a user who loses ${what} is signed out at the next renewal`, async (t) => {
    const scene = await open(t, method, claims);
    scene.next.claims = after;
    if (what === "their user name") {
      assert.equal((await scene.browser.fetchJson(scene.url)).status, 401);
      assert.equal((await scene.browser.signIn(scene.url)).body, "ok");
      assert.deepEqual(scene.origin.received("x-session-user"), ["alice2"]);
    } else await assertSignedOut(scene);
  });
}

for (const [what, allow, claims, after] of /** @type {[string, Claims, Claims, Claims][]} */ ([
  ["a group", { groups: ["staff"] }, { groups: ["staff"] }, { groups: ["a"] }],
  [
    "an allowed address",
    { email_domains: ["example.com"] },
    { email_verified: true },
    { email_verified: true, email: "alice@elsewhere.example" },
  ],
])) {
  test(`a user who loses ${what} is signed out without a mapped token too`, async (t) => {
    const scene = await open(t, { allow }, claims, {});
    scene.next.claims = after;
    await assertSignedOut(scene);
  });
}

test("renewal without a mapped token runs once and updates the identity", async (t) => {
  const allow = { groups: ["staff"] };
  const { received, next, issuer } = await open(t, { allow }, { groups: ["staff"] }, {});
  const before = issuer.count("token");
  next.claims = { groups: ["staff", "new"] };
  for (let visit = 0; visit < 3; visit += 1) {
    assert.deepEqual(await received(), { user: "alice", groups: "staff,new", token: [] });
  }
  assert.equal(issuer.count("token"), before + 1);
});

test("a failed renewal without a mapped token ends no session", async (t) => {
  const allow = { groups: ["staff"] };
  const { received, next, issuer, site } = await open(t, { allow }, { groups: ["staff"] }, {});
  const before = issuer.count("token");
  next.body = () => ({});
  for (let visit = 0; visit < 3; visit += 1) assert.equal((await received()).groups, "staff");
  assert.equal(issuer.count("token"), before + 1);
  const logged = sites.vestibule.logged("access_token_expired");
  assert.deepEqual(
    logged.filter(({ tenant }) => tenant === site.id),
    [],
  );
});

test("tokens are not renewed without allow rules and mapped tokens", async (t) => {
  const { received, issuer } = await open(t, {}, { groups: ["staff"] }, {});
  const before = issuer.count("token");
  assert.equal((await received()).groups, "staff");
  assert.equal(issuer.count("token"), before);
});

test("renewal evaluates the allow rules of the current document", async (t) => {
  const { browser, site, url, issuer } = await open(t);
  const text = sites.tenants.stored.get(`tenant:${site.id}`)?.value.toString() ?? "{}";
  const document = JSON.parse(text);
  document.login.methods.oidc = [oidcMethod(issuer.url, { allow: { groups: ["admins"] } })];
  sites.tenants.plant(`tenant:${site.id}`, JSON.stringify(document));
  await until(async () => (await new Browser().signIn(url)).code === "not_admitted", {
    what: "the new document",
    within: 60_000,
  });
  assert.equal((await browser.fetchJson(url)).status, 401);
});

test("new tokens without an ID token change no identity", async (t) => {
  const { received, next, issuer } = await open(t, { allow: { groups: ["staff"] } });
  next.body = ({ id_token: _, ...tokens }) => tokens;
  next.claims = { groups: [] };
  const before = issuer.count("token");
  const { user, groups, token } = await received();
  assert.deepEqual([user, groups], ["alice", "staff,chess"]);
  assert.match(token[0], /^new-/);
  assert.equal(issuer.count("token"), before + 1);
});

test("a renewal's new name, address and groups reach the chat server", async (t) => {
  const { received, next, origin } = await open(t);
  const address = { email: "new@example.com", email_verified: true };
  next.claims = { groups: [], name: "Alice the Second", ...address };
  assert.deepEqual((await received()).groups, "");
  assert.match(origin.received("x-session-name")[0], /^Alice(%20| )the(%20| )Second$/);
  assert.deepEqual(origin.received("x-session-email"), ["new@example.com"]);
});

for (const [
  what,
  body,
] of /** @type {[string, (tokens: Claims, scene: { url: string }) => Promise<Claims> | Claims][]} */ ([
  [
    "signed by another issuer's key",
    async (tokens, { url }) => ({
      ...tokens,
      id_token: await sign(rights(url), { key: KEYS.foreign }),
    }),
  ],
  [
    "of another user",
    async (tokens, { url }) => ({
      ...tokens,
      id_token: await sign({ ...rights(url), sub: "bob" }),
    }),
  ],
  [
    "of another issuer",
    async (tokens, { url }) => ({
      ...tokens,
      id_token: await sign({ ...rights(url), iss: "https://id.example" }),
    }),
  ],
  [
    "for another audience",
    async (tokens, { url }) => ({ ...tokens, id_token: await sign({ ...rights(url), aud: "b" }) }),
  ],
  [
    "that has expired",
    async (tokens, { url }) => ({
      ...tokens,
      id_token: await sign({ ...rights(url), exp: Math.floor(Date.now() / 1000) - 120 }),
    }),
  ],
  [
    "of another sign-in",
    async (tokens, { url }) => ({
      ...tokens,
      id_token: await sign({ ...rights(url), nonce: "n" }),
    }),
  ],
  ["that is not a JWT", (tokens) => ({ ...tokens, id_token: "none" })],
])) {
  test(`a renewal with an ID token ${what} is rejected`, async (t) => {
    const { received, next, issuer } = await open(t);
    next.body = (tokens) => body(tokens, issuer);
    const { user, groups, token } = await received();
    assert.deepEqual([user, groups, token], ["alice", "staff,chess", []]);
  });
}

test("groups from userinfo alone count at renewal", async (t) => {
  const scene = await open(t, { userinfo: true, allow: { groups: ["staff"] } });
  const { issuer, next, received } = scene;
  const asked = issuer.count("userinfo");
  next.claims = {};
  issuer.answers.userinfo = { body: { sub: "alice", groups: ["staff", "new"] } };
  assert.equal((await received()).groups, "staff,new");
  assert.equal(issuer.count("userinfo"), asked + 1);
});

test("a user who is not admitted by userinfo any more is signed out", async (t) => {
  const scene = await open(t, { userinfo: true, allow: { groups: ["staff"] } });
  scene.next.claims = {};
  scene.next.body = ({ id_token: _, ...tokens }) => tokens;
  scene.issuer.answers.userinfo = { body: { sub: "alice", email: "a@b.example", groups: [] } };
  const { browser, url } = scene;
  await until(async () => (await browser.fetchJson(url)).status === 401, { what: "the end" });
});

test("a failing userinfo endpoint changes no identity and delays no token", async (t) => {
  const { issuer, next, received } = await open(t, {
    userinfo: true,
    allow: { groups: ["staff"] },
  });
  next.claims = {};
  issuer.answers.userinfo = { status: 500, body: "" };
  const { groups, token } = await received();
  assert.equal(groups, "staff,chess");
  assert.match(token[0], /^new-/);
});

test("unavailable keys change no identity and delay no token", async (t) => {
  const { issuer, next, received } = await open(t);
  issuer.answers.jwks = { status: 500, body: "" };
  issuer.sign = (claims) => sign(claims, { header: { kid: "k2" } });
  next.claims = { groups: ["admins"] };
  const { groups, token } = await received();
  assert.equal(groups, "staff,chess");
  assert.match(token[0], /^new-/);
});

/**
 * Claims of a user with all rights.
 * @param {string} issuer
 */
function rights(issuer) {
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, exp: now + 300 };
  return { iss: issuer, aud: "vestibule", sub: "alice", ...times, groups: ["admins"] };
}
