/** Exclusive leases: two workers of an application and one session, in two locations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ORIGIN_KEY = "an-origin-key-of-32-characters!!";

/**
 * A session with data, and how a worker of the application calls it from either location.
 * @param {import("node:test").TestContext} t
 */
async function session(t) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const vars = { ORIGIN_KEY };
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars, lags: [0, 0] });
  const [here, there] = vestibule.urls;
  const browser = new Browser(here);
  const visit = (/** @type {Record<string, string>} */ controls = {}) =>
    browser.fetch(`/?${new URLSearchParams(controls)}`);
  await visit({ "x-session-patch": '{"n":0}' });
  await visit();
  const [name] = origin.received("x-session-id");
  /**
   * @param {string} url
   * @param {string} method
   * @param {string} [path]
   * @param {unknown} [body]
   */
  const call = async (url, method, path = "", body = undefined) => {
    const response = await fetch(`${url}/_session/api/sessions/${name}${path}`, {
      method,
      headers: { authorization: `Bearer ${ORIGIN_KEY}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      after: Number(response.headers.get("retry-after")),
      json: text ? JSON.parse(text) : undefined,
    };
  };
  const data = async () => (await call(here, "GET")).json.data;
  return { vestibule, here, there, visit, call, data };
}

test("while one worker holds an exclusive lease, no other changes the data", async (t) => {
  const { here, there, visit, call, data } = await session(t);
  const taken = await call(here, "POST", "/lease", { seconds: 60, exclusive: true });
  assert.equal(taken.status, 200);
  const { token, exclusive } = taken.json;
  assert.equal(exclusive, true);

  const refused = await call(there, "PATCH", "", { patch: { n: 1 } });
  assert.deepEqual([refused.status, refused.json.code], [409, "leased"]);
  assert.ok(refused.after > 50 && refused.after <= 60, `Retry-After: ${refused.after}`);
  assert.match(refused.json.detail, /Retry-After.*wait/);
  await visit({ "x-session-patch": '{"n":2}' });
  assert.deepEqual(await data(), { n: 0 });

  assert.equal((await call(there, "PATCH", "", { patch: { n: 3 }, lease: token })).status, 200);
  await visit({ "x-session-patch": '{"m":4}', "x-session-lease": String(token) });
  assert.deepEqual(await data(), { m: 4, n: 3 });

  assert.equal((await call(here, "DELETE", "/lease", { token })).status, 204);
  assert.equal((await call(there, "PATCH", "", { patch: { n: 5 } })).status, 200);
});

test("of changes under leases that wait for each other none is lost", async (t) => {
  const { here, there, call, data } = await session(t);
  const add = async (/** @type {string} */ url) => {
    let taken;
    do {
      taken = await call(url, "POST", "/lease", { seconds: 60, exclusive: true, wait: 10 });
    } while (taken.status === 409);
    const { token } = taken.json;
    const { n } = (await call(url, "GET")).json.data;
    const changed = await call(url, "PATCH", "", { patch: { n: n + 1 }, lease: token });
    assert.equal(changed.status, 200);
    assert.equal((await call(url, "DELETE", "/lease", { token })).status, 204);
  };
  await Promise.all([here, there, here, there, here, there].map(add));
  assert.deepEqual(await data(), { n: 6 });
});

test("a change waits until the lease ends, and no longer than it says", async (t) => {
  const { here, there, visit, call, data } = await session(t);
  await call(here, "POST", "/lease", { seconds: 2, exclusive: true });
  const short = await call(there, "PATCH", "", { patch: { n: 1 }, wait: 1 });
  assert.equal(short.status, 409);
  const [change] = await Promise.all([
    call(there, "PATCH", "", { patch: { n: 2 }, wait: 10 }),
    visit({ "x-session-patch": '{"m":3}', "x-session-lease-wait": "10" }),
  ]);
  assert.equal(change.status, 200);
  assert.deepEqual(await data(), { m: 3, n: 2 });
});

test("signing out passes a lease", async (t) => {
  const { here, visit, call } = await session(t);
  await call(here, "POST", "/lease", { seconds: 60, exclusive: true });
  await visit({ "x-session-destroy": "1" });
  assert.equal((await call(here, "GET")).status, 404);
});
