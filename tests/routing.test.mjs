/** Tests which origin a visitor gets, and how the session moves when it is down. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {number} count
 */
async function deployment(t, count, vars = {}) {
  const origins = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const origin = await Origin.start(t, (request, reply) => {
        if (request.url === "/store") reply.setHeader("x-session-patch", '{"kept":1}');
        reply.end(String(at));
      });
      return origin;
    }),
  );
  const vestibule = await Vestibule.start(t, {
    origins: origins.map((origin, at) => `o${at}=${origin.url}`),
    vars,
  });
  const visitor = () => new Browser(vestibule.url);
  return { origins, vestibule, visitor };
}

/** @param {Browser} browser */
async function place(browser, init = {}) {
  const response = await browser.fetch("/", init);
  return Number(await response.text());
}

test("a visitor stays at one origin for all paths", async (t) => {
  const { visitor } = await deployment(t, 3);
  const browser = visitor();
  const home = await place(browser);
  for (let visit = 0; visit < 60; visit += 1) {
    const response = await browser.fetch(`/path/${visit}?q=${visit}`, {
      method: visit % 2 ? "POST" : "GET",
    });
    assert.equal(Number(await response.text()), home);
  }
});

test("new visitors are spread over the origins", async (t) => {
  const { origins, visitor } = await deployment(t, 3);
  await Promise.all(Array.from({ length: 300 }, () => place(visitor())));
  for (const origin of origins) {
    assert.ok(origin.requests.length > 60, `${origins.map(({ requests }) => requests.length)}`);
  }
});

test("two Workers with the same settings choose the same origin", async (t) => {
  const { origins, vestibule, visitor } = await deployment(t, 3);
  const twin = await Vestibule.start(t, {
    origins: origins.map((origin, at) => `o${at}=${origin.url}`),
    keys: vestibule.keys,
  });
  for (let trial = 0; trial < 10; trial += 1) {
    const here = visitor();
    const home = await place(here);
    const there = new Browser(twin.url);
    there.jar = here.jar;
    assert.equal(await place(there), home);
  }
  assert.equal(twin.kv.operations.length + vestibule.kv.operations.length, 0);
});

test("a session moves when its origin dies, the new origin sees why, and it stays there", async (t) => {
  const { origins, vestibule, visitor } = await deployment(t, 3);
  const browser = visitor();
  await browser.fetch("/store");
  const home = await place(browser);
  await origins[home].stop();

  const moved = await place(browser);
  assert.notEqual(moved, home);
  assert.deepEqual(origins[moved].received("x-session-state"), ["takeover"]);
  assert.deepEqual(origins[moved].received("x-session-data"), ['{"kept":1}']);
  assert.equal(await place(browser), moved);
  assert.deepEqual(origins[moved].received("x-session-state"), ["active"]);

  await until(() => vestibule.kv.count("put") >= 2);
  await origins[home].comeBack();
  await vestibule.restart();
  assert.equal(await place(browser), moved);
});

test("a guest without data keeps the origin it moved to", async (t) => {
  const { origins, vestibule, visitor } = await deployment(t, 2);
  const browser = visitor();
  const home = await place(browser);
  await origins[home].stop();
  const moved = await place(browser);
  await until(() => vestibule.kv.count("put") === 1);
  await origins[home].comeBack();
  await vestibule.restart();
  assert.equal(await place(browser), moved);
});

test("a POST that may have arrived is not retried; after a failed GET, POSTs go elsewhere", async (t) => {
  const { origins, visitor } = await deployment(t, 2);
  const browser = visitor();
  const home = await place(browser);
  await origins[home].stop();
  const other = origins[1 - home];
  const response = await browser.fetch("/", { method: "POST", body: "once" });
  assert.deepEqual([response.status, (await response.json()).code], [502, "origin_unreachable"]);
  assert.equal(other.requests.length, 0);
  assert.equal(await place(browser), 1 - home);
  assert.equal(await place(browser, { method: "POST", body: "again" }), 1 - home);
  assert.equal(other.requests.at(-1)?.body, "again");
});

