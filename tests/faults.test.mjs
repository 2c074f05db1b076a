/** Tests failures of storage, objects and processes while visitors send requests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { amount } from "./harness/amount.mjs";
import { Browser } from "./harness/browser.mjs";
import { read } from "./harness/cookie.mjs";
import { Mood } from "./harness/mood.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {Partial<import("./harness/workerd.mjs").Options>} [options]
 */
async function deployment(t, options = {}) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], ...options });
  return { origin, vestibule, kv: vestibule.kv, browser: new Browser(vestibule.url) };
}

/** @param {unknown} value */
const patch = (value) => `/?x-session-patch=${encodeURIComponent(JSON.stringify(value))}`;

/** @param {Response} response */
async function outcome(response) {
  const text = await response.text();
  return text === "ok" ? [response.status] : [response.status, JSON.parse(text).code];
}

test("a thousand concurrent requests with one cookie cost a few reads", async (t) => {
  const { vestibule, browser, kv, origin } = await deployment(t);
  await browser.fetch(patch({ a: 1 }));
  await until(() => kv.stored.size === 1);
  const { value } = kv.only();
  await vestibule.restart();
  const before = origin.requests.length;
  const headers = { cookie: browser.cookie };
  const begun = Date.now();
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () => fetch(vestibule.url, { headers }).then(outcome)),
  );
  assert.ok(answers.every(([status]) => status === 200));
  // A request that waited 300 ms for another's read reads itself: the other may be gone.
  const most = 2 + Math.ceil((Date.now() - begun) / 300);
  assert.ok(kv.count("get") <= most, `${kv.count("get")} reads, of at most ${most}`);
  // A restart during a write loses its acknowledgement, so the object writes the same bytes
  // once more. A request's own write would be sealed again.
  assert.ok(kv.count("put") <= 2, `${kv.count("put")} writes`);
  assert.deepEqual(kv.only().value, value);
  const handles = origin.requests
    .slice(before)
    .map(({ headers }) => headers.find(([name]) => name === "x-session-id")?.[1]);
  assert.equal(new Set(handles).size, 1);
});

test("a thousand concurrent requests without a cookie store nothing", async (t) => {
  const { vestibule, kv } = await deployment(t);
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () => fetch(vestibule.url).then(outcome)),
  );
  assert.ok(answers.every(([status]) => status === 200));
  assert.equal(kv.operations.length, 0);
});

test("while objects fail, stored sessions are served and changes get 503", async (t) => {
  const mood = new Mood();
  const { vestibule, browser, kv, origin } = await deployment(t, {
    mood,
    lags: [1],
    vars: { SESSION_CACHE: "1s" },
  });
  await browser.fetch(patch({ a: 1 }));
  await until(() => kv.count("put") === 1);
  const cookie = browser.session;
  mood.sessions = "refuses";
  mood.directory = "refuses";
  await vestibule.restart();
  assert.deepEqual(await outcome(await browser.fetch("/")), [200]);
  assert.deepEqual(origin.received("x-session-data"), ['{"a":1}']);
  assert.deepEqual(origin.received("x-session-state"), ["degraded"]);
  assert.deepEqual(await outcome(await browser.fetch(patch({ b: 2 }))), [503, "store_unavailable"]);
  const logout = await browser.fetch("/_session/logout", { method: "POST" });
  assert.deepEqual(await outcome(logout), [503, "store_unavailable"]);
  assert.equal(browser.session, cookie, "the cookie is unchanged");
  mood.sessions = "fine";
  mood.directory = "fine";
  await until(async () => {
    await browser.fetch("/");
    return origin.received("x-session-state")[0] === "active";
  });
  assert.deepEqual(await outcome(await browser.fetch(patch({ b: 2 }))), [200]);
});

test("an object applies a change once although its responses are lost", async (t) => {
  const mood = new Mood();
  const { browser, origin } = await deployment(t, { mood, lags: [1] });
  await browser.fetch(patch({ list: "first" }));
  mood.sessions = "loses answers";
  const change = browser.fetch(patch({ list: "second" }));
  await pause(50);
  mood.sessions = "fine";
  assert.deepEqual(await outcome(await change), [200]);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"list":"second"}']);
  assert.equal(read(browser.session).leastVersion, 2);
});

test("hanging objects delay reads by at most their deadline", async (t) => {
  const mood = new Mood();
  const { browser, kv, vestibule, origin } = await deployment(t, { mood, lags: [1] });
  await browser.fetch(patch({ a: 1 }));
  await until(() => kv.count("put") === 1);
  mood.directory = "hangs";
  mood.sessions = "hangs";
  await vestibule.restart();
  assert.deepEqual(await outcome(await browser.fetch("/")), [200]);
  assert.deepEqual(origin.received("x-session-state"), ["degraded"]);
});

