/** Tests cookies of numbered key lists at isolates with another list. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mint } from "./harness/cookie.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

const CLEARED = "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
/** @param {number} hours */
const hoursAgo = (hours) => Math.floor(Date.now() / 1000) - hours * 3_600;

/** Starts an isolate with an earlier list than the one that signs the cookies. @param {import("node:test").TestContext} t */
async function behind(t, vars = {}) {
  const [key, later] = [freshKey(), freshKey()];
  const origin = await Origin.start(t);
  const keys = `epoch=1,${key}`;
  const vestibule = await Vestibule.start(t, { origins: [origin.url], keys, vars });
  const get = (/** @type {string} */ value, request = {}) =>
    send(vestibule.port, { ...request, lines: [`Cookie: __Host-session=${value}`] });
  return { origin, vestibule, get, key, later };
}

test("a numbered key list issues cookies that name its epoch", async (t) => {
  const { origin, get, key } = await behind(t);
  const cookie = mint({ key, list: { epoch: 1, key } });
  assert.equal((await get(cookie)).status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  const [line] = header(await get("x"), "set-cookie");
  const [, value = ""] = line.match(/^__Host-session=([\w-]{116});/) ?? [];
  assert.equal(Buffer.from(value, "base64url").subarray(0, 6).toString("hex").slice(-2), "01");
});

test("a cookie of a later key list is kept at any age, and no flood of them is a forgery", async (t) => {
  const { vestibule, origin, get, key, later } = await behind(t);
  const list = { epoch: 3, key };
  const of = (/** @type {object} */ fields) =>
    mint({ key: later, list, leastVersion: 1, ...fields });
  for (const cookie of [of({}), of({ created: 1, issued: hoursAgo(100) })]) {
    const answer = await get(cookie);
    assert.deepEqual([answer.status, answer.code], [503, "key_unknown"]);
    assert.ok(Number(header(answer, "retry-after")[0]) > 0);
    assert.deepEqual(header(answer, "cache-control"), ["no-store"]);
    assert.deepEqual(header(answer, "set-cookie"), []);
  }
  const flood = await Promise.all(Array.from({ length: 320 }, () => get(of({}))));
  assert.deepEqual([...new Set(flood.map(({ status }) => status))], [503]);
  assert.equal(vestibule.logged("cookie_key_unknown").length, 1);
  assert.equal(vestibule.kv.operations.length + origin.requests.length, 0);
});

for (const [
  what,
  list,
] of /** @type {[string, (key: string) => { epoch: number, key: string }][]} */ ([
  ["the same epoch", (key) => ({ epoch: 1, key })],
  ["an earlier epoch", (key) => ({ epoch: 0, key })],
  ["a later epoch and a key that nobody lists", () => ({ epoch: 2, key: freshKey() })],
])) {
  test(`a cookie of an unknown key with ${what} is forged, and a flood is limited`, async (t) => {
    const { vestibule, origin, get, key, later } = await behind(t, { LOGIN_MODE: "required" });
    const cookie = mint({ key: later, list: list(key), leastVersion: 1 });
    const answer = await get(cookie);
    assert.deepEqual([answer.status, answer.code], [401, "no_session"]);
    assert.deepEqual(header(answer, "set-cookie"), [CLEARED]);
    const flood = await Promise.all(Array.from({ length: 320 }, () => get(cookie)));
    assert.deepEqual([...new Set(flood.map(({ status }) => status))].sort(), [401, 429]);
    assert.equal(vestibule.kv.operations.length + origin.requests.length, 0);
  });
}

test("a higher epoch on the old list gives up the sessions of a key at once", async (t) => {
  const { vestibule, origin, get, key, later } = await behind(t);
  const cookie = mint({ key: later, list: { epoch: 2, key }, leastVersion: 1 });
  assert.equal((await get(cookie)).status, 503);
  vestibule.keys = `epoch=3,${key}`;
  await vestibule.restart();
  assert.equal((await get(cookie)).status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
});
