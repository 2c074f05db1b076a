/** Tests the exchange of a program's JWT for a session: which tokens are accepted, and how the session is used. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import {
  FORGED_TOKENS,
  HostileProvider,
  INVALID_CLAIMS,
  INVALID_SUBJECTS,
  KEYS,
  sign,
  signLogout,
} from "./harness/hostile-provider.mjs";
import { Browser, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/hostile-provider.mjs").Claims} Claims */

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/**
 * Opens a site that accepts tokens of its own issuer, and a program.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [login]
 */
async function open(t, login = {}) {
  const issuer = provider.issuer();
  const claims = { user: "sub", email: "email", name: "name", groups: "groups" };
  const token = [{ issuer: issuer.url, audience: "vestibule", claims }];
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { token }, ...login },
  }));
  const program = new Browser();
  const at = new URL("/_session/token", site.url);
  const exchange = (/** @type {string} */ jwt) =>
    program.fetchJson(at, { method: "POST", headers: bearer(jwt) });
  /** Returns the claims of a valid token. */
  const sound = (/** @type {Claims} */ more = {}) => issuer.token("vestibule", more);
  return { issuer, site, origin: site.origin, url: `${site.url}/`, program, at, exchange, sound };
}

/** @param {string} token */
function bearer(token) {
  return { authorization: `Bearer ${token}` };
}

/** @typedef {Awaited<ReturnType<typeof open>>} Scene */

/**
 * @param {Scene} scene
 * @param {string} jwt
 */
async function assertRefused({ exchange, program, url, origin }, jwt) {
  const answer = await exchange(jwt);
  assert.deepEqual([answer.status, answer.code], [401, "token_invalid"]);
  assert.deepEqual(
    answer.cookies.filter((line) => !line.includes("Max-Age=0")),
    [],
  );
  assert.ok(!answer.body.includes(jwt) || jwt === "", "the token is repeated");
  assert.equal((await program.fetchJson(url)).status, 401);
  assert.equal(origin.requests.length, 0);
}

test("a token with fractional times is accepted", async (t) => {
  const { exchange, sound } = await open(t);
  const { iat, exp, ...claims } = sound();
  const times = { iat: iat + 0.17, exp: exp + 0.5, nbf: iat - 0.5, auth_time: iat - 9.25 };
  const answer = await exchange(await sign({ ...claims, ...times }));
  assert.equal(answer.status, 200, answer.body);
});

test("a program exchanges an issuer's token for a session token", async (t) => {
  const { exchange, sound, url, origin } = await open(t);
  const address = { email: "a@b.example", email_verified: true };
  const answer = await exchange(await sign(sound({ ...address, groups: ["bots"] })));
  assert.equal(answer.status, 200, answer.body);
  assert.match(answer.header("content-type"), /^application\/json/);
  assert.match(answer.header("cache-control"), /no-store/);
  const { token, expires, user } = answer.json();
  assert.equal(user, "alice");
  assert.ok(Number.isInteger(expires) && expires > Date.now() / 1000, String(expires));
  const without = new Browser();
  const called = await without.fetchJson(url, { headers: bearer(token) });
  assert.deepEqual([called.status, called.body], [200, "ok"]);
  assert.deepEqual(origin.received("x-session-user"), ["alice"]);
  assert.deepEqual(origin.received("x-session-email"), ["a@b.example"]);
  assert.deepEqual(origin.received("x-session-groups"), ["bots"]);
  assert.deepEqual(origin.received("authorization"), []);
  assert.ok(!JSON.stringify(origin.requests).includes(token));
  const me = await without.fetchJson(new URL("/_session/me", url), { headers: bearer(token) });
  assert.equal(me.json().user, "alice");
});

test("a program may send the token in a JSON body and the session in the cookie", async (t) => {
  const { program, at, sound, url, origin } = await open(t);
  const json = { token: await sign(sound()) };
  assert.equal((await program.fetchJson(at, { method: "POST", json })).status, 200);
  assert.notEqual(program.sessionOf(url), "");
  assert.equal((await program.fetchJson(url)).body, "ok");
  assert.deepEqual(origin.received("x-session-user"), ["alice"]);
});

