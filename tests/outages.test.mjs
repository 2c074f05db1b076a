/** Tests killed servers, and many clients that reconnect at once. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { listen } from "./harness/ports.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/**
 * Starts origins that respond with their number and accept sockets.
 * @param {import("node:test").TestContext} t
 * @param {number} count
 * @param {Record<string, string>} [vars]
 */
async function deployment(t, count, vars = {}) {
  /** @type {string[]} visitor and origin of each socket, in order */
  const connected = [];
  const origins = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const origin = await Origin.start(t, (_request, reply) => reply.end(String(at)));
      const sockets = new WebSocketServer({ server: origin.server });
      sockets.on("connection", (socket, request) => {
        connected.push(`${request.headers["x-session-id"]} at ${at}`);
        socket.on("message", (data) => socket.send(`${data}`));
      });
      return origin;
    }),
  );
  const vestibule = await Vestibule.start(t, {
    origins: origins.map((origin, at) => `o${at}=${origin.url}`),
    vars,
  });
  return { origins, vestibule, connected };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {Vestibule} vestibule
 * @param {string} [cookie]
 */
async function open(t, vestibule, cookie) {
  const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, {
    origin: vestibule.url,
    headers: cookie ? { cookie } : {},
  });
  t.after(() => socket.terminate());
  await Promise.race([
    once(socket, "open"),
    once(socket, "unexpected-response").then(([, response]) =>
      assert.fail(`the socket was refused: ${response.statusCode}`),
    ),
  ]);
  return socket;
}

for (const [streams, code] of /** @type {const} */ ([
  ["revocable", 1012],
  ["pass-through", 1006],
])) {
  test(`a client's socket is closed at once when its origin is killed (${streams})`, async (t) => {
    const { origins, vestibule } = await deployment(t, 1, { STREAMS: streams });
    const socket = await open(t, vestibule);
    const closed = once(socket, "close");
    await origins[0].stop();
    assert.equal((await closed)[0], code);
  });
}

test("when one of three origins fails, only its sessions move, and none fails or returns", async (t) => {
  const { origins, vestibule } = await deployment(t, 3);
  const visitors = Array.from({ length: 60 }, () => new Browser(vestibule.url));
  const visit = () =>
    Promise.all(
      visitors.map(async (visitor) => {
        const response = await visitor.fetch("/");
        return response.status === 200 ? response.text() : `failed: ${response.status}`;
      }),
    );
  const before = await visit();
  await origins[0].stop();
  const meanwhile = await visit();
  for (const [at, place] of meanwhile.entries()) {
    if (before[at] === "0") assert.match(place, /^[12]$/);
    else assert.equal(place, before[at]);
  }
  await origins[0].comeBack();
  assert.deepEqual(await visit(), meanwhile);
});

test("requests get 502 at once without reachable origins, and succeed soon after one returns", async (t) => {
  let attempts = 0;
  const closed = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  });
  const port = await listen(closed);
  t.after(() => closed.close());
  const vestibule = await Vestibule.start(t, { origins: [`http://127.0.0.1:${port}`] });
  const visitor = new Browser(vestibule.url);
  const begun = Date.now();
  for (let request = 0; request < 100; request += 1) {
    const response = await visitor.fetch("/");
    assert.equal(response.status, 502);
    assert.ok(Number(response.headers.get("retry-after")) > 0);
  }
  // A health check a second asks twice, and the first request is repeated.
  const others = 5 + 2 * Math.ceil((Date.now() - begun) / 1000);
  assert.ok(attempts <= 100 + others, `${attempts} attempts for 100 requests`);

  await new Promise((resolve) => closed.close(resolve));
  const origin = await Origin.start(t);
  origin.server.close();
  await listen(origin.server, port);
  await until(async () => (await visitor.fetch("/")).status === 200, {
    within: 5_000,
    what: "the way back",
  });
});

