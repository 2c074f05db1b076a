/** Tests a session's life, as seen by the visitor and the origin. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { mint, read } from "./harness/cookie.mjs";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** Starts an origin that responds with the query's headers: `/?x-session-ttl=600`. */
/** @param {import("node:test").TestContext} t */
async function deployment(t, vars = {}) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  const browser = new Browser(vestibule.url);
  const patch = (/** @type {unknown} */ value) =>
    browser.fetch(`/?x-session-patch=${encodeURIComponent(JSON.stringify(value))}`);
  const stored = () => until(() => vestibule.kv.stored.size > 0, { what: "a record" });
  return { origin, vestibule, browser, patch, stored, kv: vestibule.kv };
}

/** With KV alone. */
const EVENTUAL = { CONSISTENCY: "eventual" };

const now = () => Math.floor(Date.now() / 1000);

test("a guest costs no storage operation over many requests", async (t) => {
  const { browser, origin, kv } = await deployment(t);
  for (let visit = 0; visit < 20; visit += 1) await browser.fetch("/");
  const handles = new Set(
    origin.requests.map(({ headers }) => headers.find(([name]) => name === "x-session-id")?.[1]),
  );
  assert.equal(handles.size, 1);
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  assert.equal(kv.operations.length, 0);
});

test("the origin receives id, user, creation and expiry", async (t) => {
  const { browser, origin } = await deployment(t, { SESSION_IDLE: "30m", TENANT: "acme" });
  await browser.fetch("/");
  assert.match(origin.received("x-session-id")[0], /^[\w-]{22}$/);
  assert.deepEqual(origin.received("x-session-tenant"), ["acme"]);
  const created = Number(origin.received("x-session-created")[0]);
  assert.ok(Math.abs(created - now()) <= 5);
  assert.equal(Number(origin.received("x-session-expires")[0]) - created, 1800);
  assert.deepEqual(origin.received("x-session-data"), []);
});

test("data that an origin stores is sent with the next request, and after a crash", async (t) => {
  const { browser, origin, patch, stored, vestibule } = await deployment(t);
  const response = await patch({ name: "Zoë", deep: { a: 1 } });
  assert.equal(response.headers.get("x-session-patch"), null);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"deep":{"a":1},"name":"Zo\\u00eb"}']);
  await stored();
  await vestibule.restart();
  await browser.fetch("/");
  assert.equal(origin.requests.length, 3);
  assert.deepEqual(origin.received("x-session-data"), ['{"deep":{"a":1},"name":"Zo\\u00eb"}']);
});

test("patches are merged, and null removes a member", async (t) => {
  const { browser, patch } = await deployment(t);
  await patch({ a: 1, b: { c: 2, d: 3 } });
  await patch({ a: null, b: { c: 4 } });
  assert.deepEqual((await browser.json("/_session/me")).data, { b: { c: 4, d: 3 } });
});

test("numbers in session data keep every digit", async (t) => {
  const { browser, origin } = await deployment(t);
  const numbers = [
    "98381618192.96875",
    "0.1",
    "5e-324",
    "9007199254740993",
    "-0.30000000000000004",
  ];
  for (const [at, number] of numbers.entries()) {
    await browser.fetch(`/?x-session-patch=${encodeURIComponent(`{"n${at}":${number}}`)}`);
  }
  await browser.fetch("/");
  const received = numbers.map((number, at) => `"n${at}":${number}`);
  assert.deepEqual(origin.received("x-session-data"), [`{${received.join(",")}}`]);
});

test("patches of concurrent responses are all kept", async (t) => {
  const { browser, patch, vestibule, kv } = await deployment(t);
  await browser.fetch("/");
  await Promise.all(Array.from({ length: 40 }, (_, at) => patch({ [`k${at}`]: at })));
  assert.equal(Object.keys((await browser.json("/_session/me")).data).length, 40);
  const puts = kv.count("put");
  assert.ok(puts < 40, `${puts} writes for 40 patches`);
  const elsewhere = await Vestibule.start(t, {
    keys: vestibule.keys,
    kv,
    vars: { ...EVENTUAL, SESSION_CACHE: "0s" },
  });
  const reader = new Browser(elsewhere.url);
  reader.jar.set("vestibule-session", browser.session);
  await until(async () => Object.keys((await reader.json("/_session/me")).data).length === 40);
});

