/** Tests how new sessions are spread over origins, and when existing ones move. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { WebSocket, WebSocketServer } from "ws";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN = "an-admin-token-for-tests";

/**
 * Starts origins that respond with their number, with the status and headers and after the delay that a test sets.
 * @param {import("node:test").TestContext} t
 * @param {string[]} attributes of each origin
 * @param {Partial<import("./harness/workerd.mjs").Options>} [options]
 */
async function deployment(t, attributes, options = {}) {
  /** @type {{ status: number, headers: Record<string, string>, delayMs: number }[]} */
  const moods = attributes.map(() => ({ status: 200, headers: {}, delayMs: 0 }));
  const origins = await Promise.all(
    attributes.map((_, at) =>
      Origin.start(t, (_request, reply) => {
        for (const [name, value] of Object.entries(moods[at].headers)) reply.setHeader(name, value);
        reply.statusCode = moods[at].status;
        setTimeout(() => reply.end(String(at)), moods[at].delayMs);
      }),
    ),
  );
  const vestibule = await Vestibule.start(t, {
    ...options,
    origins: origins.map((origin, at) => `o${at}=${origin.url}${attributes[at]}`),
    vars: { ADMIN_TOKEN: ADMIN, ...options.vars },
  });
  return { origins, vestibule, moods };
}

/**
 * @param {string} url
 * @param {number} visitors
 */
async function places(url, visitors) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (let visitor = 0; visitor < visitors; visitor += 1) {
    const place = await (await fetch(url)).text();
    counts[place] = (counts[place] ?? 0) + 1;
  }
  return counts;
}

test("new visitors are spread by weight", async (t) => {
  const { vestibule } = await deployment(t, ["", ";weight=3"]);
  const { 0: light = 0, 1: heavy = 0 } = await places(vestibule.url, 200);
  // Three to one, if both answer equally fast: a slower server gets fewer.
  assert.ok(heavy > 1.5 * light, `${light} and ${heavy}`);
});

test("a drained origin keeps its visitors and gets no new ones, in every location", async (t) => {
  const { vestibule } = await deployment(t, ["", ""], { lags: [0, 1] });
  const [here, there] = vestibule.urls;
  const old = new Browser(there);
  while ((await (await old.fetch("/")).text()) !== "0") old.jar.clear();
  const headers = { authorization: `Bearer ${ADMIN}` };
  const ask = (/** @type {string} */ path, method = "GET") =>
    fetch(`${here}/_session/admin/origins${path}`, { method, headers });
  assert.equal((await ask("/o0/drain", "POST")).status, 204);
  const { origins } = await (await ask("")).json();
  assert.deepEqual(
    origins.map((/** @type {any} */ one) => [one.name, one.state, one.takes_new_sessions]),
    [
      ["o0", "drain", false],
      ["o1", "active", true],
    ],
  );
  await until(async () => !("0" in (await places(there, 20))), { what: "the other location" });
  for (let visit = 0; visit < 5; visit += 1) {
    assert.equal(await (await old.fetch("/")).text(), "0");
  }
  assert.equal((await ask("/o0/undrain", "POST")).status, 204);
  await until(async () => "0" in (await places(there, 20)));
  assert.equal((await ask("/nobody/drain", "POST")).status, 404);
  assert.equal((await fetch(`${here}/_session/admin/origins`)).status, 401);
});

test("an origin that says that it stops gets no requests until it is ready, in every location", async (t) => {
  const key = "an-origin-key-of-32-characters!!";
  const { vestibule } = await deployment(t, ["", ""], {
    lags: [0, 1],
    vars: { ORIGIN_KEY: key },
  });
  const [here, there] = vestibule.urls;
  const old = new Browser(there);
  while ((await (await old.fetch("/")).text()) !== "0") old.jar.clear();
  const say = async (
    /** @type {string} */ what,
    method = "POST",
    authorization = `Bearer ${key}`,
  ) => {
    const url = `${here}/_session/api/origins/${what}`;
    return (await fetch(url, { method, headers: { authorization } })).status;
  };
  assert.equal(await say("o0/unready"), 204);
  assert.deepEqual(await places(here, 20), { 1: 20 }, "known here at once");
  const where = async () => (await old.fetch("/", { method: "POST", body: "?" })).text();
  await until(async () => (await where()) === "1", { what: "the other location" });
  assert.equal(await say("o0/ready"), 204);
  await until(async () => "0" in (await places(there, 20)));

  assert.equal(await say("o0/unready", "GET"), 405);
  assert.equal(await say("nobody/unready"), 404);
  assert.equal(await say("o0/asleep"), 404);
  assert.equal(await say("o0/unready", "POST", "Bearer wrong"), 401);
  await vestibule.redeploy({ CONSISTENCY: "eventual" });
  assert.equal(await say("o0/unready"), 409);
});

