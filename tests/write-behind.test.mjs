/** Tests changes that are confirmed before they are stored, with KV alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** An isolate's copy serves for longer than any test lasts. */
const VARS = { CONSISTENCY: "eventual", SESSION_CACHE: "60s" };

/**
 * Starts two locations in which a browser has a session, and an origin that responds with the query's headers.
 * @param {import("node:test").TestContext} t
 */
async function begun(t) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars: VARS, lags: [0, 0] });
  const { kv } = vestibule;
  const browsers = vestibule.urls.map((url) => new Browser(url));
  const [here, there] = browsers;
  const change = async (/** @type {Browser} */ browser, /** @type {unknown} */ patch) => {
    const query = `x-session-patch=${encodeURIComponent(JSON.stringify(patch))}`;
    const response = await browser.fetch(`/?${query}`);
    assert.equal(response.status, 200);
  };
  const puts = (/** @type {number} */ count) => until(() => kv.count("put") === count);
  /** Returns the data that a process without a copy reads. */
  const stored = async () => {
    const elsewhere = await Vestibule.start(t, { keys: vestibule.keys, kv, vars: VARS });
    const reader = new Browser(elsewhere.url);
    reader.jar.set("vestibule-session", here.session);
    return (await reader.json("/_session/me")).data;
  };
  await change(here, { begun: true });
  await puts(1);
  there.jar.set("vestibule-session", here.session);
  await there.fetch("/");
  return { vestibule, kv, here, there, change, puts, stored };
}

test("with KV alone a change is confirmed while storage does not answer, and stored once it does", async (t) => {
  const { kv, here, change, puts, stored } = await begun(t);
  kv.mood.get = "held";
  await change(here, { late: 1 });
  assert.deepEqual((await here.json("/_session/me")).data, { begun: true, late: 1 });
  assert.equal(kv.mood.get, "held");
  assert.equal(kv.count("put"), 1);
  kv.mood.get = "fine";
  await puts(2);
  assert.deepEqual(await stored(), { begun: true, late: 1 });
});

test("with KV alone changes of two locations are merged, and seen by the one that merged them", async (t) => {
  const { vestibule, here, there, change, puts, stored } = await begun(t);
  await change(here, { here: 1, both: "here" });
  await puts(2);
  await change(there, { there: 1, both: "there" });
  await puts(3);
  const merged = { begun: true, here: 1, there: 1, both: "there" };
  assert.deepEqual((await there.json("/_session/me")).data, merged);
  assert.deepEqual(await stored(), merged);
  assert.equal(vestibule.logged("session_change_lost").length, 0);
});

test("with KV alone a change does not revive a session that another location ended", async (t) => {
  const { vestibule, kv, here, there, change } = await begun(t);
  const { session } = there;
  await here.fetch("/_session/logout", { method: "POST" });
  const tombstone = kv.only().value;
  await change(there, { late: 1 });
  await until(() => vestibule.logged("session_change_lost").length === 1);
  assert.equal(vestibule.logged("session_change_lost")[0].reason, "ended");
  assert.deepEqual(kv.only().value, tombstone);
  there.jar.set("vestibule-session", session);
  assert.equal((await there.fetch("/")).status, 401);
});
