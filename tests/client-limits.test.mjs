/** Tests the rate limits of one client, over all its addresses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mint } from "./harness/cookie.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { SCHEME, Vestibule } from "./harness/workerd.mjs";

const ADMIN = "operators-know-this-token";
const WRONG = "not-the-token-of-operators";

/**
 * Starts a Worker with one tenant, for requests over https from given addresses.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 * @param {boolean} [limited] by the platform
 */
async function behind(t, vars = {}, limited = false) {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars, limited });
  /**
   * @param {string} address
   * @param {Parameters<typeof send>[1]} [request]
   */
  const from = (address, { lines = [], ...request } = {}) => {
    const own = [`${SCHEME}: https`, `CF-Connecting-IP: ${address}`];
    return send(vestibule.port, { ...request, lines: [...own, ...lines] });
  };
  return { vestibule, origin, from };
}

/**
 * Attempts a sign-in.
 * @param {string} username
 * @returns {Parameters<typeof send>[1]}
 */
function signIn(username) {
  const body = JSON.stringify({ username, password: "a guess at it" });
  const lines = ["Content-Type: application/json", `Content-Length: ${body.length}`];
  return { method: "POST", target: "/_session/login", lines, body, patience: 60_000 };
}

/** @param {string} token */
function bearer(token) {
  return [`Authorization: Bearer ${token}`];
}

/** Opens a tenant with sign-in by password. @param {import("node:test").TestContext} t */
async function withPasswords(t) {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const origin = await Origin.start(t);
  const document = {
    id: "acme",
    hosts: ["chat.example"],
    origins: [{ url: origin.url }],
    login: { mode: "optional", methods: { password: true } },
  };
  tenants.plant("host:chat.example", "acme");
  tenants.plant("tenant:acme", JSON.stringify(document));
  const vestibule = await Vestibule.start(t, { tenants, origins: [] });
  /**
   * @param {string} address
   * @param {string} username
   */
  const attempt = (address, username) => {
    const { lines = [], ...request } = signIn(username);
    const own = [`${SCHEME}: https`, `CF-Connecting-IP: ${address}`];
    return send(vestibule.port, { ...request, lines: [...own, ...lines] });
  };
  return { vestibule, attempt };
}

test("sign-ins from one IPv6 subnet are limited, and those over the limit store nothing", async (t) => {
  const { vestibule, attempt } = await withPasswords(t);
  const statuses = [];
  for (let number = 0; number < 40; number += 1) {
    const answer = await attempt(`2001:db8:1:2::${number.toString(16)}`, `user${number}`);
    statuses.push(answer.status);
    if (answer.status === 429) assert.match(header(answer, "retry-after")[0], /^[1-9]\d*$/);
  }
  assert.deepEqual(statuses, [...Array(30).fill(401), ...Array(10).fill(429)]);
  assert.ok(vestibule.stored("attempt") <= 30, `${vestibule.stored("attempt")} objects`);
  assert.equal((await attempt("2001:db8:1:3::1", "user41")).status, 401);
});

test("an IPv4 address has one limit in every spelling", async (t) => {
  const { attempt } = await withPasswords(t);
  const spellings = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"];
  const statuses = [];
  for (let number = 0; number < 33; number += 1) {
    statuses.push((await attempt(spellings[number % 3], `user${number}`)).status);
  }
  assert.deepEqual(statuses, [...Array(30).fill(401), ...Array(3).fill(429)]);
  assert.equal((await attempt("192.0.2.2", "user")).status, 401);
});

test("a few of two hundred concurrent sign-ins are processed, and the others get 429", async (t) => {
  const { vestibule, attempt } = await withPasswords(t);
  // The tenant is cached before the flood.
  assert.equal((await attempt("203.0.113.2", "nobody")).status, 401);
  const attempts = Array.from({ length: 200 }, (_, number) =>
    attempt(`198.51.100.${number}`, `user${number}`),
  );
  const answers = await Promise.all(attempts);
  const refused = answers.filter(({ code }) => code === "login_busy");
  for (const answer of refused) {
    assert.equal(answer.status, 429);
    assert.match(header(answer, "retry-after")[0], /^[1-9]\d*$/);
  }
  // If a hash takes a second, the object that counts attempts may respond too late.
  const begun = answers.filter(({ code }) => /login_wrong|accounts_unavailable/.test(code));
  const tried = begun.length;
  assert.equal(tried + refused.length, 200);
  assert.ok(tried >= 1 && tried <= 50, `${tried} tried`);
  assert.ok(vestibule.stored("attempt") <= tried + 1);
  // The hashing places are free again.
  assert.equal((await attempt("203.0.113.1", "somebody")).status, 401);
});

