/** Tests sign-ins at broken or hostile providers: they give no access. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  FORGED_TOKENS,
  HostileProvider,
  INVALID_CLAIMS,
  INVALID_SUBJECTS,
  KEYS,
  published,
  sign,
  unfitKeys,
} from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/hostile-provider.mjs").Issuer} Issuer */
/** @typedef {import("./harness/hostile-provider.mjs").Answer} Answer */
/** @typedef {import("./harness/hostile-provider.mjs").Claims} Claims */

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/**
 * Opens a site with its own issuer, and a browser.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [method]
 * @param {Record<string, unknown>} [login]
 */
async function open(t, method = {}, login = {}) {
  const issuer = provider.issuer();
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url, method)] }, ...login },
  }));
  return { issuer, site, browser: new Browser(), url: `${site.url}/` };
}

/** @typedef {Awaited<ReturnType<typeof open>>} Scene */

/**
 * Asserts that a sign-in is refused, that it leaves nothing behind, and that the next one succeeds.
 * @param {Scene} scene
 */
async function assertHarmless({ issuer, site, browser, url }) {
  assert.equal((await browser.me(url)).status, 401);
  assert.deepEqual(browser.signInsOf(url), [], "the cookie of the sign-in is still there");
  assert.equal(site.origin.requests.length, 0);
  issuer.behave();
  const again = await browser.signIn(url);
  assert.deepEqual([again.status, again.body], [200, "ok"], `${again.code} at the next sign-in`);
  assert.deepEqual(site.origin.received("x-session-user"), ["alice"]);
}

/**
 * @param {Scene} scene
 * @param {number[]} statuses
 * @param {string[]} codes
 */
async function assertRefused(scene, statuses, codes) {
  const answer = await scene.browser.signIn(scene.url);
  assert.ok(statuses.includes(answer.status), `${answer.status} ${answer.code} ${answer.url}`);
  assert.ok(codes.includes(answer.code), `${answer.status} ${answer.code}`);
  assert.match(answer.header("content-type"), /^text\/html/);
  assert.match(answer.header("cache-control"), /no-store/);
  await assertHarmless(scene);
}

test("a valid ID token of this provider signs its user in", async (t) => {
  const { browser, url, site, issuer } = await open(t);
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(site.origin.received("x-session-user"), ["alice"]);
  assert.deepEqual(site.origin.received("x-session-email"), ["alice@example.com"]);
  assert.equal(issuer.count("token"), 1);
  assert.equal(issuer.count("userinfo"), 0);
});

for (const [what, forge] of FORGED_TOKENS) {
  test(`an ID token ${what} is rejected`, async (t) => {
    const scene = await open(t);
    scene.issuer.sign = (claims) => forge(claims, scene.issuer, {});
    await assertRefused(scene, [502], ["idp_token_invalid"]);
    assert.equal(scene.issuer.count("elsewhere"), 0);
  });
}

/** @type {typeof INVALID_CLAIMS} */
const OF_A_SIGN_IN = [
  ["another nonce", (claims) => ({ ...claims, nonce: "of another sign-in" })],
  ["no nonce", ({ nonce: _, ...claims }) => claims],
  ["a nonce in a list", (claims) => ({ ...claims, nonce: [claims.nonce] })],
  ["another access token's hash", (claims) => ({ ...claims, at_hash: "AAAAAAAAAAAAAAAAAAAAAA" })],
];

for (const [what, alter] of [...INVALID_CLAIMS, ...INVALID_SUBJECTS, ...OF_A_SIGN_IN]) {
  test(`an ID token with ${what} is rejected`, async (t) => {
    const scene = await open(t);
    scene.issuer.claims = alter;
    await assertRefused(scene, [502], ["idp_token_invalid"]);
  });
}

const now = () => Math.floor(Date.now() / 1000);

for (const [what, alter] of /** @type {typeof INVALID_CLAIMS} */ ([
  ["with a clock 45 s ahead", (claims) => ({ ...claims, iat: now() + 45, nbf: now() + 45 })],
  ["with a clock 45 s behind", (claims) => ({ ...claims, iat: now() - 345, exp: now() - 45 })],
  [
    "for several audiences with our azp",
    (claims) => ({ ...claims, aud: ["b", claims.aud], azp: claims.aud }),
  ],
  [
    "with fractional times",
    (claims) => ({ ...claims, iat: now() + 0.17, exp: now() + 300.5, nbf: now() - 0.5 }),
  ],
  ["with a fractional auth_time", (claims) => ({ ...claims, auth_time: 1.5 })],
  ["with its one audience in a list", (claims) => ({ ...claims, aud: [claims.aud] })],
])) {
  test(`an ID token ${what} signs its user in`, async (t) => {
    const { browser, url, issuer } = await open(t);
    issuer.claims = alter;
    const answer = await browser.signIn(url);
    assert.equal(answer.body, "ok", answer.code);
  });
}