test("all requests with one session token belong to one session", async (t) => {
  const { exchange, sound, url, origin } = await open(t);
  const { token } = (await exchange(await sign(sound()))).json();
  const without = new Browser();
  for (let call = 0; call < 5; call += 1) {
    const answer = await without.fetchJson(url, { headers: bearer(token) });
    assert.equal(answer.body, "ok");
    without.forget(url);
  }
  const handles = origin.requests.map(
    ({ headers }) => headers.find(([name]) => name === "x-session-id")?.[1],
  );
  assert.equal(new Set(handles).size, 1);
});

test("the session token of a signed-out session is rejected", async (t) => {
  const { exchange, sound, url } = await open(t);
  const { token } = (await exchange(await sign(sound()))).json();
  const without = new Browser();
  const call = () => without.fetchJson(url, { headers: bearer(token) });
  assert.equal((await call()).status, 200);
  const logout = new URL("/_session/logout", url);
  const out = await without.fetchJson(logout, { method: "POST", headers: bearer(token) });
  assert.equal(out.status, 204);
  await until(async () => (await call()).status === 401, { what: "the end" });
});

for (const [what, forge] of FORGED_TOKENS) {
  test(`a token ${what} is rejected`, async (t) => {
    const scene = await open(t);
    await assertRefused(scene, await forge(scene.sound(), scene.issuer, {}));
    assert.equal(scene.issuer.count("elsewhere"), 0);
    assert.equal((await scene.exchange(await sign(scene.sound()))).status, 200);
  });
}

/** @type {typeof INVALID_CLAIMS} */
const OF_AN_EXCHANGE = [
  ["a lifetime over 24 hours", (claims) => ({ ...claims, exp: claims.iat + 24 * 3600 + 120 })],
  ["a jti that is not a string", (claims) => ({ ...claims, jti: 7 })],
];

/** The `azp` of an access token names the client that requested it, not the audience. */
const OF_ANY_TOKEN = INVALID_CLAIMS.filter(([what]) => !what.includes("azp"));

for (const [what, alter] of [...OF_ANY_TOKEN, ...INVALID_SUBJECTS, ...OF_AN_EXCHANGE]) {
  test(`a token with ${what} is rejected`, async (t) => {
    const scene = await open(t);
    await assertRefused(scene, await sign(alter(scene.sound())));
  });
}

test("a token of 20 KiB is rejected", async (t) => {
  const { program, at, url, sound } = await open(t);
  const json = { token: await sign(sound({ filler: "x".repeat(15 * 1024) })) };
  assert.ok(json.token.length > 20_000);
  const answer = await program.fetchJson(at, { method: "POST", json });
  assert.deepEqual([answer.status, answer.code], [413, "body_too_large"]);
  assert.equal(program.sessionOf(url), "");
});

test("a token with a lifetime of one day is accepted", async (t) => {
  const { exchange, sound } = await open(t);
  const claims = sound();
  const jwt = await sign({ ...claims, exp: claims.iat + 24 * 3600 });
  assert.equal((await exchange(jwt)).status, 200);
});

test("a token with a jti is accepted once", async (t) => {
  const scene = await open(t);
  const jwt = await sign(scene.sound({ jti: randomUUID() }));
  const both = await Promise.all([scene.exchange(jwt), scene.exchange(jwt)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 401]);
  const again = await scene.exchange(jwt);
  assert.deepEqual([again.status, again.code], [401, "token_invalid"]);
  assert.equal((await scene.exchange(await sign(scene.sound({ jti: randomUUID() })))).status, 200);
});

test("a token without a jti is accepted until it expires", async (t) => {
  const { exchange, sound } = await open(t);
  const jwt = await sign(sound());
  const tokens = [(await exchange(jwt)).json().token, (await exchange(jwt)).json().token];
  assert.notEqual(tokens[0], tokens[1]);
});

