/** Tests `npm run serve` on several machines: processes with a data folder each, over one Redis. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { Redis, redisMissing } from "./harness/redis.mjs";
import { dataFolder, Serve } from "./harness/serve.mjs";
import { until } from "./harness/until.mjs";
import { freshKey } from "./harness/workerd.mjs";

const TOKEN = "a-token-for-calls-of-objects";

const options = { skip: redisMissing };

/**
 * Starts a server and Redis, and returns what every machine is started with.
 * @param {import("node:test").TestContext} t
 */
async function site(t) {
  const redis = await Redis.start(t);
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const env = {
    VESTIBULE_SESSION_KEYS: freshKey(),
    VESTIBULE_KV_URL: redis.url,
    VESTIBULE_OBJECTS_TOKEN: TOKEN,
  };
  const args = () => ["--origin", origin.url, "--data", dataFolder(t)];
  return { redis, origin, env, args };
}

/** Sends a patch of the session's data. @param {Browser} browser @param {unknown} value */
function patch(browser, value) {
  return browser.fetch(`/?x-session-patch=${encodeURIComponent(JSON.stringify(value))}`);
}

/**
 * Starts one machine with the objects, and one that calls them.
 * @param {import("node:test").TestContext} t
 */
async function two(t) {
  const { redis, origin, env, args } = await site(t);
  const address = `127.0.0.1:${await freePort()}`;
  const first = await Serve.start(t, [...args(), "--objects-listen", address], env);
  const second = await Serve.start(t, [...args(), "--objects", `http://${address}`], env);
  const browser = new Browser(first.url);
  return { redis, origin, env, args, address, first, second, browser };
}

test("two machines share a session, and its changes are ordered", options, async (t) => {
  const { origin, first, second, browser } = await two(t);
  for (let round = 1; round <= 5; round += 1) {
    browser.moveTo((round % 2 ? first : second).url);
    await patch(browser, { [`from ${round}`]: round });
    browser.moveTo((round % 2 ? second : first).url);
    await browser.fetch("/");
    const data = JSON.parse(origin.received("x-session-data")[0]);
    assert.equal(Object.keys(data).length, round);
    assert.deepEqual(origin.received("x-session-state"), ["active"]);
  }
});

test("changes of both machines at once are all kept", options, async (t) => {
  const { origin, first, second, browser } = await two(t);
  await patch(browser, { begun: true });
  const both = [first, second].map((serve) => {
    const same = new Browser(serve.url);
    for (const [name, value] of browser.jar) same.jar.set(name, value);
    return same;
  });
  await Promise.all(Array.from({ length: 20 }, (_, at) => patch(both[at % 2], { [`c${at}`]: at })));
  browser.moveTo(second.url);
  const all = async () => {
    await patch(browser, { last: Math.random() });
    await browser.fetch("/");
    return Object.keys(JSON.parse(origin.received("x-session-data")[0])).length === 22;
  };
  await until(all, { what: "all changes" });
});

test(
  "a machine without the objects serves its sessions while the other one restarts",
  options,
  async (t) => {
    const { origin, first, second, browser } = await two(t);
    browser.moveTo(second.url);
    await patch(browser, { count: 1 });
    assert.equal(await first.end("SIGTERM"), 0);
    const isDegraded = async () => {
      assert.equal((await browser.fetch("/")).status, 200);
      assert.equal(origin.received("x-session-data")[0], '{"count":1}');
      return origin.received("x-session-state")[0] === "degraded";
    };
    await until(isDegraded, { what: "a missing list of revocations" });
    const response = await patch(browser, { count: 2 });
    assert.equal(response.status, 503, "no change is confirmed that no object ordered");
    await first.run();
    const isChanged = async () => (await patch(browser, { count: 3 })).status === 200;
    await until(isChanged, { what: "a change" });
    await browser.fetch("/");
    assert.equal(origin.received("x-session-data")[0], '{"count":3}');
  },
);

test("a second place for the objects of one store is refused", options, async (t) => {
  const { first, env, args } = await two(t);
  const port = ["--port", String(await freePort())];
  const { code, said } = await Serve.toEnd(t, [...args(), ...port], env);
  assert.equal(code, 78);
  assert.match(said, /The Durable Objects of these sessions are in/);
  assert.match(said, /--objects http/);
  assert.equal(await first.end("SIGKILL"), "SIGKILL");
  await first.run();
  const other = await Serve.start(t, [...args(), "--take-objects"], env);
  assert.equal(await other.end("SIGTERM"), 0);
  await first.end("SIGTERM");
  await assert.rejects(first.run(), /The Durable Objects of these sessions are in/);
});

test("another token opens no object", options, async (t) => {
  const { address } = await two(t);
  const call = (/** @type {string} */ token) =>
    fetch(`http://${address}/POOL_OBJECTS`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: "{}",
    });
  assert.equal((await call("another-token-of-some-length")).status, 401);
  assert.equal((await call("")).status, 401);
});

test("without Durable Objects both machines serve a session with KV alone", options, async (t) => {
  const { origin, env, args } = await site(t);
  const eventual = ["--objects", "none", "--var", "CONSISTENCY:eventual"];
  const first = await Serve.start(t, [...args(), ...eventual], env);
  const second = await Serve.start(t, [...args(), ...eventual], env);
  const browser = new Browser(first.url);
  await patch(browser, { count: 1 });
  await until(
    async () => {
      browser.moveTo(second.url);
      await browser.fetch("/");
      return origin.received("x-session-data")[0] === '{"count":1}';
    },
    { what: "the data on the other machine" },
  );
});

test("options that lose changes on several machines are refused", options, async (t) => {
  const { env, args } = await site(t);
  const none = await Serve.toEnd(t, [...args(), "--objects", "none"], env);
  assert.equal(none.code, 78);
  assert.match(none.said, /needs CONSISTENCY=eventual/);
  const keyless = await Serve.toEnd(t, args(), { ...env, VESTIBULE_SESSION_KEYS: "" });
  assert.equal(keyless.code, 78);
  assert.match(keyless.said, /All machines need the same SESSION_KEYS/);
});

test("an unreachable store ends it with exit code 69, without its password", options, async (t) => {
  const { env, args } = await site(t);
  const url = `redis://:a-secret-password@127.0.0.1:${await freePort()}`;
  const { code, said } = await Serve.toEnd(t, args(), { ...env, VESTIBULE_KV_URL: url });
  assert.equal(code, 69);
  assert.match(said, /--kv: 127\.0\.0\.1:\d+ cannot be used/);
  assert.doesNotMatch(said, /a-secret-password/);
});
