/** Tests the stored records, and how invalid ones are handled. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { read } from "./harness/cookie.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

/**
 * Opens a visitor with a stored record, and a Worker that must read it.
 * @param {import("node:test").TestContext} t
 * @param {"strong" | "eventual"} consistency
 */
async function recorded(t, consistency = "eventual") {
  const origin = await Origin.start(t, (request, reply) => {
    if (request.url === "/store") reply.setHeader("x-session-patch", '{"secret":"hunter2-data"}');
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { CONSISTENCY: consistency },
  });
  const browser = new Browser(vestibule.url);
  await browser.fetch("/store");
  await until(() => vestibule.kv.stored.size === 1);
  const [handle] = origin.received("x-session-id");
  await vestibule.restart();
  return { origin, vestibule, browser, handle, kv: vestibule.kv };
}

test("a copy of the namespace shows no id, handle, user or data, and yields no cookie", async (t) => {
  const { kv, browser, handle } = await recorded(t);
  const { id } = read(browser.session);
  const dump = Buffer.concat(
    [...kv.stored].flatMap(([key, { value }]) => [Buffer.from(key), value]),
  );
  const secrets = [
    "hunter2-data",
    "secret",
    browser.session,
    handle,
    Buffer.from(handle, "base64url"),
    id,
    id.toString("hex"),
    id.toString("base64url"),
  ];
  for (const secret of secrets) assert.equal(dump.indexOf(secret), -1);
  assert.match(kv.only().key, /^s:default:[\w-]{43}$/);
});

test("a record's time to live is at most a minute over the session's limit", async (t) => {
  const { kv } = await recorded(t);
  const ttl = Number(kv.only().ttl);
  assert.ok(Number.isInteger(ttl) && ttl >= 60 && ttl <= 8 * 3600 + 60, String(ttl));
});

for (const [what, damage] of /** @type {[string, (value: Buffer) => Buffer][]} */ ([
  ["truncated", (value) => value.subarray(0, value.length - 1)],
  ["cut to its head", (value) => value.subarray(0, 29)],
  ["random bytes", (value) => Buffer.alloc(value.length, 0xa5)],
  ["invalid UTF-8", () => Buffer.from([1, 0xff, 0xfe, 0xc0])],
  ["empty", () => Buffer.alloc(0)],
  ["JSON null", () => Buffer.from("null")],
  ["1 MiB", () => Buffer.alloc(1024 * 1024, 1)],
  [
    "changed in one bit",
    (value) => Buffer.from(value.map((byte, at) => (at === 40 ? byte ^ 1 : byte))),
  ],
])) {
  test(`a record that is ${what} is quarantined, and the visitor starts a new session`, async (t) => {
    const { kv, browser, origin, vestibule } = await recorded(t);
    const { key, value } = kv.only();
    const damaged = damage(value);
    kv.plant(key, damaged);
    const seen = origin.requests.length;
    const response = await browser.fetch("/");
    assert.deepEqual([response.status, (await response.json()).code], [401, "session_corrupt"]);
    await until(() => kv.stored.has(`q:${key}`));
    assert.deepEqual(kv.stored.get(key)?.value, damaged, "the original is left as it was");
    assert.equal(vestibule.logged("record_unreadable").length, 1);
    assert.equal(origin.requests.length, seen);
    assert.equal((await browser.fetch("/")).status, 200);
    assert.deepEqual(origin.received("x-session-state"), ["new"]);
  });
}

test("a record damaged in KV is restored by the session's object", async (t) => {
  const { kv, browser, origin, vestibule } = await recorded(t, "strong");
  const { key, value } = kv.only();
  kv.plant(key, Buffer.alloc(value.length, 0xa5));
  assert.equal((await browser.fetch("/")).status, 200);
  assert.deepEqual(origin.received("x-session-data"), ['{"secret":"hunter2-data"}']);
  await until(() => kv.stored.get(key)?.value.equals(value), { what: "the good record" });
  await until(() => kv.stored.has(`q:${key}`));
  assert.equal(vestibule.logged("record_unreadable").length, 1);
});

test("another session's record under this one's key is not served", async (t) => {
  const { kv, browser, vestibule, origin } = await recorded(t);
  const { key } = kv.only();
  const other = new Browser(vestibule.url);
  await other.fetch("/store");
  const otherKey = await until(() => [...kv.stored.keys()].find((name) => name !== key));
  kv.plant(key, /** @type {{ value: Buffer }} */ (kv.stored.get(otherKey)).value);
  const response = await browser.fetch("/");
  assert.equal((await response.json()).code, "session_corrupt");
  assert.ok(origin.requests.length > 0);
});