test("one key is never written twice within a second", async (t) => {
  const { patch, kv } = await deployment(t);
  for (let at = 0; at < 30; at += 1) await patch({ at });
  await until(() => kv.count("put") >= 2);
  const times = kv.operations.filter(({ op }) => op === "put").map(({ at }) => at);
  for (const [index, at] of times.entries()) {
    if (index > 0) assert.ok(at - times[index - 1] >= 990, `${at - times[index - 1]} ms apart`);
  }
});

test("data too large for a header is omitted, and a header reports that", async (t) => {
  const { browser, origin, patch } = await deployment(t, { MAX_DATA: "20" });
  await patch({ text: "x".repeat(30) });
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), []);
  assert.deepEqual(origin.received("x-session-data-omitted"), ["size"]);
});

/** Headers of Chrome for a page. */
const OF_A_BROWSER = {
  accept:
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
  "accept-encoding": "gzip, deflate, br, zstd",
  "accept-language": "en-GB,en-US;q=0.9,en;q=0.8,de-AT;q=0.7,de;q=0.6",
  "cache-control": "max-age=0",
  priority: "u=0, i",
  referer: "https://chat.example.com/project/thread/4d2f0e0c-4d2f-4d2f-4d2f-4d2f0e0c4d2f",
  "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
  "sec-ch-ua-mobile": "?0",
  "sec-ch-ua-platform": '"Windows"',
  "sec-fetch-dest": "document",
  "sec-fetch-mode": "navigate",
  "sec-fetch-site": "same-origin",
  "sec-fetch-user": "?1",
  "upgrade-insecure-requests": "1",
  "user-agent":
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
};

/** Bytes that uWSGI and Cloudflare add to a request's headers: request line and address; CF-Ray and others. */
const BESIDE_HEADERS = 350 + 300;

test("data up to the default limit fits uWSGI's header limit, and larger data is omitted", async (t) => {
  const { browser, origin, patch } = await deployment(t);
  const alice = {
    user: "alice@example.com",
    email: "alice@example.com",
    name: "Alice Example",
    groups: ["engineering", "support", "administrators"],
  };
  await browser.fetch(`/?x-session-identify=${encodeURIComponent(JSON.stringify(alice))}`);
  await patch({ text: "x".repeat(1024 - '{"text":""}'.length) });
  browser.jar.set("csrftoken", "4d2f0e0c4d2f0e0c4d2f0e0c4d2f0e0c");
  await browser.fetch("/", { headers: OF_A_BROWSER });
  assert.deepEqual(origin.received("x-session-data")[0].length, 1024);
  assert.deepEqual(origin.received("x-session-user"), ["alice@example.com"]);
  // uWSGI counts names and values as CGI variables, and four bytes more for each.
  const headers = origin.requests.at(-1)?.headers ?? [];
  const sizes = headers.map(([name, value]) => `HTTP_${name}`.length + value.length + 4);
  const size = sizes.reduce((sum, bytes) => sum + bytes, BESIDE_HEADERS);
  assert.ok(size <= 4_096, `${size} bytes`);
  await patch({ text: "x".repeat(1024) });
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), []);
  assert.deepEqual(origin.received("x-session-data-omitted"), ["size"]);
});

