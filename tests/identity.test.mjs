/** Tests identities by every way of signing in: the names, addresses and groups that a chat server receives. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { HostileProvider, sign } from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";
const ORIGIN_KEY = "an-origin-key-of-32-characters!!";

const sites = await Sites.start({ after }, { vars: { ADMIN_TOKEN, ORIGIN_KEY } });
const provider = await HostileProvider.start({ after });

/** Headers that the tenant maps to names of its chat server. */
const MAPPED = { headers: { "X-Mail": "email", "X-Login": "user", "X-Roles": "groups" } };

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [method]
 */
async function open(t, method = {}) {
  const issuer = provider.issuer();
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url, method)] } },
    ...MAPPED,
  }));
  const browser = new Browser();
  const received = (/** @type {string} */ name) =>
    site.origin.received(name).map(decodeURIComponent);
  return { issuer, site, browser, url: `${site.url}/`, received };
}

/** @typedef {Record<string, any>} Claims */

test("an unverified address is not sent, under any header name", async (t) => {
  for (const claim of [{}, { email_verified: false }, { email_verified: "false" }]) {
    const { issuer, browser, url, site, received } = await open(t);
    issuer.claims = (/** @type {Claims} */ { email_verified: _, ...claims }) => ({
      ...claims,
      email: "ceo@example.com",
      ...claim,
    });
    assert.equal((await browser.signIn(url)).body, "ok");
    assert.deepEqual(received("x-session-user"), ["alice"]);
    const seen = site.origin.requests.flatMap(({ headers }) => headers.flat()).join("\n");
    assert.ok(!seen.includes("ceo@example.com"), JSON.stringify(claim));
    assert.equal((await browser.me(url)).json().email, null);
  }
});

test("a verified address is sent under every header name", async (t) => {
  for (const email_verified of [true, "true"]) {
    const { issuer, browser, url, received } = await open(t);
    issuer.claims = (/** @type {Claims} */ claims) => ({ ...claims, email_verified });
    assert.equal((await browser.signIn(url)).body, "ok");
    assert.deepEqual(received("x-session-email"), ["alice@example.com"]);
    assert.deepEqual(received("x-mail"), ["alice@example.com"]);
  }
});

test("with allow.unverified_email an address without email_verified is sent", async (t) => {
  const { issuer, browser, url, received } = await open(t, { allow: { unverified_email: true } });
  issuer.claims = (/** @type {Claims} */ { email_verified: _, ...claims }) => claims;
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(received("x-session-email"), ["alice@example.com"]);
});

test("email_verified of userinfo does not cover the token's other address", async (t) => {
  const { issuer, browser, url, received } = await open(t, { userinfo: true });
  issuer.claims = (/** @type {Claims} */ { email_verified: _, ...claims }) => ({
    ...claims,
    email: "ceo@example.com",
  });
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(received("x-session-email"), []);
});

test("email_verified does not cover another claim", async (t) => {
  const claims = { user: "sub", email: "upn", name: "name", groups: "groups" };
  const { issuer, browser, url, received } = await open(t, { claims });
  issuer.claims = (/** @type {Claims} */ all) => ({ ...all, upn: "ceo@example.com" });
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(received("x-session-email"), []);
});

test("an allowed group admits in any position, and omitted groups are counted", async (t) => {
  const dn = "CN=chat,OU=staff";
  for (const group of ["chat", dn, "x".repeat(400)]) {
    const { issuer, browser, url, received } = await open(t, { allow: { groups: [group] } });
    const others = Array.from({ length: 100 }, (_, at) => `group ${at}`);
    issuer.claims = (/** @type {Claims} */ all) => ({ ...all, groups: [...others, group] });
    assert.equal((await browser.signIn(url)).body, "ok", group);
    const groups = received("x-session-groups")[0].split(",");
    assert.equal(groups.length, 64);
    assert.deepEqual(received("x-session-groups-omitted"), ["37"]);
    assert.deepEqual(received("x-roles"), received("x-session-groups"));
    if (group === "chat") assert.equal(groups[0], "chat");
    else assert.ok(groups.every((one) => others.includes(one)));
  }
});