test("an ID token signed with an elliptic-curve key signs its user in", async (t) => {
  const { browser, url, issuer } = await open(t);
  issuer.answers.jwks = { body: { keys: [await published(KEYS.elliptic)] } };
  issuer.sign = (claims) => sign(claims, { key: KEYS.elliptic });
  assert.equal((await browser.signIn(url)).body, "ok");
});

test("claims with control characters cannot split a header", async (t) => {
  const { browser, url, issuer, site } = await open(t);
  issuer.claims = (claims) => ({
    ...claims,
    name: `Zoë\r\nX-Evil: 1\0 \u202e👋 ${"x".repeat(10_240)}`,
    email: "a@b.example\r\nX-Evil: 1",
    groups: ["good", "a,admin", "b\r\nX-Evil: 1", 7, "", "👋"],
  });
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(site.origin.received("x-evil"), []);
  assert.deepEqual(site.origin.received("x-session-user"), ["alice"]);
  assert.deepEqual(site.origin.received("x-session-email"), []);
  const [name] = site.origin.received("x-session-name");
  assert.match(name, /^[ -~]{1,8192}$/);
  const [groups] = site.origin.received("x-session-groups");
  assert.equal(groups.split(",")[0], "good");
  assert.ok(!groups.split(",").includes("admin"), groups);
});

/** @type {[what: string, answer: (issuer: Issuer) => Answer][]} */
const TOKEN_ANSWERS = [
  ["redirects elsewhere", ({ elsewhere }) => ({ status: 302, headers: { location: elsewhere } })],
  [
    "redirects the form elsewhere",
    ({ elsewhere }) => ({ status: 307, headers: { location: elsewhere } }),
  ],
  ["is a 500", () => ({ status: 500, body: "" })],
  ["is invalid_grant", () => ({ status: 400, body: { error: "invalid_grant" } })],
  ["is invalid_client", () => ({ status: 401, body: { error: "invalid_client" } })],
  [
    "is not JSON",
    () => ({
      body: "<!doctype html><title>Hello</title>",
      headers: { "content-type": "text/html" },
    }),
  ],
  ["is JSON but not an object", () => ({ body: [] })],
  ["is empty", () => ({ body: {} })],
  ["is cut off", () => ({ instead: "reset" })],
  ["is 5 MB long", () => ({ body: { access_token: "a", id_token: "x".repeat(5_000_000) } })],
];

for (const [what, answer] of TOKEN_ANSWERS) {
  test(`a visitor sees an error and can try again if the token endpoint's response ${what}`, async (t) => {
    const scene = await open(t);
    scene.issuer.answers.token = answer(scene.issuer);
    await assertRefused(scene, [502, 504], ["idp_failed"]);
    assert.equal(scene.issuer.count("elsewhere"), 0);
  });
}

test("a sign-in fails at its deadline if the provider never responds", async (t) => {
  await Promise.all(
    /** @type {const} */ (["discovery", "jwks", "token"]).map(async (route) => {
      const scene = await open(t);
      scene.issuer.answers[route] = { instead: "hang" };
      const began = Date.now();
      const answer = await scene.browser.signIn(scene.url);
      assert.ok(Date.now() - began < 12_500, `${route}: ${Date.now() - began} ms`);
      assert.ok([502, 503, 504].includes(answer.status), `${route}: ${answer.status}`);
      assert.ok(
        ["idp_failed", "idp_unavailable"].includes(answer.code),
        `${route}: ${answer.code}`,
      );
      assert.equal((await scene.browser.me(scene.url)).status, 401);
    }),
  );
});