for (const [what, query] of [
  ["a patch that is not JSON", "x-session-patch=%7Bnope"],
  ["a patch that is not an object", "x-session-patch=%5B1%5D"],
  ["a negative idle limit", "x-session-ttl=-5"],
  ["an idle limit below the minimum", "x-session-ttl=5"],
  ["an idle limit above the maximum", "x-session-ttl=99999999"],
  ["a rotation that is not 1", "x-session-rotate=yes"],
]) {
  test(`an invalid control header changes nothing, and the response arrives: ${what}`, async (t) => {
    const { browser, kv, vestibule } = await deployment(t);
    await browser.fetch("/");
    const before = browser.session;
    const response = await browser.fetch(`/?${query}`);
    assert.equal(await response.text(), "ok");
    assert.ok([...response.headers.keys()].every((name) => !name.startsWith("x-session-")));
    assert.equal(browser.session, before);
    await until(() => vestibule.logged("control_ignored").length === 1);
    assert.equal(kv.operations.length, 0);
  });
}

test("an origin can set a session's idle limit", async (t) => {
  const { browser, origin, stored, kv } = await deployment(t);
  await browser.fetch("/?x-session-ttl=600");
  await browser.fetch("/");
  const left = Number(origin.received("x-session-expires")[0]) - now();
  assert.ok(left > 590 && left <= 600, String(left));
  await stored();
  assert.ok(Number(kv.only().ttl) <= 660);
});

test("a rotation gives a new cookie and keeps handle, data and origin", async (t) => {
  const { browser, origin, patch } = await deployment(t);
  await patch({ a: 1 });
  const before = read(browser.session);
  const [handle] = origin.received("x-session-id");
  await browser.fetch("/?x-session-rotate=1");
  assert.notDeepEqual(read(browser.session).id, before.id);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-id"), [handle]);
  assert.deepEqual(origin.received("x-session-data"), ['{"a":1}']);
});

test("concurrent rotations yield one new id, and the old cookie stays valid for a while", async (t) => {
  const { browser, patch, vestibule, origin } = await deployment(t);
  await patch({ a: 1 });
  const old = browser.session;
  const ids = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const tab = new Browser(vestibule.url);
      tab.jar.set("vestibule-session", old);
      await tab.fetch("/?x-session-rotate=1");
      return read(tab.session).id.toString("hex");
    }),
  );
  assert.equal(new Set(ids).size, 1);
  const late = new Browser(vestibule.url);
  late.jar.set("vestibule-session", old);
  await late.fetch("/");
  assert.equal(read(late.session).id.toString("hex"), ids[0]);
  assert.deepEqual(origin.received("x-session-data"), ['{"a":1}']);
});

test("an origin can end a session, and its cookie is rejected afterwards", async (t) => {
  const { browser, patch, vestibule, origin } = await deployment(t);
  await patch({ a: 1 });
  const old = browser.session;
  const response = await browser.fetch("/?x-session-destroy=1");
  assert.deepEqual(response.headers.getSetCookie(), [
    "vestibule-session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0",
  ]);
  const seen = origin.requests.length;
  for (const again of ["at once", "after a crash"]) {
    const replay = await fetch(vestibule.url, { headers: { cookie: `vestibule-session=${old}` } });
    assert.deepEqual([replay.status, (await replay.json()).code], [401, "session_ended"], again);
    assert.match(replay.headers.getSetCookie()[0], /Max-Age=0/);
    await until(() => vestibule.logged("dead_session_presented").length > 0);
    await vestibule.restart();
  }
  assert.equal(origin.requests.length, seen);
});

test("a sign-out ends the stored session, and the next visit starts a new one", async (t) => {
  const { browser, patch, origin, kv } = await deployment(t, EVENTUAL);
  await patch({ a: 1 });
  await until(() => kv.count("put") === 1);
  const response = await browser.fetch("/_session/logout", { method: "POST" });
  assert.equal(response.status, 204);
  assert.equal(kv.count("put"), 2);
  assert.equal(browser.session, "");
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
  assert.deepEqual(origin.received("x-session-data"), []);
});

test("a sign-out is not confirmed while storage fails", async (t) => {
  const { browser, patch, kv, stored } = await deployment(t, EVENTUAL);
  await patch({ a: 1 });
  await stored();
  kv.mood.put = 500;
  const response = await browser.fetch("/_session/logout", { method: "POST" });
  assert.equal(response.status, 503);
  assert.deepEqual(response.headers.getSetCookie(), []);
});

