/** Which origin a visitor gets, and what happens when it is not there. */
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

test("a visitor stays with one origin, whatever it asks for", async (t) => {
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

test("visitors spread over the origins", async (t) => {
  const { origins, visitor } = await deployment(t, 3);
  await Promise.all(Array.from({ length: 300 }, () => place(visitor())));
  for (const origin of origins) {
    assert.ok(origin.requests.length > 60, `${origins.map(({ requests }) => requests.length)}`);
  }
});

test("two Workers with the same settings agree without talking", async (t) => {
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

test("when a visitor's origin dies the conversation moves, is told so, and stays moved", async (t) => {
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

test("a guest with nothing stored is remembered where it moved to", async (t) => {
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

test("a POST that may have arrived is not sent twice; once a GET has found out, POSTs go elsewhere", async (t) => {
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
  test(`a client that ${what} its uploads is told so, and it is not the server's fault`, async (t) => {
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

test("a client whose uploads end early is not the server's fault either", async (t) => {
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

test("a client that goes away during its upload is nobody's failure", async (t) => {
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

test("a kept connection that is closed at the wrong moment moves nobody", async (t) => {
  const { origins, visitor } = await deployment(t, 2);
  const browser = visitor();
  const home = await place(browser);
  origins[home].failNext();
  assert.equal(await place(browser), home);
  assert.deepEqual(origins[home].received("x-session-state"), ["active"]);
});

test("when all origins are down the visitor is told and the session lives on", async (t) => {
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

test("a socket.io client's polling, upgrade and reconnect land on one process", async (t) => {
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
