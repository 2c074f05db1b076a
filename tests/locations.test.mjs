/**
 * Tests one deployment in several locations, each with its own delayed view of the namespace.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { amount } from "./harness/amount.mjs";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** Later than any test lasts. */
const NEVER = 3_600_000;

/** Longer than a busy machine stalls, and far shorter than a session lives. In milliseconds. */
const SOON_MS = 10_000;

const ADMIN = "an-admin-token-for-tests";
const ORIGIN_KEY = "an-origin-key-for-tests";

/** Starts an origin that responds with the query's headers, and keeps `/events` open. */
/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 * @param {number[]} [lags]
 */
async function locations(t, vars = {}, lags = [0, NEVER]) {
  const origin = await Origin.start(t, (request, reply) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    if (pathname !== "/events") return void reply.end("ok");
    reply.setHeader("content-type", "text/event-stream");
    reply.write("data: first\n\n");
  });
  const settings = { ADMIN_TOKEN: ADMIN, ORIGIN_KEY, ...vars };
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars: settings, lags });
  const [here, there] = vestibule.urls;
  return { origin, vestibule, here, there, kv: vestibule.kv, browser: new Browser(here) };
}

/** @param {unknown} value */
const patch = (value) => `/?x-session-patch=${encodeURIComponent(JSON.stringify(value))}`;

/** @param {string} user */
const signIn = (user) =>
  `/?x-session-identify=${encodeURIComponent(JSON.stringify({ user, groups: ["staff"] }))}`;

/**
 * @param {string} url
 * @param {Browser} browser
 */
async function status(url, browser) {
  const response = await fetch(url, { headers: { cookie: browser.cookie } });
  await response.body?.cancel();
  return response.status;
}

test("a browser sees data stored in one location at once in the other", async (t) => {
  const { browser, origin, there } = await locations(t);
  await browser.fetch(patch({ a: 1 }));
  browser.moveTo(there);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"a":1}']);
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  await browser.fetch(patch({ b: 2 }));
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"a":1,"b":2}']);
});

test("with KV alone a location with stale data reports it as degraded", async (t) => {
  const { browser, origin, there, kv } = await locations(t, { CONSISTENCY: "eventual" });
  await browser.fetch(patch({ a: 1 }));
  await until(() => kv.count("put") === 1);
  browser.moveTo(there);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-state"), ["degraded"]);
});

const CHANGES = amount({ usual: 2_000, long: 10_000 });

test(`${CHANGES} concurrent changes from two locations are all kept`, async (t) => {
  const { browser, here, there, kv, vestibule } = await locations(t);
  await browser.fetch(patch({ first: 1 }));
  const tabs = [here, there].map((url) => {
    const tab = new Browser(url);
    tab.jar.set("vestibule-session", browser.session);
    return tab;
  });
  let next = 0;
  const work = async (/** @type {number} */ worker) => {
    const tab = tabs[worker % 2];
    while (next < CHANGES) {
      const number = next;
      next += 1;
      // A few names keep the data small; each name's last number is compared.
      const value = { [`w${worker}`]: { [`n${number % 50}`]: number } };
      const response = await tab.fetch(patch(value));
      assert.equal(response.status, 200, await response.text());
      expected[worker][`n${number % 50}`] = number;
    }
  };
  /** @type {Record<string, number>[]} */
  const expected = Array.from({ length: 20 }, () => ({}));
  await Promise.all(expected.map((_, worker) => work(worker)));
  // A tab's cookie is that of the last response, so the session itself is read.
  const { handle } = await tabs[0].json("/_session/me");
  const headers = { authorization: `Bearer ${ORIGIN_KEY}` };
  const session = await fetch(`${here}/_session/api/sessions/${handle}`, { headers });
  const { data } = await session.json();
  for (const [worker, own] of expected.entries()) assert.deepEqual(data[`w${worker}`], own);
  const key = [...kv.stored.keys()].find((name) => name.startsWith("s:"));
  const puts = kv.operations.filter((one) => one.op === "put" && one.key === key);
  for (const [at, put] of puts.entries()) {
    assert.ok(at === 0 || put.at - puts[at - 1].at >= 990, "once a second at most");
  }
  assert.equal(vestibule.logged("session_change_lost").length, 0);
});

