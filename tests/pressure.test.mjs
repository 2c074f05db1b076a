/** Tests many events, large responses, and slow clients. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { SendQueue } from "../src/worker/js/streams/send_queue.js";
import { frameClient } from "./harness/frames.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const EVENTS = 30_000;

/** Number of small events for a slow client: more than all buffers on the way to it take. */
const SMALL = 200_000;

/**
 * Number of bytes that an origin offers to a client that does not read. A process that buffers them grows by as many;
 * one that does not still grows by tens of millions, for compiled code and the system's buffers.
 */
const OFFERED = 400_000_000;
const BUFFERED = OFFERED / 8;

/**
 * Memory of sixteen sockets that may each buffer 16 MiB. A process that forwards as much to clients that read still
 * grows by half of it, as garbage.
 */
const EACH_ITS_OWN = 16 * 16 * 1024 * 1024;

/** The platform ends an isolate that uses more. */
const OF_AN_ISOLATE = 128_000_000;

for (const [how, vars] of /** @type {[string, Record<string, string>][]} */ ([
  ["passed through", {}],
  ["revocable", { STREAMS: "revocable" }],
  ["kept alive", { STREAM_KEEP_ALIVE: "15s" }],
])) {
  test(`thirty thousand small events arrive complete and in order (${how})`, async (t) => {
    const origin = await Origin.start(t, async (_, reply) => {
      reply.writeHead(200, { "content-type": "text/event-stream" });
      for (let event = 0; event < EVENTS; event += 1) {
        if (!reply.write(`data: ${event}\n\n`)) await once(reply, "drain");
      }
      reply.end();
    });
    const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
    const text = await (await fetch(vestibule.url)).text();
    const events = text.split("\n\n").slice(0, -1);
    assert.equal(events.length, EVENTS);
    assert.ok(events.every((event, at) => event === `data: ${at}`));
  });

  test(`a slow client gets every small event in order, although the origin had to wait (${how})`, async (t) => {
    const pad = "x".repeat(180);
    let sent = 0;
    const origin = await Origin.start(t, async (_, reply) => {
      reply.writeHead(200, { "content-type": "text/event-stream" });
      for (; sent < SMALL && !reply.destroyed; sent += 1) {
        if (!reply.write(`data: ${sent} ${pad}\n\n`)) await once(reply, "drain");
      }
      reply.end();
    });
    const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
    const response = await fetch(vestibule.url);
    await restsAt(() => sent);
    assert.ok(sent < SMALL, "the origin waits");
    let next = 0;
    let rest = "";
    const decoder = new TextDecoder();
    for await (const part of response.body ?? []) {
      const events = (rest + decoder.decode(part, { stream: true })).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        assert.equal(event, `data: ${next} ${pad}`);
        next += 1;
      }
      await turn();
    }
    assert.equal(next, SMALL);
  });

  test(`a slow client slows down the origin and fills no memory (${how})`, async (t) => {
    let sent = 0;
    let isBlocked = false;
    const origin = await Origin.start(t, async (_, reply) => {
      reply.writeHead(200, { "content-type": "text/event-stream" });
      const event = `data: ${"x".repeat(8_192)}\n\n`;
      while (sent < OFFERED && !reply.destroyed) {
        sent += event.length;
        if (reply.write(event)) continue;
        const drained = await Promise.race([
          once(reply, "drain").then(() => true),
          once(reply, "close").then(() => true),
          pause(1_500).then(() => false),
        ]);
        if (!drained) {
          isBlocked = true;
          return;
        }
      }
    });
    const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
    await fetch(`${vestibule.url}/_session/me`);
    const before = memory(vestibule);
    const client = connect(vestibule.port, "127.0.0.1");
    t.after(() => client.destroy());
    client.pause();
    client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until(() => isBlocked, { what: "an origin that has to wait" });
    assert.ok(sent < BUFFERED, `${sent} bytes were taken`);
    assert.ok(memory(vestibule) - before < BUFFERED, `grew by ${memory(vestibule) - before}`);
  });
}