test("an origin that says that it stops keeps the socket.io connections that it has opened", async (t) => {
  const key = "an-origin-key-of-32-characters!!";
  const { vestibule } = await deployment(t, ["", ""], { vars: { ORIGIN_KEY: key } });
  const polling = new Browser(vestibule.url);
  while ((await (await polling.fetch("/")).text()) !== "0") polling.jar.clear();
  const headers = { authorization: `Bearer ${key}` };
  const unready = `${vestibule.url}/_session/api/origins/o0/unready`;
  assert.equal((await fetch(unready, { method: "POST", headers })).status, 204);
  assert.deepEqual(await places(vestibule.url, 20), { 1: 20 }, "others go elsewhere");

  const where = async (/** @type {string} */ path) => (await polling.fetch(path)).text();
  const engine = "/socket.io/?EIO=4&transport=polling";
  assert.equal(await where(`${engine}&sid=abc`), "0", "only this server knows the connection");
  assert.equal(await where(engine), "1", "a new connection is opened elsewhere");
});

test("an origin's load report keeps new visitors away and never reaches a client", async (t) => {
  const { vestibule, moods } = await deployment(t, ["", ""], { vars: { OVERLOAD_LOAD: "90" } });
  moods[0].headers["endpoint-load-metrics"] = 'JSON {"cpu_utilization": 0.97}';
  const first = new Browser(vestibule.url);
  let response = await first.fetch("/");
  while ((await response.text()) !== "0") {
    first.jar.clear();
    response = await first.fetch("/");
  }
  assert.equal(response.headers.get("endpoint-load-metrics"), null);
  assert.deepEqual(await places(vestibule.url, 30), { 1: 30 });
  assert.equal(await (await first.fetch("/")).text(), "0", "an existing visitor stays");
});

test("a slow server gets no new visitors until it is quick again", async (t) => {
  const { vestibule, moods } = await deployment(t, ["", ""], {
    vars: { OVERLOAD_FIRST_BYTE: "1s" },
  });
  const first = new Browser(vestibule.url);
  while ((await (await first.fetch("/")).text()) !== "0") first.jar.clear();
  const visits = (/** @type {number} */ count) =>
    Promise.all(Array.from({ length: count }, async () => (await first.fetch("/")).text()));
  // An answer counts a tenth in the average: eight of these make it 1.4 seconds.
  moods[0].delayMs = 2_500;
  assert.deepEqual(await visits(8), Array(8).fill("0"));
  moods[0].delayMs = 0;
  await until(async () => !("0" in (await places(vestibule.url, 20))), {
    what: "new visitors at the quick server alone",
  });
  assert.deepEqual(await visits(1), ["0"], "an existing visitor stays");
  assert.deepEqual(await visits(40), Array(40).fill("0"));
  await until(async () => "0" in (await places(vestibule.url, 20)), {
    what: "new visitors at the server that is quick again",
  });
});

test("when all origins are full, new visitors get 503 and existing ones continue", async (t) => {
  const { vestibule, moods } = await deployment(t, [""], { vars: { OVERLOAD_LOAD: "90" } });
  const old = new Browser(vestibule.url);
  await old.fetch("/");
  moods[0].headers["endpoint-load-metrics"] = "TEXT application_utilization=1.0";
  await old.fetch("/");
  const call = await fetch(vestibule.url);
  assert.deepEqual([call.status, (await call.json()).code], [503, "overloaded"]);
  assert.ok(Number(call.headers.get("retry-after")) > 0);
  const lines = ["Sec-Fetch-Mode: navigate", "Accept: text/html"];
  const page = await send(vestibule.port, { host: "localhost", lines });
  assert.equal(page.status, 503);
  assert.deepEqual(header(page, "refresh"), ["10"]);
  assert.equal((await old.fetch("/")).status, 200);
  moods[0].headers = { "endpoint-load-metrics": "TEXT application_utilization=0.1" };
  await old.fetch("/");
  assert.equal((await fetch(vestibule.url)).status, 200);
});

test("open sockets count towards an origin's capacity", async (t) => {
  const { vestibule, origins } = await deployment(t, [";capacity=3"], {
    vars: { STREAMS: "revocable" },
  });
  const sockets = new WebSocketServer({ server: origins[0].server });
  sockets.on("connection", (socket) => socket.on("message", () => {}));
  const open = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, { origin: vestibule.url });
    t.after(() => socket.terminate());
    const [outcome] = await Promise.race([
      once(socket, "open").then(() => ["open"]),
      once(socket, "unexpected-response").then(([, response]) => [response.statusCode]),
    ]);
    return { socket, outcome };
  };
  const opened = [];
  for (let number = 0; number < 3; number += 1) opened.push(await open());
  assert.deepEqual(
    opened.map(({ outcome }) => outcome),
    ["open", "open", "open"],
  );
  await until(async () => (await open()).outcome === 503, { what: "no more room" });
  opened[0].socket.close();
  await until(async () => (await fetch(vestibule.url)).status === 200, { what: "room" });
});