/** @type {[what: string, change: (back: URL) => void, status: number, codes: string[]][]} */
const WAYS_BACK = [
  ["without state", (back) => back.searchParams.delete("state"), 400, ["login_state"]],
  ["with an empty state", (back) => back.searchParams.set("state", ""), 400, ["login_state"]],
  [
    "with another visitor's state",
    (back) => back.searchParams.set("state", "A".repeat(22)),
    400,
    ["login_state"],
  ],
  [
    "with a state that only starts like the right one",
    (back) =>
      back.searchParams.set(
        "state",
        `${back.searchParams.get("state")?.slice(0, 8)}${"A".repeat(14)}`,
      ),
    400,
    ["login_state"],
  ],
  [
    "with two states",
    (back) => back.searchParams.append("state", "b"),
    400,
    ["login_state", "bad_request"],
  ],
  ["without code", (back) => back.searchParams.delete("code"), 400, ["login_state", "bad_request"]],
  [
    "with an empty code",
    (back) => back.searchParams.set("code", ""),
    400,
    ["login_state", "bad_request"],
  ],
  [
    "with two codes",
    (back) => back.searchParams.append("code", "b"),
    400,
    ["login_state", "bad_request"],
  ],
  [
    "with a code of 5 KiB",
    (back) => back.searchParams.set("code", "c".repeat(5_120)),
    400,
    ["login_state", "bad_request"],
  ],
  [
    "with a code and an error",
    (back) => back.searchParams.set("error", "access_denied"),
    400,
    ["login_state", "bad_request"],
  ],
  [
    "from another provider",
    (back) => back.searchParams.set("iss", "https://id.example"),
    400,
    ["login_mixup"],
  ],
  ["from a provider without iss", (back) => back.searchParams.delete("iss"), 400, ["login_mixup"]],
  [
    "from two providers",
    (back) => back.searchParams.append("iss", "https://id.example"),
    400,
    ["login_mixup", "login_state", "bad_request"],
  ],
];

for (const [what, change, status, codes] of WAYS_BACK) {
  test(`a callback ${what} is rejected before a token request`, async (t) => {
    const { browser, url, issuer, site } = await open(t);
    const back = await browser.beginSignIn(url);
    change(back);
    const answer = await browser.get(back);
    assert.equal(answer.status, status, answer.code);
    assert.ok(codes.includes(answer.code), answer.code);
    assert.equal(issuer.count("token"), 0);
    assert.equal((await browser.me(url)).status, 401);
    const again = await browser.signIn(url);
    assert.equal(again.body, "ok", again.code);
    assert.deepEqual(site.origin.received("x-session-user"), ["alice"]);
  });
}

test("an unusable callback ends its pending sign-in", async (t) => {
  const scene = await open(t);
  scene.issuer.returning = (query) => query.set("iss", "https://id.example");
  await assertRefused(scene, [400], ["login_mixup"]);
});

test("a cancelled sign-in shows an error with the provider's text escaped", async (t) => {
  const scene = await open(t);
  scene.issuer.returning = (query) => {
    query.delete("code");
    query.set("error", "access_denied");
    query.set("error_description", '<script>alert("x")</script><img src=x onerror=y>');
  };
  const answer = await scene.browser.signIn(scene.url);
  assert.deepEqual([answer.status, answer.code], [403, "login_denied"]);
  assert.doesNotMatch(answer.body, /<script>alert|<img/);
  assert.equal(scene.issuer.count("token"), 0);
  await assertHarmless(scene);
});

for (const error of ["server_error", "temporarily_unavailable", "invalid_request", "<b>"]) {
  test(`a provider's error ${error} fails the sign-in with 502`, async (t) => {
    const scene = await open(t);
    scene.issuer.returning = (query) => {
      query.delete("code");
      query.set("error", error);
    };
    const answer = await scene.browser.signIn(scene.url);
    assert.ok(answer.status >= 400, String(answer.status));
    assert.doesNotMatch(answer.body, /<b>/);
    assert.equal(scene.issuer.count("token"), 0);
    await assertHarmless(scene);
  });
}

test("a program gets problem details for an empty callback", async (t) => {
  const { browser, url } = await open(t);
  const answer = await browser.fetchJson(new URL("/_session/callback?code=a&state=b", url));
  assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
  assert.equal(answer.header("content-type"), "application/problem+json");
});

for (const [what, key] of await unfitKeys()) {
  test(`an unusable key next to the good one prevents no sign-in: ${what}`, async (t) => {
    const { browser, url, issuer } = await open(t);
    for (const keys of [
      [key, await published(KEYS.own)],
      [await published(KEYS.own), key],
    ]) {
      issuer.answers.jwks = { body: { keys } };
      const answer = await browser.signIn(url);
      assert.equal(answer.body, "ok", answer.code);
    }
  });
}

test("a published private key verifies no token", async (t) => {
  const scene = await open(t);
  const [, short] = (await unfitKeys()).find(([what]) => what.includes("private")) ?? [];
  scene.issuer.answers.jwks = { body: { keys: [short] } };
  scene.issuer.sign = (claims) => sign(claims, { key: KEYS.foreign });
  const answer = await scene.browser.signIn(scene.url);
  assert.deepEqual([answer.status, answer.code], [502, "idp_token_invalid"]);
  assert.equal((await scene.browser.me(scene.url)).status, 401);
});