test("signing out in one location ends the session in the other within the cache period", async (t) => {
  const { browser, there } = await locations(t, { SESSION_CACHE: "2s" });
  await browser.fetch(patch({ a: 1 }));
  const stolen = new Browser(there);
  stolen.jar.set("vestibule-session", browser.session);
  assert.equal(await status(there, stolen), 200);
  await browser.fetch("/_session/logout", { method: "POST" });
  const at = Date.now();
  await until(async () => (await status(there, stolen)) === 401);
  assert.ok(Date.now() - at <= SOON_MS, `${Date.now() - at} ms`);
});

test("signing out everywhere ends the sessions on all devices, and no others", async (t) => {
  const { here, there } = await locations(t, { SESSION_CACHE: "1s" });
  const devices = [here, there, there].map((url) => new Browser(url));
  const other = new Browser(there);
  for (const device of devices) await device.fetch(signIn("u1"));
  await other.fetch(signIn("u2"));
  const list = await devices[0].json("/_session/sessions");
  assert.equal(list.sessions.length, 3);
  const response = await devices[0].fetch("/_session/logout", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"everywhere":true}',
  });
  assert.equal(response.status, 204);
  for (const device of devices.slice(1)) {
    await until(async () => (await status(there, device)) === 401);
    await until(async () => (await status(here, device)) === 401);
  }
  assert.equal(await status(here, other), 200);
  // A new sign-in is valid.
  const again = new Browser(there);
  await again.fetch(signIn("u1"));
  assert.equal((await again.json("/_session/me")).user, "u1");
});

test("an operator lists a tenant's sessions by user, page by page, and ends one", async (t) => {
  const { here, vestibule } = await locations(t, { SESSION_CACHE: "1s" });
  const headers = { authorization: `Bearer ${ADMIN}` };
  const ask = async (/** @type {string} */ path, method = "GET") =>
    fetch(`${here}/_session/admin/${path}`, { method, headers });
  const browsers = Array.from({ length: 5 }, () => new Browser(here));
  for (const [at, browser] of browsers.entries()) await browser.fetch(signIn(at < 3 ? "u1" : "u2"));
  await until(async () => (await (await ask("sessions")).json()).sessions.length === 5);
  const first = await (await ask("sessions?user=u1&limit=2")).json();
  assert.equal(first.sessions.length, 2);
  const second = await (await ask(`sessions?user=u1&limit=2&after=${first.next}`)).json();
  assert.deepEqual([second.sessions.length, second.next], [1, null]);
  const [{ handle, user, device, browser, path }] = second.sessions;
  assert.deepEqual([user, device, browser, path], ["u1", "other", "Node.js", "/"]);
  assert.equal((await ask(`sessions/${handle}`, "DELETE")).status, 204);
  await until(async () => (await (await ask("sessions?user=u1")).json()).sessions.length === 2);
  for (const query of ["?limit=0", "?limit=-1", "?limit=1000000000", "?x=1", "?user=a&user=b"]) {
    assert.equal((await ask(`sessions${query}`)).status, 422, query);
  }
  const anybody = await fetch(`${here}/_session/admin/sessions`);
  assert.deepEqual([anybody.status, (await anybody.json()).code], [401, "api_key"]);
  assert.ok(vestibule.logged("audit_session_ended").length === 1);
});

test("an unavailable list is no empty one, and a very long list is cut off", async (t) => {
  const { here, kv, vestibule } = await locations(t, { CONSISTENCY: "eventual" }, [0]);
  const headers = { authorization: `Bearer ${ADMIN}` };
  const ask = () => fetch(`${here}/_session/admin/sessions`, { headers });
  kv.mood.get = 500;
  const failed = await ask();
  assert.deepEqual([failed.status, (await failed.json()).code], [502, "list_unavailable"]);
  kv.mood.get = "fine";
  assert.deepEqual(await (await ask()).json(), { sessions: [], next: null });
  kv.endless = true;
  assert.equal((await ask()).status, 200);
  await until(() => vestibule.logged("store_list_cut").length > 0);
});