/** Waits until a count stays as it is. @param {() => number} count */
async function restsAt(count) {
  let last = -1;
  await until(
    async () => {
      const before = last;
      last = count();
      await pause(200);
      return last > 0 && last === before && count() === last;
    },
    { what: "an origin that has to wait" },
  );
}

/**
 * Returns the resident memory in bytes; 0 if the system does not report it.
 * @param {Vestibule} vestibule
 */
function memory({ pid }) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  } catch {
    return 0;
  }
}

/**
 * Runs an origin that floods a client that never reads; returns the bytes sent, and how its socket ended.
 * @param {import("node:test").TestContext} t
 * @param {string} streams
 */
async function flooded(t, streams) {
  const origin = await Origin.start(t);
  const sockets = new WebSocketServer({ server: origin.server });
  const flood = { sent: 0, code: 0, waiting: 0 };
  sockets.on("connection", (socket) => {
    const part = "x".repeat(8_192);
    const timer = setInterval(() => {
      for (let count = 0; count < 300 && socket.bufferedAmount < 1_000_000; count += 1) {
        if (flood.sent < OFFERED) socket.send(part);
        flood.sent += part.length;
      }
      flood.waiting = socket.bufferedAmount;
    }, 5);
    socket.on("close", (code) => {
      flood.code = code;
      clearInterval(timer);
    });
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars: { STREAMS: streams } });
  await fetch(`${vestibule.url}/_session/me`);
  const before = memory(vestibule);
  const client = connect(vestibule.port, "127.0.0.1");
  t.after(() => client.destroy());
  client.pause();
  client.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${vestibule.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `Origin: ${vestibule.url}\r\n\r\n`,
  );
  return { flood, grown: () => memory(vestibule) - before };
}

test("a client that never reads its socket makes the origin wait (pass-through)", async (t) => {
  const { flood, grown } = await flooded(t, "pass-through");
  let last = 0;
  await until(
    async () => {
      last = flood.sent;
      await pause(500);
      return flood.waiting >= 1_000_000 && flood.sent === last;
    },
    { what: "an origin that has to wait" },
  );
  assert.ok(flood.sent < BUFFERED, `${flood.sent} bytes were taken`);
  assert.ok(grown() < BUFFERED, `grew by ${grown()}`);
});

test("a client that never reads its socket is closed with 1013 before memory fills (revocable)", async (t) => {
  const { flood, grown } = await flooded(t, "revocable");
  await until(() => flood.code !== 0, { what: "the end of the socket" });
  assert.equal(flood.code, 1013);
  assert.ok(grown() < OF_AN_ISOLATE, `grew by ${grown()}`);
});

for (const streams of ["pass-through", "revocable"]) {
  test(`ten thousand messages sent at once arrive in order, both ways (${streams})`, async (t) => {
    const origin = await Origin.start(t);
    const sockets = new WebSocketServer({ server: origin.server });
    sockets.on("connection", (socket) => {
      socket.on("message", (data) => socket.send(`${data}`));
    });
    const vestibule = await Vestibule.start(t, {
      origins: [origin.url],
      vars: { STREAMS: streams },
    });
    const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, { origin: vestibule.url });
    t.after(() => socket.terminate());
    await once(socket, "open");
    /** @type {number[]} */
    const received = [];
    socket.on("message", (data) => received.push(Number(data)));
    for (let number = 0; number < 10_000; number += 1) socket.send(String(number));
    await until(() => received.length === 10_000, { what: "all of them" });
    assert.ok(received.every((number, at) => number === at));
  });
}