/** @type {[what: string, answer: (issuer: Issuer) => Promise<Answer> | Answer][]} */
const KEY_ANSWERS = [
  [
    "are 10,000",
    async () => {
      const key = await published(KEYS.foreign);
      const keys = Array.from({ length: 10_000 }, (_, at) => ({ ...key, kid: `k${at + 10}` }));
      return { body: { keys: [...keys, await published(KEYS.own)] } };
    },
  ],
  ["cannot be fetched", () => ({ status: 500, body: "" })],
  ["redirect elsewhere", ({ elsewhere }) => ({ status: 302, headers: { location: elsewhere } })],
  [
    "are an HTML page",
    () => ({ body: "<!doctype html>", headers: { "content-type": "text/html" } }),
  ],
  ["are not a key set", () => ({ body: { keys: {} } })],
];

for (const [what, answer] of KEY_ANSWERS) {
  test(`a sign-in fails until the provider's keys are corrected: the keys ${what}`, async (t) => {
    const { browser, url, issuer, site } = await open(t);
    issuer.answers.jwks = await answer(issuer);
    const refused = await browser.signIn(url);
    assert.ok([502, 503].includes(refused.status), `${refused.status} ${refused.code}`);
    assert.match(refused.code, /^idp_/);
    assert.equal((await browser.me(url)).status, 401);
    assert.equal(issuer.count("elsewhere"), 0);
    assert.equal(site.origin.requests.length, 0);
    issuer.behave();
    await until(async () => (await browser.signIn(url)).body === "ok", { what: "signing in" });
  });
}

/** @type {[what: string, change: (metadata: Record<string, unknown>, issuer: Issuer) => object][]} */
const METADATA = [
  ["names another issuer", (metadata) => ({ ...metadata, issuer: "https://id.example" })],
  [
    "names its issuer with a trailing slash",
    (metadata, { url }) => ({ ...metadata, issuer: `${url}/` }),
  ],
  ["names no issuer", ({ issuer: _, ...metadata }) => metadata],
  [
    "has a token endpoint on plain http",
    (metadata) => ({ ...metadata, token_endpoint: "http://id.example/token" }),
  ],
  [
    "has a jwks_uri on plain http",
    (metadata) => ({ ...metadata, jwks_uri: "http://id.example/jwks" }),
  ],
  [
    "has an authorization endpoint on plain http",
    (metadata) => ({ ...metadata, authorization_endpoint: "http://id.example/authorize" }),
  ],
  [
    "has a javascript: authorization endpoint",
    (metadata) => ({ ...metadata, authorization_endpoint: "javascript:alert(1)" }),
  ],
  ["has no token endpoint", ({ token_endpoint: _, ...metadata }) => metadata],
];

for (const [what, change] of METADATA) {
  test(`a sign-in fails if the provider's metadata ${what}`, async (t) => {
    const { browser, url, issuer } = await open(t);
    issuer.answers.discovery = { body: change(issuer.metadata(), issuer) };
    const answer = await browser.signIn(url);
    assert.deepEqual([answer.status, answer.code], [503, "idp_misconfigured"]);
    assert.equal(issuer.count("authorize"), 0);
    issuer.behave();
    await until(async () => (await browser.signIn(url)).body === "ok", { what: "signing in" });
  });
}

/** @type {[what: string, answer: (issuer: Issuer) => Answer][]} */
const DISCOVERY_ANSWERS = [
  ["redirects elsewhere", ({ elsewhere }) => ({ status: 302, headers: { location: elsewhere } })],
  ["is a 404", () => ({ status: 404, body: "" })],
  ["is a 500", () => ({ status: 500, body: "" })],
  [
    "is an HTML page",
    () => ({ body: "<!doctype html>", headers: { "content-type": "text/html" } }),
  ],
  ["is 5 MB long", () => ({ body: "x".repeat(5_000_000) })],
  ["is cut off", () => ({ instead: "reset" })],
];

for (const [what, answer] of DISCOVERY_ANSWERS) {
  test(`a sign-in fails if the discovery response ${what}`, async (t) => {
    const { browser, url, issuer } = await open(t);
    issuer.answers.discovery = answer(issuer);
    const refused = await browser.signIn(url);
    assert.equal(refused.status, 503);
    assert.ok(["idp_misconfigured", "idp_unavailable"].includes(refused.code), refused.code);
    assert.equal(issuer.count("elsewhere"), 0);
    issuer.behave();
    await until(async () => (await browser.signIn(url)).body === "ok", { what: "signing in" });
  });
}