test("a group with a similar name to an allowed one does not admit", async (t) => {
  const { issuer, browser, url, site } = await open(t, { allow: { groups: ["chat"] } });
  issuer.claims = (/** @type {Claims} */ all) => ({
    ...all,
    groups: [" chat", "chat ", "chat\u00a0", "ch\u200bat", "CHAT", "x,chat"],
  });
  assert.equal((await browser.signIn(url)).status, 403);
  assert.equal(site.origin.requests.length, 0);
});

test("X-Session-Groups-Omitted is absent when all groups are sent", async (t) => {
  const { issuer, browser, url, received } = await open(t);
  issuer.claims = (/** @type {Claims} */ all) => ({ ...all, groups: ["a", "b"] });
  assert.equal((await browser.signIn(url)).body, "ok");
  assert.deepEqual(received("x-session-groups"), ["a,b"]);
  assert.deepEqual(received("x-session-groups-omitted"), []);
});

/** Names that a header or a reader confuses with `admin`. */
const DISGUISES = [
  " admin",
  "admin ",
  "admin\t",
  "\u00a0admin",
  "admin\u00a0",
  "admin\u3000",
  "ad\u200bmin",
  "admin\u200d",
  "admin\u2060",
  "\ufeffadmin",
  "\u202eadmin",
  "\u2066admin\u2069",
  "ad\u00admin",
  "admin\ufe0f",
  "admin\u{e0061}",
  "ad\u0000min",
];

/** Other names, which arrive unchanged. */
const OTHERS = ["Zoe\u0308", "Zo\u00eb", "\uff41dmin", "50%", "a%20b", "a b", "管理", "a+b"];

/** Opens a session whose chat server names the user. @param {import("node:test").TestContext} t */
async function openToOrigin(t) {
  let identity = "";
  const site = await sites.open(
    t,
    () => ({ login: { mode: "off" } }),
    (_, reply) => {
      if (identity) reply.setHeader("x-session-identify", identity);
      identity = "";
      reply.end("ok");
    },
  );
  const url = `${site.url}/`;
  const identify = async (/** @type {Record<string, unknown>} */ who) => {
    const browser = new Browser();
    // A header contains ASCII only.
    identity = JSON.stringify(who).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    await browser.fetchJson(url);
    await browser.fetchJson(url);
    return site.origin.received("x-session-user").map(decodeURIComponent);
  };
  return { site, identify };
}

test("X-Session-Identify with a confusable name is rejected", async (t) => {
  const { site, identify } = await openToOrigin(t);
  for (const user of DISGUISES)
    assert.deepEqual(await identify({ user }), [], JSON.stringify(user));
  for (const odd of [{ email: "a@b.example " }, { groups: [" admin"] }, { name: "\u202eAda" }]) {
    assert.deepEqual(await identify({ user: "ada", ...odd }), [], JSON.stringify(odd));
  }
  const ignored = () =>
    sites.vestibule
      .logged("control_ignored")
      .filter(({ tenant, control }) => tenant === site.id && control === "identify");
  await until(() => ignored().length === DISGUISES.length + 3);
  for (const user of OTHERS) assert.deepEqual(await identify({ user }), [user]);
});

test("claims with a confusable user id are rejected, and the next sign-in succeeds", async (t) => {
  const claims = { user: "login", email: "email", name: "name", groups: "groups" };
  const { issuer, browser, url, site, received } = await open(t, { claims });
  for (const login of DISGUISES) {
    issuer.claims = (/** @type {Claims} */ all) => ({ ...all, login });
    assert.equal((await browser.signIn(url)).status, 403, JSON.stringify(login));
  }
  assert.equal(site.origin.requests.length, 0);
  for (const login of OTHERS) {
    issuer.claims = (/** @type {Claims} */ all) => ({ ...all, login });
    assert.equal((await new Browser().signIn(url)).body, "ok");
    assert.deepEqual(received("x-session-user"), [login]);
    assert.deepEqual(received("x-login"), [login]);
  }
});