test("a retried write does not overwrite a newer one", async (t) => {
  const { browser, patch, kv, vestibule } = await deployment(t, EVENTUAL);
  kv.mood.put = 500;
  await patch({ a: 1 });
  await until(() => kv.count("put") === 1);
  await patch({ a: 2 });
  kv.mood.put = "fine";
  const elsewhere = await Vestibule.start(t, {
    keys: vestibule.keys,
    kv,
    vars: { ...EVENTUAL, SESSION_CACHE: "0s" },
  });
  const reader = new Browser(elsewhere.url);
  reader.jar.set("vestibule-session", browser.session);
  const seen = async () => (await reader.json("/_session/me")).data;
  await until(async () => (await seen())?.a === 2);
  // A second attempt of the first write would have come by now.
  await until(() => Date.now() > kv.operations[0].at + 2_500);
  assert.deepEqual(await seen(), { a: 2 });
});

test("a write that fails finally is logged", async (t) => {
  const { patch, kv, vestibule } = await deployment(t, EVENTUAL);
  kv.mood.put = 503;
  await patch({ a: 1 });
  await until(() => vestibule.logged("store_write_lost").length === 1);
  assert.equal(vestibule.logged("store_write_failed").length, 3);
});

test("a sign-out from another site's page is refused", async (t) => {
  const { browser, patch } = await deployment(t);
  await patch({ a: 1 });
  const headers = { origin: "https://evil.example" };
  const response = await browser.fetch("/_session/logout", { method: "POST", headers });
  assert.deepEqual([response.status, (await response.json()).code], [403, "csrf"]);
  assert.deepEqual((await browser.json("/_session/me")).data, { a: 1 });
});

test("a stored session past its idle limit has expired", async (t) => {
  const { browser, patch, vestibule, stored } = await deployment(t, { SESSION_IDLE: "1s" });
  await patch({ a: 1 });
  await stored();
  const answer = await until(async () => {
    const response = await fetch(vestibule.url, { headers: { cookie: browser.cookie } });
    return response.status === 401 && response;
  });
  assert.equal((await answer.json()).code, "session_expired");
  assert.match(answer.headers.getSetCookie()[0], /Max-Age=0/);
});

test("a guest past a limit becomes a new guest", async (t) => {
  const { vestibule, origin } = await deployment(t, {
    SESSION_IDLE: "30m",
    SESSION_ABSOLUTE: "12h",
  });
  for (const [created, issued, state] of /** @type {[number, number, string][]} */ ([
    [now() - 1700, now() - 1700, "active"],
    [now() - 1900, now() - 1900, "new"],
    [now() - 13 * 3600, now() - 60, "new"],
  ])) {
    const cookie = `vestibule-session=${mint({ key: vestibule.keys, created, issued })}`;
    await fetch(vestibule.url, { headers: { cookie } });
    assert.deepEqual(origin.received("x-session-state"), [state]);
  }
});

test("an active guest gets a renewed cookie at most once per interval", async (t) => {
  const { vestibule } = await deployment(t, { SESSION_IDLE: "30m" });
  const browser = new Browser(vestibule.url);
  const issued = now() - 400;
  browser.jar.set("vestibule-session", mint({ key: vestibule.keys, created: issued, issued }));
  const first = await browser.fetch("/");
  assert.equal(first.headers.getSetCookie().length, 1);
  assert.ok(read(browser.session).issued > issued);
  const second = await browser.fetch("/");
  assert.equal(second.headers.getSetCookie().length, 0);
});