test("two hundred sockets cut at once all reconnect to their own origin", async (t) => {
  const { vestibule, connected } = await deployment(t, 4);
  const visitors = Array.from({ length: 200 }, () => new Browser(vestibule.url));
  await Promise.all(visitors.map((visitor) => visitor.fetch("/")));
  const connect = () => Promise.all(visitors.map(({ cookie }) => open(t, vestibule, cookie)));
  const sockets = await connect();
  const places = connected.splice(0).sort();
  assert.equal(new Set(places).size, 200);
  const cut = Promise.all(sockets.map((socket) => once(socket, "close")));
  await vestibule.restart();
  await cut;
  const reads = vestibule.kv.count("get");
  await connect();
  assert.deepEqual(connected.sort(), places);
  assert.ok(vestibule.kv.count("get") - reads <= 200);
});

test("a signed-in user stays signed in when the user's origin is killed", async (t) => {
  /** @type {(string | undefined)[][]} */
  const seen = [];
  const origins = await Promise.all(
    ["a", "b"].map((name) =>
      Origin.start(t, (request, reply) => {
        const { "x-session-user": user, "x-session-state": state } = request.headers;
        seen.push([String(user), String(state)]);
        if (request.url === "/sign-in") {
          reply.setHeader("x-session-identify", JSON.stringify({ user: "alice" }));
        }
        reply.end(name);
      }),
    ),
  );
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origins[0].url}`, `b=${origins[1].url}`],
  });
  const visitor = new Browser(vestibule.url);
  const home = await (await visitor.fetch("/sign-in")).text();
  assert.equal(await (await visitor.fetch("/")).text(), home);
  assert.deepEqual(seen.at(-1), ["alice", "active"]);
  await origins[home === "a" ? 0 : 1].stop();
  const response = await visitor.fetch("/");
  assert.equal(response.status, 200);
  assert.notEqual(await response.text(), home);
  assert.deepEqual(seen.at(-1), ["alice", "takeover"]);
});

test("a rolling restart of four servers loses no session and fails no request", async (t) => {
  /** @type {Map<string, number>[]} messages of each conversation, by server; empty after its restart */
  const memories = [new Map(), new Map(), new Map(), new Map()];
  const servers = await Promise.all(
    memories.map((memory) =>
      Origin.start(t, (request, reply) => {
        const name = String(request.headers["x-session-id"]);
        const { count = 0 } = JSON.parse(String(request.headers["x-session-data"] ?? "{}"));
        memory.set(name, Math.max(memory.get(name) ?? 0, count) + 1);
        reply.setHeader("x-session-patch", JSON.stringify({ count: memory.get(name) }));
        reply.end(String(memory.get(name)));
      }),
    ),
  );
  const key = "an-origin-key-of-32-characters!!";
  const vestibule = await Vestibule.start(t, {
    origins: servers.map(({ url }, at) => `s${at}=${url}`),
    vars: { ORIGIN_KEY: key },
  });
  const say = async (/** @type {string} */ what) => {
    const headers = { authorization: `Bearer ${key}` };
    const url = `${vestibule.url}/_session/api/origins/${what}`;
    assert.equal((await fetch(url, { method: "POST", headers })).status, 204);
  };
  const visitors = Array.from({ length: 40 }, () => ({
    browser: new Browser(vestibule.url),
    said: 0,
  }));
  const everybodySpeaks = () =>
    Promise.all(
      visitors.map(async (visitor) => {
        visitor.said += 1;
        const message = { method: "POST", body: "hello" };
        const response = await visitor.browser.fetch("/say", message);
        assert.equal(response.status, 200);
        assert.equal(await response.text(), String(visitor.said));
      }),
    );
  await everybodySpeaks();
  for (const [at, server] of servers.entries()) {
    assert.ok(memories[at].size > 0, `s${at} has conversations`);
    await say(`s${at}/unready`);
    const served = server.requests.length;
    await everybodySpeaks();
    assert.equal(server.requests.length, served, "it may stop now");
    await server.stop();
    memories[at].clear();
    await everybodySpeaks();
    await server.comeBack();
    await say(`s${at}/ready`);
  }
  await everybodySpeaks();
});