test("the oldest session over the limit ends in every location", async (t) => {
  const { here, there } = await locations(t, { SESSION_CACHE: "1s", MAX_PER_USER: "2" });
  const devices = [here, there, here].map((url) => new Browser(url));
  for (const device of devices) {
    await device.fetch(signIn("u1"));
    await until(async () =>
      (await device.json("/_session/sessions")).sessions.some(
        (/** @type {any} */ one) => one.current,
      ),
    );
  }
  await until(async () => (await status(there, devices[0])) === 401);
  assert.equal(await status(here, devices[1]), 200);
  assert.equal(await status(here, devices[2]), 200);
});

test("an origin changes a session by the API only at the version it has read", async (t) => {
  const { browser, origin, here } = await locations(t);
  await browser.fetch(patch({ a: 1 }));
  await browser.fetch("/");
  const url = `${here}/_session/api/sessions/${origin.received("x-session-id")[0]}`;
  const headers = { authorization: `Bearer ${ORIGIN_KEY}`, "content-type": "application/json" };
  const read = await fetch(url, { headers });
  const etag = read.headers.get("etag") ?? "";
  assert.deepEqual((await read.json()).data, { a: 1 });
  const body = '{"patch":{"b":2}}';
  const change = () =>
    fetch(url, { method: "PATCH", headers: { ...headers, "if-match": etag }, body });
  assert.equal((await change()).status, 200);
  assert.equal((await change()).status, 412);
  const large = `{"patch":{"a":"${"x".repeat(70_000)}"}}`;
  const tooLarge = await fetch(url, { method: "PATCH", headers, body: large });
  assert.deepEqual([tooLarge.status, (await tooLarge.json()).code], [413, "body_too_large"]);
  assert.equal((await fetch(url, { headers, method: "DELETE" })).status, 204);
  assert.equal((await fetch(url, { headers })).status, 404);
});

test("a revocable WebSocket is closed with 4401 soon after its session is over", async (t) => {
  const { browser, origin, there } = await locations(t, {
    SESSION_CACHE: "2s",
    STREAMS: "revocable",
  });
  const sockets = new WebSocketServer({ server: origin.server });
  sockets.on("connection", (socket) =>
    socket.on("message", (data, b) => socket.send(data, { binary: b })),
  );
  await browser.fetch(patch({ a: 1 }));
  const socket = new WebSocket(`${there.replace("http", "ws")}/ws`, {
    origin: there,
    headers: { cookie: browser.cookie },
  });
  t.after(() => socket.terminate());
  await once(socket, "open");
  socket.send("text");
  assert.equal(String((await once(socket, "message"))[0]), "text");
  socket.send(Buffer.from([0, 255]));
  assert.deepEqual((await once(socket, "message"))[0], Buffer.from([0, 255]));
  const closed = once(socket, "close");
  await browser.fetch("/_session/logout", { method: "POST" });
  const at = Date.now();
  const [code, reason] = await closed;
  assert.deepEqual([code, String(reason)], [4401, "session_ended"]);
  assert.ok(Date.now() - at <= SOON_MS, `${Date.now() - at} ms`);
});

test("a revocable event stream ends with an event soon after its session is over", async (t) => {
  const { browser, there } = await locations(t, { SESSION_CACHE: "2s", STREAMS: "revocable" });
  await browser.fetch(patch({ a: 1 }));
  const stream = await fetch(`${there}/events`, { headers: { cookie: browser.cookie } });
  const text = stream.text();
  await browser.fetch("/_session/logout", { method: "POST" });
  const at = Date.now();
  assert.equal(await text, 'data: first\n\n\n\nevent: session\ndata: {"code":"session_ended"}\n\n');
  assert.ok(Date.now() - at <= SOON_MS, `${Date.now() - at} ms`);
});