test("requests that wait for an object survive the death of the instance", async (t) => {
  const mood = new Mood();
  const { vestibule, browser, origin } = await deployment(t, { mood });
  await browser.fetch(patch({ a: 1 }));
  await until(() => mood.directoryCalls === 1);
  const ended = browser.cookie;
  // A sign-out waits until the tenant's object has recorded it.
  mood.directory = "hangs";
  const leaving = browser.fetch("/_session/logout", { method: "POST" });
  await until(() => mood.directoryCalls > 1);
  mood.directory = "fine";
  mood.sessions = "traps";
  const other = new Browser(vestibule.url);
  assert.deepEqual(await outcome(await other.fetch(patch({ b: 2 }))), [200]);
  assert.equal(mood.sessions, "fine", "an instance died");
  assert.equal((await leaving).status, 204);
  assert.equal((await fetch(vestibule.url, { headers: { cookie: ended } })).status, 401);
  await other.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"b":2}']);
});

test("a session missing from the list is still ended", async (t) => {
  const mood = new Mood();
  const { browser, vestibule } = await deployment(t, {
    mood,
    lags: [1],
    vars: { SESSION_CACHE: "1s" },
  });
  const signIn = `/?x-session-identify=${encodeURIComponent('{"user":"u1"}')}`;
  const other = new Browser(vestibule.url);
  await other.fetch(signIn);
  // The sign-in is stored, but never listed: the tenant's object is called later and refuses then.
  const first = browser.fetch(signIn);
  await first;
  mood.directory = "refuses";
  await browser.fetch("/?x-session-rotate=1");
  mood.directory = "fine";
  const everywhere = await other.fetch("/_session/logout", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"everywhere":true}',
  });
  assert.equal(everywhere.status, 204);
  await until(async () => {
    const headers = { cookie: browser.cookie };
    return (await fetch(vestibule.url, { headers })).status === 401;
  });
});

test("a failing namespace is not read while the circuit breaker is open", async (t) => {
  const { browser, kv, vestibule } = await deployment(t);
  const others = Array.from({ length: 30 }, () => new Browser(vestibule.url));
  for (const other of others) await other.fetch(patch({ a: 1 }));
  await until(() => kv.stored.size === 30);
  kv.mood.get = "hang";
  await vestibule.restart();
  for (const other of others) assert.deepEqual(await outcome(await other.fetch("/")), [200]);
  assert.ok(kv.count("get") < 15, `${kv.count("get")} reads`);
  assert.equal(browser.session, "");
});

test("sessions survive a key rotation, and only sessions unused since need the retired key", async (t) => {
  const [first, second] = [freshKey(), freshKey()];
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], keys: first });
  const active = new Browser(vestibule.url);
  const idle = new Browser(vestibule.url);
  await active.fetch(patch({ a: 1 }));
  await idle.fetch(patch({ b: 1 }));
  vestibule.keys = `${second},${first}`;
  await vestibule.restart();
  const before = active.session;
  await active.fetch(patch({ a: 2 }));
  assert.notEqual(active.session, before, "signed again");
  vestibule.keys = second;
  await vestibule.restart();
  assert.deepEqual(await outcome(await active.fetch("/")), [200]);
  assert.deepEqual(origin.received("x-session-data"), ['{"a":2}']);
  // The key may be new and unknown here: for an hour that ends no session.
  assert.deepEqual(await outcome(await idle.fetch("/")), [503, "key_unknown"]);
});

const KILLS = amount({ usual: 60, long: 200 });

test(`a Worker killed ${KILLS} times while writing loses no acknowledged change`, async (t) => {
  const { browser, vestibule, kv, origin } = await deployment(t);
  let random = 1;
  const below = (/** @type {number} */ limit) => {
    random = (random * 48_271) % 2_147_483_647;
    return random % limit;
  };
  await browser.fetch(patch({ begun: true }));
  /** @type {Record<string, number>} */
  const kept = {};
  for (let seed = 0; seed < KILLS; seed += 1) {
    kv.putDelay = below(2) * below(60);
    const work = Array.from({ length: 4 }, async (_, worker) => {
      const name = `w${worker}`;
      for (let number = 1; number <= 4; number += 1) {
        const value = seed * 10 + number;
        const isKept = await browser
          .fetch(patch({ [name]: value }))
          .then(async (response) => response.status === 200 && (await response.text()) === "ok")
          .catch(() => false);
        if (!isKept) return;
        kept[name] = value;
      }
    });
    const dies = pause(below(40)).then(() => vestibule.kill());
    await Promise.all([...work, dies]);
    await vestibule.restart();
    assert.deepEqual(await outcome(await browser.fetch("/")), [200], `seed ${seed}`);
    const data = JSON.parse(origin.received("x-session-data")[0]);
    assert.equal(data.begun, true);
    for (const [name, value] of Object.entries(kept)) {
      // One more change may have been applied, with its response lost.
      assert.ok(
        data[name] >= value,
        `seed ${seed}: ${name} is ${data[name]}, acknowledged ${value}`,
      );
    }
  }
  assert.equal(vestibule.logged("record_unreadable").length, 0);
});