test("a slow socket gets every small message in order, although the origin had to wait (pass-through)", async (t) => {
  const pad = "x".repeat(180);
  const origin = await Origin.start(t);
  const sockets = new WebSocketServer({ server: origin.server });
  let sent = 0;
  sockets.on("connection", async (socket) => {
    for (; sent < SMALL; sent += 1) {
      socket.send(`${sent} ${pad}`);
      while (socket.bufferedAmount > 100_000) await pause(1);
    }
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, { origin: vestibule.url });
  t.after(() => socket.terminate());
  socket.on("open", () => socket.pause());
  /** @type {string[]} */
  const wrong = [];
  let next = 0;
  socket.on("message", (data) => {
    if (`${data}` !== `${next} ${pad}`) wrong.push(`${data}`.slice(0, 10));
    next += 1;
  });
  await restsAt(() => sent);
  assert.ok(sent < SMALL, "the origin waits");
  socket.resume();
  await until(() => next === SMALL, { what: "all of them", within: 60_000 });
  assert.deepEqual(wrong, []);
});

test("sixteen clients that never read are closed, slowest first, before memory fills", async (t) => {
  const part = "x".repeat(8_192);
  const origin = await Origin.start(t);
  const sockets = new WebSocketServer({ server: origin.server });
  /** @type {number[]} */
  const codes = [];
  sockets.on("connection", (socket, request) => {
    const isRead = request.url === "/read";
    const atOnce = isRead ? 1 : 20;
    const timer = setInterval(() => {
      for (let count = 0; count < atOnce && socket.bufferedAmount < 1_000_000; count += 1) {
        socket.send(part);
      }
    }, 5);
    socket.on("close", (code) => {
      if (!isRead) codes.push(code);
      clearInterval(timer);
    });
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { STREAMS: "revocable" },
  });
  await fetch(`${vestibule.url}/_session/me`);
  const reader = new WebSocket(`${vestibule.url.replace("http", "ws")}/read`, {
    origin: vestibule.url,
  });
  t.after(() => reader.terminate());
  await once(reader, "open");
  const before = memory(vestibule);
  let most = 0;
  for (let number = 0; number < 16; number += 1) {
    await frameClient(t, vestibule.port, { paused: true });
  }
  await until(
    () => {
      most = Math.max(most, memory(vestibule) - before);
      return codes.length === 16;
    },
    { what: "the end of all sixteen", within: 60_000 },
  );
  assert.deepEqual(new Set(codes), new Set([1013]));
  assert.equal(reader.readyState, WebSocket.OPEN);
  assert.ok(most < (3 / 4) * EACH_ITS_OWN, `grew by ${most}`);
});

/**
 * Creates a queue whose other end closed with a megabyte unread; returns how it ends, and a client that reads.
 * @param {import("node:test").TestContext} t
 */
function closedUnread(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const seen = { ends: /** @type {string[]} */ ([]) };
  const socket = {
    bufferedAmount: 0,
    /** @param {string} data */
    send(data) {
      this.bufferedAmount += data.length;
    },
    /** @param {number} code @param {string} reason */
    close(code, reason) {
      seen.ends.push(`${code} ${reason}`);
    },
  };
  const queue = new SendQueue(/** @type {any} */ (socket), () => queue.close(1013, "too slow"));
  for (let part = 0; part < 16; part += 1) queue.send("x".repeat(64 * 1024));
  queue.finish(1000, "all sent");
  /** @param {number} ms @param {number} bytes that the client reads each quarter of a second */
  const pass = async (ms, bytes) => {
    for (let passed = 0; passed < ms; passed += 250) {
      socket.bufferedAmount = Math.max(socket.bufferedAmount - bytes, 0);
      t.mock.timers.tick(250);
      await turn();
    }
  };
  return { seen, pass };
}

test("an end that reads nothing after the other closed is closed after 30 seconds", async (t) => {
  const { seen, pass } = closedUnread(t);
  await pass(29_000, 0);
  assert.deepEqual(seen.ends, []);
  await pass(2_000, 0);
  assert.deepEqual(seen.ends, ["1013 too slow"]);
});

test("a slow client gets all data after the other end closed", async (t) => {
  const { seen, pass } = closedUnread(t);
  await pass(60_000, 2 * 1024);
  assert.deepEqual(seen.ends, []);
  await pass(25_000, 0);
  assert.deepEqual(seen.ends, []);
  await pass(60_000, 16 * 1024);
  assert.deepEqual(seen.ends, ["1000 all sent"]);
});