test("a provider's metadata and keys are fetched once for many sign-ins", async (t) => {
  const { url, issuer } = await open(t);
  for (let visitor = 0; visitor < 5; visitor += 1) {
    assert.equal((await new Browser().signIn(url)).body, "ok");
  }
  assert.deepEqual([issuer.count("discovery"), issuer.count("jwks")], [1, 1]);
});

test("cached keys verify tokens while the provider's keys cannot be fetched", async (t) => {
  const { url, issuer } = await open(t);
  assert.equal((await new Browser().signIn(url)).body, "ok");
  issuer.answers.jwks = { status: 500 };
  issuer.answers.discovery = { status: 500 };
  assert.equal((await new Browser().signIn(url)).body, "ok");
});

test("unknown kids cause one more fetch of the keys, not one each", async (t) => {
  const { browser, url, issuer } = await open(t);
  assert.equal((await browser.signIn(url)).body, "ok");
  for (let attempt = 0; attempt < 5; attempt += 1) {
    issuer.sign = (claims) =>
      sign(claims, { header: { kid: `new ${attempt}` }, key: KEYS.foreign });
    assert.equal((await new Browser().signIn(url)).code, "idp_token_invalid");
  }
  assert.equal(issuer.count("jwks"), 2);
});

test("existing sessions continue while the provider fails", async (t) => {
  const { browser, url, issuer } = await open(t);
  assert.equal((await browser.signIn(url)).body, "ok");
  issuer.answers = { discovery: { status: 500 }, jwks: { status: 500 }, token: { status: 500 } };
  assert.equal((await browser.get(url)).body, "ok");
});

const ASKED_TOO = { userinfo: true };

test("userinfo is read where enabled", async (t) => {
  const { browser, url, issuer, site } = await open(t, ASKED_TOO);
  issuer.claims = ({ email: _, ...claims }) => claims;
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(site.origin.received("x-session-email"), ["userinfo@alice.example"]);
  const asked = issuer.requests.find(({ route }) => route === "userinfo");
  assert.match(asked?.headers.authorization ?? "", /^Bearer access-/);
});

for (const [what, answer] of /** @type {[string, Answer][]} */ ([
  ["is of another user", { body: { sub: "bob", email: "bob@example.com" } }],
  ["has no sub", { body: { email: "bob@example.com" } }],
  ["is a 401", { status: 403, body: {} }],
  ["is a 500", { status: 500, body: "" }],
  ["is an HTML page", { body: "<!doctype html>", headers: { "content-type": "text/html" } }],
])) {
  test(`userinfo that ${what} fails the sign-in`, async (t) => {
    const scene = await open(t, ASKED_TOO);
    scene.issuer.answers.userinfo = answer;
    await assertRefused(scene, [502], ["idp_failed", "idp_token_invalid"]);
  });
}

for (const [what, alter] of /** @type {[string, (claims: Claims) => Claims][]} */ ([
  ["is old", (claims) => ({ ...claims, auth_time: now() - 600 })],
  ["is missing", (claims) => claims],
  ["is a string", (claims) => ({ ...claims, auth_time: `${now()}` })],
])) {
  test(`a sign-in under max_age is rejected if auth_time ${what}`, async (t) => {
    const exceptions = [{ path: "/settings/*", mode: "required", max_age: "1m" }];
    const { browser, url, issuer } = await open(t, {}, { exceptions });
    issuer.claims = (claims) => ({ ...claims, auth_time: now() - 600 });
    assert.equal((await browser.signIn(url)).body, "ok");
    const settings = new URL("/settings/profile", url);
    assert.equal((await browser.fetchJson(settings)).code, "step_up_required");
    issuer.claims = alter;
    const answer = await browser.get(settings);
    assert.deepEqual([answer.status, answer.code], [502, "idp_token_invalid"]);
    assert.equal(
      issuer.requests.findLast(({ route }) => route === "authorize")?.query.get("max_age"),
      "60",
    );
    assert.equal((await browser.fetchJson(settings)).status, 401);
  });
}

test("a callback of another provider of the site is rejected", async (t) => {
  const issuers = [provider.issuer(), provider.issuer()];
  const site = await sites.open(t, () => ({
    login: {
      mode: "required",
      methods: {
        oidc: issuers.map(({ url }, at) => oidcMethod(url, { name: `p${at}`, title: `P${at}` })),
      },
    },
  }));
  const browser = new Browser();
  const back = await browser.beginSignIn(`${site.url}/_session/login?provider=p0`);
  back.searchParams.set("iss", issuers[1].url);
  const answer = await browser.get(back);
  assert.deepEqual([answer.status, answer.code], [400, "login_mixup"]);
  assert.deepEqual(
    issuers.map((issuer) => issuer.count("token")),
    [0, 0],
  );
});
