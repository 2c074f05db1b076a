/** Tests idle limits of responses, event streams and sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { WebSocket, WebSocketServer } from "ws";
import { Origin } from "./harness/origin.mjs";
import { exchange } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { wholeAnswer } from "./harness/whole-answer.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/**
 * Starts a deployment whose origin begins a response and leaves the rest to the test.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} vars
 * @param {Record<string, string | number>} headers
 */
async function begun(t, vars, headers) {
  /** @type {import("./harness/origin.mjs").Reply[]} */
  const replies = [];
  const origin = await Origin.start(t, (_, reply) => {
    reply.writeHead(200, headers);
    reply.flushHeaders();
    replies.push(reply);
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  const response = await fetch(vestibule.url);
  const received = { text: "" };
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const part of response.body ?? []) {
      received.text += decoder.decode(part, { stream: true });
    }
  })();
  ended.catch(() => {});
  return { reply: replies[0], received, ended, vestibule };
}

const EVENTS = { "content-type": "text/event-stream" };

test("comments keep an event stream alive while its origin is silent", async (t) => {
  const { reply, received, ended } = await begun(t, { STREAM_KEEP_ALIVE: "1s" }, EVENTS);
  await until(() => received.text !== "", { what: "a comment before the first event" });
  reply.write("data: 1\n\n");
  await until(() => /1\n\n(?::\n)+$/.test(received.text), { what: "a comment between events" });
  reply.end("data: 2\n\n");
  await ended;
  // On a busy machine a pause may be long enough for two.
  assert.match(received.text, /^(?::\n){1,3}data: 1\n\n(?::\n){1,3}data: 2\n\n$/);
});

test("no comment is inserted within a line", async (t) => {
  const { reply, received, ended } = await begun(
    t,
    { STREAM_KEEP_ALIVE: "1s", IDLE_TIMEOUT_STREAM: "3s" },
    EVENTS,
  );
  reply.write("data: begun");
  await ended;
  assert.match(received.text, /^data: begun\n\nevent: error\ndata: {"code":"origin_idle"}\n\n$/);
});

test("a silent event stream ends with an error at the limit, and an active one continues", async (t) => {
  const { reply, received, ended } = await begun(t, { IDLE_TIMEOUT_STREAM: "3s" }, EVENTS);
  const spoken = setInterval(() => reply.write("data: on\n\n"), 200);
  t.after(() => clearInterval(spoken));
  await until(() => received.text.length > 20 * "data: on\n\n".length);
  clearInterval(spoken);
  await ended;
  assert.match(
    received.text,
    /^(data: on\n\n)+\n\nevent: error\ndata: {"code":"origin_idle"}\n\n$/,
  );
});

test("a response with a silent origin is cut off, so that the client detects it", async (t) => {
  const headers = { "content-type": "text/plain", "content-length": 10 };
  const { reply, received, ended } = await begun(t, { IDLE_TIMEOUT_ANSWER: "1s" }, headers);
  reply.write("half");
  await assert.rejects(ended);
  assert.equal(received.text, "half");
});

test("a slow but steady response passes whole, with its length", async (t) => {
  const origin = await Origin.start(t, (_, reply) => reply.end("x".repeat(3_000_000)));
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { IDLE_TIMEOUT_ANSWER: "1s" },
  });
  const response = await fetch(vestibule.url);
  assert.equal(response.headers.get("content-length"), "3000000");
  assert.equal((await response.text()).length, 3_000_000);
});

test("a compressed response with an idle limit passes whole", async (t) => {
  const text = "many words, ".repeat(50_000);
  const packed = gzipSync(text);
  const origin = await Origin.start(t, (_, reply) => {
    reply.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length });
    reply.end(packed);
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { IDLE_TIMEOUT_ANSWER: "5s" },
  });
  assert.equal(await (await fetch(vestibule.url)).text(), text);
});

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} vars
 */
async function chat(t, vars) {
  const origin = await Origin.start(t);
  const sockets = new WebSocketServer({ server: origin.server });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`${data}`)));
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, { origin: vestibule.url });
  t.after(() => socket.terminate());
  await once(socket, "open");
  return { socket, sockets };
}