for (const STREAMS of ["pass-through", "revocable"])
  test(`new sessions go where fewer sockets are open (${STREAMS})`, async (t) => {
    const { vestibule, origins } = await deployment(t, ["", ";capacity=1000"], {
      vars: { STREAMS },
    });
    const sockets = new WebSocketServer({ server: origins[0].server });
    const visitor = new Browser(vestibule.url);
    while ((await (await visitor.fetch("/")).text()) !== "0") visitor.jar.clear();
    const headers = { cookie: visitor.cookie };
    for (let number = 0; number < 60; number += 1) {
      const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, {
        headers,
        origin: vestibule.url,
      });
      t.after(() => socket.terminate());
      await once(socket, "open");
    }
    assert.equal(sockets.clients.size, 60);
    // The isolate reads the counters now and then.
    await until(async () => !("0" in (await places(vestibule.url, 4))), { what: "the count" });
    const { 0: there = 0 } = await places(vestibule.url, 40);
    assert.ok(there <= 4, `${there} of 40 where 60 sockets are open`);
  });

test("passed-through sockets count towards an origin's capacity", async (t) => {
  const { vestibule, origins } = await deployment(t, [";capacity=3"]);
  const sockets = new WebSocketServer({ server: origins[0].server });
  for (let number = 0; number < 3; number += 1) {
    const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, { origin: vestibule.url });
    t.after(() => socket.terminate());
    await once(socket, "open");
  }
  assert.equal(sockets.clients.size, 3);
  await until(async () => (await fetch(vestibule.url)).status === 503, { what: "no more room" });
});

test("an origin with gateway errors is ejected, and returns when it recovers", async (t) => {
  const { vestibule, moods } = await deployment(t, ["", "", ""]);
  const visitor = new Browser(vestibule.url);
  while ((await (await visitor.fetch("/")).text()) !== "0") visitor.jar.clear();
  moods[0].status = 503;
  const seen = [];
  for (let visit = 0; visit < 8; visit += 1) seen.push((await visitor.fetch("/")).status);
  assert.deepEqual(seen.slice(0, 5), [503, 503, 503, 503, 503]);
  assert.deepEqual(seen.slice(5), [200, 200, 200]);
  assert.equal(vestibule.logged("origin_ejected").length, 1);
});

test("an origin with successes between its gateway errors is not ejected", async (t) => {
  const { vestibule, moods } = await deployment(t, ["", ""]);
  const visitor = new Browser(vestibule.url);
  while ((await (await visitor.fetch("/")).text()) !== "0") visitor.jar.clear();
  for (let visit = 0; visit < 20; visit += 1) {
    moods[0].status = visit % 2 ? 200 : 503;
    const response = await visitor.fetch("/");
    assert.deepEqual([response.status, await response.text()], [moods[0].status, "0"]);
  }
  assert.equal(vestibule.logged("origin_ejected").length, 0);
});

test("a socket.io client without cookies stays at one server, upgrade included", async (t) => {
  const names = ["a", "b", "c", "d"];
  const urls = await Promise.all(
    names.map(async (name) => {
      const origin = await Origin.start(t);
      origin.server.removeAllListeners("request");
      const server = new Server(origin.server);
      t.after(() => server.close());
      server.on("connection", (socket) => {
        socket.emit("welcome", name);
        socket.on("who", (answer) => answer(name));
      });
      return `${name}=${origin.url}`;
    }),
  );
  const vestibule = await Vestibule.start(t, { origins: urls });
  const clients = Array.from({ length: 24 }, () =>
    io(vestibule.url, {
      forceNew: true,
      reconnection: false,
      extraHeaders: { origin: vestibule.url },
    }),
  );
  t.after(() => clients.map((client) => client.close()));
  const homes = await Promise.all(
    clients.map(async (client) => {
      const [home] = await new Promise((resolve, reject) => {
        client.once("welcome", (name) => resolve([name]));
        client.once("connect_error", reject);
      });
      await until(() => client.io.engine.transport.name === "websocket", { what: "an upgrade" });
      for (let turn = 0; turn < 3; turn += 1) {
        assert.equal(await client.timeout(5_000).emitWithAck("who"), home);
      }
      return home;
    }),
  );
  assert.ok(new Set(homes).size > 1, String(homes));
});