test("a token with a confusable user id is rejected", async (t) => {
  const issuer = provider.issuer();
  const claims = { user: "login" };
  const token = [{ issuer: issuer.url, audience: "vestibule", claims }];
  const site = await sites.open(t, () => ({ login: { mode: "required", methods: { token } } }));
  const exchange = async (/** @type {string} */ login) => {
    const jwt = await sign(issuer.token("vestibule", { login }));
    const headers = { authorization: `Bearer ${jwt}` };
    return new Browser().fetchJson(`${site.url}/_session/token`, { method: "POST", headers });
  };
  for (const login of DISGUISES) {
    const answer = await exchange(login);
    assert.deepEqual([answer.status, answer.code], [403, "not_admitted"], JSON.stringify(login));
  }
  for (const login of OTHERS) assert.equal((await exchange(login)).json().user, login);
});

/** Confusable names that remain after accounts' names are trimmed. */
const hidden = DISGUISES.filter((name) => name.trim() !== "admin");

test("an account with a confusable name cannot be created, kept or used to sign in", async (t) => {
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { password: true } },
  }));
  const putAccount = (/** @type {string} */ name, /** @type {unknown} */ json, method = "PUT") =>
    new Browser().fetchJson(`${site.url}/_session/admin/users/${encodeURIComponent(name)}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      json,
    });
  const password = "difference engine";
  const signIn = async (/** @type {string} */ username) => {
    const browser = new Browser();
    const json = { username, password };
    const { status } = await browser.fetchJson(`${site.url}/_session/login`, {
      method: "POST",
      json,
    });
    await browser.fetchJson(site.url);
    return status === 200 ? site.origin.received("x-session-user").map(decodeURIComponent) : [];
  };
  enrol(sites, site.id, { user: "admin", password });
  for (const name of hidden) {
    assert.notEqual((await putAccount(name, { password })).status, 200, JSON.stringify(name));
    assert.deepEqual(await signIn(name), [], JSON.stringify(name));
  }
  for (const name of DISGUISES.filter((one) => !hidden.includes(one))) {
    assert.deepEqual(await signIn(name), ["admin"], "the very account, by its password");
  }
  for (const odd of [
    { email: " ceo@b.example" },
    { groups: ["admin\u00a0"] },
    { name: "Ada\u202e" },
    { name: " Ada" },
  ]) {
    assert.equal((await putAccount("ada", { password, ...odd })).status, 422, JSON.stringify(odd));
  }
  enrol(sites, site.id, { user: "eve", password, email: "ceo@b.example\u200b" });
  assert.deepEqual(await signIn("eve"), [], "an account that was put there by hand");
});

test("the command line rejects a confusable account name", () => {
  const users = (/** @type {string[]} */ ...args) => {
    const script = path.resolve(import.meta.dirname, "../scripts/users.mjs");
    const all = [script, "add", "acme", ...args];
    return spawnSync(process.execPath, all, { encoding: "utf8", input: "" });
  };
  for (const name of hidden.filter((one) => !one.includes("\0"))) {
    const { status, stderr, stdout } = users(name);
    assert.equal(status, 1, JSON.stringify(name));
    assert.match(stderr + stdout, /Name the user/, JSON.stringify(name));
  }
});

test("the session API returns names unchanged", async (t) => {
  const { site, identify } = await openToOrigin(t);
  assert.deepEqual(await identify({ user: "ada" }), ["ada"]);
  const [name] = site.origin.received("x-session-id");
  const answer = await new Browser().fetchJson(`${site.url}/_session/api/sessions/${name}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${ORIGIN_KEY}` },
    json: { user: " admin" },
  });
  assert.notEqual(answer.status, 200);
  assert.notEqual(answer.status, 404);
});