test("an idle socket is closed with 4408 on both sides", async (t) => {
  const { socket, sockets } = await chat(t, { IDLE_TIMEOUT_SOCKET: "1s" });
  const [theirs] = sockets.clients;
  const [[code, reason], [originCode]] = await Promise.all([
    once(socket, "close"),
    once(theirs, "close"),
  ]);
  assert.deepEqual([code, String(reason), originCode], [4408, "idle", 4408]);
});

test("an active socket stays open", async (t) => {
  const { socket } = await chat(t, { IDLE_TIMEOUT_SOCKET: "3s" });
  // Together longer than the limit.
  for (let sent = 0; sent < 25; sent += 1) {
    socket.send("still here");
    await once(socket, "message");
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  assert.equal(socket.readyState, WebSocket.OPEN);
});

test("an origin that does not accept a socket in time gets a 504", async (t) => {
  const origin = await Origin.start(t);
  origin.server.on("upgrade", () => {});
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { HANDSHAKE_TIMEOUT: "1s" },
  });
  const answer = await exchange(
    vestibule.port,
    "GET /ws HTTP/1.1\r\nHost: chat.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "Origin: http://chat.example\r\n\r\n",
  );
  assert.deepEqual([answer.status, answer.code], [504, "origin_timeout"]);
});

for (const coding of ["zstd", "compress", "gzip, zstd", "GZIP"]) {
  test(`no comment is inserted into an event stream encoded as ${coding}`, async (t) => {
    const packed = zstdCompressSync("data: 1\n\n");
    // It ends with a byte that would end a line in plain text.
    const parts = [Buffer.concat([packed, Buffer.from("\n")]), Buffer.from("\n\n")];
    const origin = await Origin.start(t, async (_, reply) => {
      reply.writeHead(200, { ...EVENTS, "content-encoding": coding });
      reply.write(parts[0]);
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      reply.end(parts[1]);
    });
    const vestibule = await Vestibule.start(t, {
      origins: [origin.url],
      vars: { STREAM_KEEP_ALIVE: "1s" },
    });
    const answer = await wholeAnswer(vestibule.port);
    assert.deepEqual(answer.body, Buffer.concat(parts));
    assert.ok(answer.isComplete);
  });

  test(`a revocable event stream encoded as ${coding} is cut off when its origin breaks off`, async (t) => {
    const part = Buffer.concat([zstdCompressSync("data: 1\n\n"), Buffer.from("\n")]);
    const origin = await Origin.start(t, (_, reply) => {
      reply.writeHead(200, { ...EVENTS, "content-encoding": coding });
      reply.write(part);
      setTimeout(() => reply.destroy(), 200);
    });
    const vestibule = await Vestibule.start(t, {
      origins: [origin.url],
      vars: { STREAMS: "revocable" },
    });
    const answer = await wholeAnswer(vestibule.port);
    assert.deepEqual(answer.body, part);
    assert.ok(!answer.isComplete);
    await until(() => vestibule.logged("stream_broken").length === 1);
  });
}

for (const [coding, code] of /** @type {[string, (text: string) => Buffer][]} */ ([
  ["identity", (text) => Buffer.from(text)],
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
])) {
  test(`an event stream encoded as ${coding} stays readable with inserted comments`, async (t) => {
    const packed = code("data: 1\n\n");
    const origin = await Origin.start(t, async (_, reply) => {
      reply.writeHead(200, { ...EVENTS, "content-encoding": coding });
      reply.write(packed);
      await new Promise((resolve) => setTimeout(resolve, 1_700));
      reply.end();
    });
    const vestibule = await Vestibule.start(t, {
      origins: [origin.url],
      vars: { STREAM_KEEP_ALIVE: "1s" },
    });
    const answer = await fetch(vestibule.url, { headers: { "accept-encoding": coding } });
    assert.match(await answer.text(), /^data: 1\n\n(?::\n){1,3}$/);
  });
}