for (const [what, upload] of [
  ["breaks off chunks of", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
  ["garbles", "Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n"],
  ["garbles later chunks of", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\n"],
  ["miscounts", "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n"],
  ["overstates", "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\nabc\r\n"],
]) {
  test(`a client that ${what} its uploads gets 400, and the server is not blamed`, async (t) => {
    const { origins, vestibule, visitor } = await deployment(t, 2);
    const browser = visitor();
    const home = await place(browser);
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const socket = connect(vestibule.port, "127.0.0.1");
      const head = `POST / HTTP/1.1\r\nHost: localhost\r\nCookie: ${browser.cookie}\r\n`;
      let answer = "";
      socket
        .on("error", () => {})
        .on("data", (chunk) => {
          answer += chunk;
        });
      socket.end(head + upload);
      await until(() => answer.includes("broken_body"), { what: "the answer" });
      assert.match(answer, /^HTTP\/1\.1 400 /);
      socket.destroy();
    }
    assert.equal(await place(browser), home);
    assert.deepEqual(vestibule.logged("origin_failed"), []);
    assert.ok(origins.every(({ requests }) => requests.every(({ url }) => url === "/")));
  });
}

test("a client whose uploads end early does not get its server ejected", async (t) => {
  const { vestibule, visitor } = await deployment(t, 2);
  const browser = visitor();
  const home = await place(browser);
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const socket = connect(vestibule.port, "127.0.0.1");
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\nCookie: ${browser.cookie}\r\n`;
    socket.on("error", () => {}).end(`${head}Content-Length: 100\r\n\r\nabc`);
    await until(() => vestibule.logged("upload_cut").length === attempt, { what: "the break" });
    socket.destroy();
  }
  assert.equal(await place(browser), home);
  assert.deepEqual(vestibule.logged("origin_failed"), []);
});

test("a client that disconnects during its upload counts as no failure of the server", async (t) => {
  const { origins, vestibule, visitor } = await deployment(t, 2);
  const browser = visitor();
  const home = await place(browser);
  for (const upload of [
    "Content-Length: 9\r\n\r\nabc",
    "Transfer-Encoding: chunked\r\n\r\n3\r\n",
  ]) {
    const before = origins[home].requests.length;
    const socket = connect(vestibule.port, "127.0.0.1");
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\nCookie: ${browser.cookie}\r\n`;
    socket.on("error", () => {}).write(head + upload);
    await until(() => origins[home].requests.length > before, { what: "the upload arriving" });
    socket.resetAndDestroy();
    assert.equal(await place(browser), home);
  }
  assert.deepEqual(vestibule.logged("origin_failed"), []);
});

test("a kept-alive connection that closes during a request moves no session", async (t) => {
  const { origins, visitor } = await deployment(t, 2);
  const browser = visitor();
  const home = await place(browser);
  origins[home].failNext();
  assert.equal(await place(browser), home);
  assert.deepEqual(origins[home].received("x-session-state"), ["active"]);
});

test("when all origins are down the visitor gets 502 and keeps the session", async (t) => {
  const { origins, visitor } = await deployment(t, 2);
  const browser = visitor();
  await browser.fetch("/store");
  const { session } = browser;
  await Promise.all(origins.map((origin) => origin.stop()));
  const response = await browser.fetch("/");
  assert.deepEqual([response.status, (await response.json()).code], [502, "origin_unreachable"]);
  assert.ok(Number(response.headers.get("retry-after")) > 0);
  assert.equal(browser.session, session);
  await Promise.all(origins.map((origin) => origin.comeBack()));
  await until(async () => (await browser.fetch("/")).status === 200);
});

test("a socket.io client's polling, upgrade and reconnect reach one process", async (t) => {
  const { origins, vestibule } = await deployment(t, 3);
  for (const [at, origin] of origins.entries()) {
    const server = new Server(origin.server);
    t.after(() => server.close());
    server.on("connection", (socket) => socket.emit("here", at));
  }
  for (let visitor = 0; visitor < 10; visitor += 1) {
    const browser = new Browser(vestibule.url);
    const home = await place(browser);
    const extraHeaders = { cookie: browser.cookie, origin: vestibule.url };
    const socket = io(vestibule.url, { extraHeaders, forceNew: true, reconnectionDelay: 10 });
    t.after(() => socket.close());
    assert.deepEqual(await once(/** @type {any} */ (socket), "here"), [home]);
    await until(() => socket.io.engine.transport.name === "websocket", { what: "the upgrade" });
    socket.io.engine.close();
    assert.deepEqual(await once(/** @type {any} */ (socket), "here"), [home]);
  }
});