test("another tenant's record is not served, although the keys are the same", async (t) => {
  const { kv, browser, vestibule, origin } = await recorded(t);
  const neighbour = await Vestibule.start(t, {
    origins: [origin.url],
    keys: vestibule.keys,
    kv,
    vars: { TENANT: "neighbour", CONSISTENCY: "eventual" },
  });
  await fetch(neighbour.url, { headers: { cookie: browser.cookie } });
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
  assert.deepEqual(origin.received("x-session-data"), []);
});

test("a record of a newer release is neither served nor overwritten until the update", async (t) => {
  const { kv, browser } = await recorded(t);
  const { key, value } = kv.only();
  const newer = Buffer.from(value);
  newer[0] = value[0] + 1;
  kv.plant(key, newer);
  const response = await browser.fetch("/");
  assert.deepEqual([response.status, (await response.json()).code], [503, "schema_newer"]);
  assert.ok(Number(response.headers.get("retry-after")) > 0);
  assert.deepEqual(response.headers.getSetCookie(), []);
  assert.deepEqual(kv.only().value, newer);
});

test("with KV alone a record of an unknown key is kept until the key is added", async (t) => {
  const { kv, browser, origin, vestibule } = await recorded(t, "eventual");
  const { key, value } = kv.only();
  const foreign = Buffer.from(value);
  foreign[1] ^= 0xff;
  kv.plant(key, foreign);
  const cookie = browser.session;
  const seen = origin.requests.length;
  for (const path of ["/", "/store"]) {
    const response = await browser.fetch(path);
    assert.deepEqual([response.status, (await response.json()).code], [503, "key_unknown"]);
    assert.ok(Number(response.headers.get("retry-after")) > 0);
    assert.deepEqual(response.headers.getSetCookie(), []);
  }
  assert.equal(origin.requests.length, seen);
  assert.deepEqual(kv.only().value, foreign);
  assert.ok(!kv.stored.has(`q:${key}`));
  assert.ok(vestibule.logged("record_key_unknown").length > 0);
  kv.plant(key, value);
  assert.equal((await browser.fetch("/")).status, 200);
  assert.deepEqual(origin.received("x-session-data"), ['{"secret":"hunter2-data"}']);
  assert.equal(browser.session, cookie);
});
test("a record of an unknown key is read from its object and not overwritten", async (t) => {
  const { kv, browser, origin } = await recorded(t, "strong");
  const { key, value } = kv.only();
  const foreign = Buffer.from(value);
  foreign[1] ^= 0xff;
  kv.plant(key, foreign);
  const cookie = browser.session;
  assert.equal((await browser.fetch("/")).status, 200);
  assert.deepEqual(origin.received("x-session-data"), ['{"secret":"hunter2-data"}']);
  assert.equal(browser.session, cookie);
  assert.deepEqual(kv.only().value, foreign);
  assert.ok(!kv.stored.has(`q:${key}`));
});

test("a new key ends no session, in any order of its rollout", async (t) => {
  const origin = await Origin.start(t, (request, reply) => {
    const patch = new URL(request.url ?? "/", "http://origin").searchParams.get("patch");
    if (patch) reply.setHeader("x-session-patch", patch);
    reply.end("ok");
  });
  const [old, next] = [freshKey(), freshKey()];
  const kv = new KvServer();
  t.after(() => kv.stop());
  const vars = { CONSISTENCY: "eventual", SESSION_CACHE: "0s" };
  const start = (/** @type {string} */ keys) =>
    Vestibule.start(t, { origins: [origin.url], keys, kv, vars });
  // The new key first at once; then as documented: appended, then moved to the front.
  const behind = await start(old);
  const ahead = await start(`${next},${old}`);
  const appended = await start(`${old},${next}`);
  let received = 0;
  for (const places of [
    [behind, ahead],
    [behind, appended, ahead],
    [ahead, appended],
  ]) {
    for (const first of places) {
      const browser = new Browser(first.url);
      await browser.fetch(`/?patch=${encodeURIComponent('{"n":0}')}`);
      await until(() => kv.count("put") > received);
      received = kv.count("put");
      for (const [at, place] of [...places, ...places].entries()) {
        browser.moveTo(place.url);
        const cookie = browser.session;
        const response = await browser.fetch("/");
        assert.ok([200, 503].includes(response.status), `${response.status} at ${at}`);
        const byTheBook = !(places.includes(behind) && places.includes(ahead));
        if (byTheBook) assert.equal(response.status, 200);
        if (response.status === 200)
          assert.deepEqual(origin.received("x-session-data"), ['{"n":0}']);
        else assert.equal(browser.session, cookie, "kept");
      }
      // The session continues wherever the key has arrived.
      browser.moveTo(places[places.length - 1].url);
      assert.equal((await browser.fetch("/")).status, 200);
      assert.deepEqual(origin.received("x-session-data"), ['{"n":0}']);
    }
  }
});