test("new sessions are limited per subnet, and per /48 over all its subnets", async (t) => {
  const { from } = await behind(t, { NEW_SESSIONS_PER_MINUTE: "3" });
  const begin = async (/** @type {string} */ address) => (await from(address)).status;
  for (let number = 0; number < 3; number += 1) {
    assert.equal(await begin(`2001:db8:1:1::${number}`), 200);
  }
  assert.equal(await begin("2001:db8:1:1::ffff"), 429);
  assert.equal(await begin("2001:db8:1:2::1"), 200);
  let begun = 4;
  for (let subnet = 16; subnet < 48; subnet += 1) {
    begun += (await begin(`2001:db8:1:${subnet.toString(16)}::1`)) === 200 ? 1 : 0;
  }
  assert.equal(begun, 8 * 3);
  assert.equal(await begin("2001:db8:2:1::1"), 200);
});

test("forged cookies from all addresses of a subnet count towards one limit", async (t) => {
  const { from, vestibule } = await behind(t);
  const cookie = `__Host-session=${mint({ key: vestibule.keys, tenant: "another" })}`;
  const forge = (/** @type {string} */ address) => from(address, { lines: [`Cookie: ${cookie}`] });
  let refused = 0;
  for (let batch = 0; batch < 32; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, number) => forge(`2001:db8:1:2:${batch}::${number}`)),
    );
    refused += answers.filter(({ code }) => code === "too_many_forgeries").length;
  }
  assert.ok(refused >= 1, "no request was refused");
  assert.equal(vestibule.logged("cookie_forged").length, 1);
  assert.equal((await forge("2001:db8:9:2::1")).status, 200);
});

for (const [what, vars, target, event] of /** @type {const} */ ([
  ["operator tokens", { ADMIN_TOKEN: ADMIN }, "/_session/admin/whoami", "admin_token_refused"],
  [
    "origin keys",
    { ORIGIN_KEY: ADMIN },
    `/_session/api/sessions/${"A".repeat(22)}`,
    "origin_key_refused",
  ],
])) {
  test(`wrong ${what} are logged and limited`, async (t) => {
    const { from, vestibule } = await behind(t, vars);
    const show = (/** @type {string} */ address, /** @type {string} */ token) =>
      from(address, { target, lines: bearer(token) });
    for (let guess = 0; guess < 10; guess += 1) {
      const answer = await show(`2001:db8:1:2::${guess}`, `${WRONG}${guess}`);
      assert.deepEqual([answer.status, answer.code], [401, "api_key"]);
    }
    for (let guess = 0; guess < 20; guess += 1) {
      const late = await show(`2001:db8:1:2:1::${guess}`, WRONG);
      assert.deepEqual([late.status, late.code], [429, "too_many_guesses"]);
      assert.ok(Number(header(late, "retry-after")[0]) > 0);
    }
    assert.equal((await show("2001:db8:1:2::1", ADMIN)).status, 429, "not even the right one");
    assert.ok(![401, 429].includes((await show("2001:db8:1:3::1", ADMIN)).status));
    assert.equal(vestibule.logged(event).length, 11);
    assert.ok(!vestibule.printed.includes(WRONG) && !vestibule.printed.includes(ADMIN));
  });
}

test("wrong tokens from other clients never block the right token", async (t) => {
  const { vestibule } = await behind(t, { ADMIN_TOKEN: ADMIN });
  const show = (/** @type {string} */ token) =>
    send(vestibule.port, { target: "/_session/admin/whoami", lines: bearer(token) });
  const statuses = [];
  for (let guess = 0; guess < 12; guess += 1) statuses.push((await show(WRONG)).status);
  assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
  assert.equal((await show(ADMIN)).status, 200);
});

test("the platform's rate limiter limits new sessions, and fails open", async (t) => {
  const { vestibule, from } = await behind(t, {}, true);
  const come = async (/** @type {string} */ address) => {
    const { status, body } = await from(address);
    return status === 429 ? JSON.parse(String(body)).code : status;
  };
  assert.equal(await come("192.0.2.1"), 200);
  assert.equal(await come("192.0.2.1"), 200);
  assert.equal(await come("192.0.2.1"), "too_many_sessions");
  assert.equal(await come("192.0.2.2"), 200);
  assert.deepEqual(vestibule.logged("limiter_failed"), []);

  assert.equal(await come("192.0.2.99"), 200);
  const failed = vestibule.logged("limiter_failed").map(({ level, detail }) => [level, detail]);
  assert.deepEqual(failed, [["warn", "deadline"]]);
});