test("a session missing from storage is rejected, not recreated", async (t) => {
  const { vestibule, origin } = await deployment(t);
  const cookie = `vestibule-session=${mint({ key: vestibule.keys, leastVersion: 1, created: now() - 300, issued: now() - 300 })}`;
  const call = await fetch(vestibule.url, { headers: { cookie } });
  assert.deepEqual([call.status, (await call.json()).code], [401, "session_unknown"]);
  assert.match(call.headers.getSetCookie()[0], /^vestibule-session=; .*Max-Age=0$/);
  assert.equal(origin.requests.length, 0);
  const lines = [`Cookie: ${cookie}`, "Sec-Fetch-Mode: navigate"];
  const page = await send(vestibule.port, { host: "localhost", lines });
  assert.equal(page.status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
  assert.equal(vestibule.kv.count("put"), 0);
});

test("a thousand requests with one cookie in a minute cost one read", async (t) => {
  const { browser, patch, vestibule, kv, stored } = await deployment(t, { SESSION_CACHE: "60s" });
  await patch({ a: 1 });
  await stored();
  const { value } = kv.only();
  await vestibule.restart();
  await browser.fetch("/");
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(Array.from({ length: 100 }, () => browser.fetch("/")));
  }
  assert.equal(kv.count("get"), 1);
  // A restart during a write loses its acknowledgement, so the object writes the same bytes
  // once more. A request's own write would be sealed again.
  assert.ok(kv.count("put") <= 2, `${kv.count("put")} writes`);
  assert.deepEqual(kv.only().value, value);
});

test("failing storage ends no session and clears no cookie", async (t) => {
  const { browser, patch, vestibule, kv, stored, origin } = await deployment(t, EVENTUAL);
  await patch({ a: 1 });
  await stored();
  for (const mood of /** @type {const} */ ([500, 503, 429, "reset", "hang"])) {
    kv.mood.get = mood;
    await vestibule.restart();
    const response = await browser.fetch("/");
    assert.deepEqual(
      [response.status, (await response.json()).code],
      [503, "store_unavailable"],
      String(mood),
    );
    assert.deepEqual(response.headers.getSetCookie(), []);
  }
  kv.mood.get = "fine";
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"a":1}']);
});

test("failing KV goes unnoticed while the session's object responds", async (t) => {
  const { browser, patch, vestibule, kv, stored, origin } = await deployment(t);
  await patch({ a: 1 });
  await stored();
  for (const mood of /** @type {const} */ ([500, 503, 429, "reset", "hang"])) {
    kv.mood.get = mood;
    await vestibule.restart();
    assert.equal((await browser.fetch("/")).status, 200, String(mood));
    assert.deepEqual(origin.received("x-session-data"), ['{"a":1}']);
    assert.deepEqual(origin.received("x-session-state"), ["active"]);
  }
});

test("a refused KV write is retried", async (t) => {
  const { browser, patch, kv, stored } = await deployment(t);
  kv.mood.put = 503;
  await patch({ a: 1 });
  await until(() => kv.count("put") > 0);
  assert.deepEqual((await browser.json("/_session/me")).data, { a: 1 });
  kv.mood.put = "fine";
  await stored();
});

test("the liveness check needs no storage, and the readiness check does", async (t) => {
  const { vestibule, kv } = await deployment(t);
  const ask = async (/** @type {string} */ path) =>
    (await fetch(`${vestibule.url}/_session/${path}`)).status;
  assert.equal(kv.operations.length, 0);
  assert.deepEqual([await ask("healthz"), await ask("readyz")], [200, 200]);
  assert.equal(kv.count("get"), 1);
  kv.mood.get = 500;
  assert.deepEqual([await ask("healthz"), await ask("readyz")], [200, 503]);
});

test("a visitor can read its own session", async (t) => {
  const { browser, patch, origin } = await deployment(t, {
    SESSION_IDLE: "30m",
    SESSION_ABSOLUTE: "12h",
  });
  await patch({ a: 1 });
  const me = await browser.json("/_session/me");
  assert.equal(me.handle, origin.received("x-session-id")[0]);
  assert.deepEqual([me.tenant, me.state, me.user, me.stored], ["default", "active", null, true]);
  assert.deepEqual(me.data, { a: 1 });
  assert.equal(me.idle_seconds_left, 1800);
  assert.ok(me.absolute_seconds_left > 43_100 && me.absolute_seconds_left <= 43_200);
});