test("a token for one site is rejected at another", async (t) => {
  const one = await open(t);
  const other = await open(t);
  await assertRefused(other, await sign(one.sound()));
  const { token } = (await one.exchange(await sign(one.sound()))).json();
  assert.equal((await other.program.fetchJson(other.url, { headers: bearer(token) })).status, 401);
});

test("a logout token cannot be exchanged", async (t) => {
  const scene = await open(t);
  await assertRefused(scene, await signLogout(scene.issuer.logoutToken()));
});

test("a token that was not exchanged gives no access", async (t) => {
  const { program, url, sound, origin } = await open(t);
  const answer = await program.fetchJson(url, { headers: bearer(await sign(sound())) });
  assert.equal(answer.status, 401);
  assert.equal(origin.requests.length, 0);
});

test("a missing or malformed token gets 4xx, not 5xx", async (t) => {
  const { program, at, exchange } = await open(t);
  assert.equal((await program.fetchJson(at)).status, 405);
  for (const json of [{}, { token: 7 }, { token: "" }, [], "x"]) {
    const answer = await program.fetchJson(at, { method: "POST", json });
    assert.ok([400, 401, 422].includes(answer.status), JSON.stringify(json));
  }
  assert.ok([400, 401].includes((await exchange("")).status));
  const bare = await program.fetchJson(at, { method: "POST" });
  assert.ok([400, 401, 415].includes(bare.status), String(bare.status));
});

test("a token is refused while its issuer's keys cannot be fetched", async (t) => {
  const { exchange, sound, issuer } = await open(t);
  issuer.answers.jwks = { status: 500 };
  const answer = await exchange(await sign(sound()));
  assert.ok([502, 503].includes(answer.status), `${answer.status} ${answer.code}`);
  issuer.behave();
  const taken = async () => (await exchange(await sign(sound()))).status === 200;
  await until(taken, { what: "the token being taken" });
});

test("unknown kids cause one more fetch of the keys, not one each", async (t) => {
  const { exchange, sound, issuer } = await open(t);
  assert.equal((await exchange(await sign(sound()))).status, 200);
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const jwt = await sign(sound(), { header: { kid: `new ${attempt}` }, key: KEYS.foreign });
    assert.equal((await exchange(jwt)).code, "token_invalid");
  }
  assert.equal(issuer.count("jwks"), 2);
});

test("a foreign bearer token reaches the chat server where guests are admitted", async (t) => {
  const { program, url, origin } = await open(t, { mode: "optional" });
  const answer = await program.fetchJson(url, { headers: bearer("sk-of-the-chat-server") });
  assert.equal(answer.status, 200);
  assert.deepEqual(origin.received("authorization"), ["Bearer sk-of-the-chat-server"]);
  assert.deepEqual(origin.received("x-session-user"), []);
});

test("a page of another site cannot make a browser exchange a token", async (t) => {
  const { program, at, url, sound } = await open(t);
  const jwt = await sign(sound());
  for (const headers of /** @type {Record<string, string>[]} */ ([
    { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
    { origin: "null", "sec-fetch-site": "cross-site" },
  ])) {
    const answer = await program.fetchJson(at, {
      method: "POST",
      headers: { ...headers, ...bearer(jwt) },
    });
    assert.equal(answer.status, 403);
    assert.equal(program.sessionOf(url), "");
  }
});

test("a session token sent with the cookie is not forwarded", async (t) => {
  const { exchange, sound, program, url, origin } = await open(t);
  const exchanged = await exchange(await sign(sound()));
  const { token } = exchanged.json();
  for (const header of [`Bearer ${token}`, `Bearer  ${token}`, `bearer ${token} `]) {
    const answer = await program.fetchJson(url, { headers: { authorization: header } });
    assert.equal(answer.status, 200);
    assert.deepEqual(origin.received("authorization"), []);
  }
});
