/** Tests the modules that follow streams and sockets, without the Worker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pump } from "../../src/worker/js/streams/pump.js";
import { SendQueue } from "../../src/worker/js/streams/send_queue.js";
import { loadEdge } from "../harness/edge-module.mjs";

const { startRevalidation } = await loadEdge(
  'export { startRevalidation } from "./streams/revalidate.js";',
);

const KIB = 1024;
const MIB = 1024 * KIB;

/** Lets promises and streams run until they are idle. */
async function settle() {
  for (let count = 0; count < 20; count += 1) await turn();
}

/**
 * Advances the time in steps.
 * @param {import("node:test").TestContext} t
 * @param {number} ms
 */
async function pass(t, ms, step = 10) {
  for (let passed = 0; passed < ms; passed += step) {
    t.mock.timers.tick(step);
    await settle();
  }
}

/**
 * Starts a pump.
 * @param {import("node:test").TestContext} t
 * @param {{ keepAlive?: number, idle?: number, signal?: AbortSignal }} limits
 */
function pumping(t, { keepAlive = 0, idle = 0, signal }) {
  t.mock.timers.enable({ apis: ["setInterval", "Date"] });
  const { readable: source, writable: input } = new TransformStream();
  const { readable: output, writable: sink } = new TransformStream();
  const seen = { text: "", end: "" };
  const writer = input.getWriter();
  writer.closed.catch(() => {});
  const read = async () => {
    for await (const part of output) seen.text += new TextDecoder().decode(part);
    seen.end = "closed";
  };
  read().catch(() => {});
  pump(source, sink, { keepAlive, idle, signal }).catch((error) => {
    seen.end = String(error);
  });
  const write = (/** @type {string} */ text) => writer.write(new TextEncoder().encode(text));
  return { seen, write, writer };
}

test("a pump forwards every chunk, and closes at the source's end", async (t) => {
  const { seen, write, writer } = pumping(t, { idle: 1_000 });
  await write("data: 1\n\n");
  await write("data: 2\n\n");
  await writer.close();
  await settle();
  assert.deepEqual(seen, { text: "data: 1\n\ndata: 2\n\n", end: "closed" });
});

test("a pump ends a source that is silent for too long", async (t) => {
  const { seen, write } = pumping(t, { idle: 100 });
  await pass(t, 80);
  await write("data: 1\n\n");
  await pass(t, 80);
  assert.equal(seen.end, "");
  await pass(t, 50);
  assert.equal(seen.end, "idle");
});

test("a pump keeps a silent stream alive with comments, never within a line", async (t) => {
  const { seen, write } = pumping(t, { keepAlive: 100 });
  await write("data: 1\n\n");
  await pass(t, 240);
  assert.equal(seen.text, "data: 1\n\n:\n:\n");
  await write("data: ");
  await pass(t, 300);
  assert.equal(seen.text, "data: 1\n\n:\n:\ndata: ");
  await write("2\n\n");
  await pass(t, 140);
  assert.equal(seen.text, "data: 1\n\n:\n:\ndata: 2\n\n:\n");
});

test("a pump reports why it ended: its signal, or the source's error", async (t) => {
  const end = new AbortController();
  const aborted = pumping(t, { idle: 1_000, signal: end.signal });
  end.abort("session_ended");
  await settle();
  assert.equal(aborted.seen.end, "session_ended");
  t.mock.timers.reset();
  const broken = pumping(t, { idle: 1_000 });
  await broken.writer.abort("lost");
  await settle();
  assert.equal(broken.seen.end, "lost");
});

/**
 * Starts a revalidation with these outcomes, and records its effects.
 * @param {import("node:test").TestContext} t
 * @param {({ afterMs: number } | { over: string })[]} outcomes
 */
function revalidating(t, outcomes) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const seen = { asked: 0, over: /** @type {string[]} */ ([]) };
  const stop = startRevalidation(
    async () => outcomes[seen.asked++],
    (/** @type {string} */ reason) => seen.over.push(reason),
  );
  return { seen, stop };
}

test("a session is revalidated at the given interval until it is over", async (t) => {
  const { seen } = revalidating(t, [{ afterMs: 50 }, { afterMs: 100 }, { over: "session_ended" }]);
  await settle();
  assert.equal(seen.asked, 1);
  await pass(t, 50);
  assert.equal(seen.asked, 2);
  await pass(t, 90);
  assert.deepEqual(seen, { asked: 2, over: [] });
  await pass(t, 200);
  assert.deepEqual(seen, { asked: 3, over: ["session_ended"] });
});

test("a closed stream is neither revalidated nor closed again", async (t) => {
  const waiting = revalidating(t, [{ afterMs: 50 }, { over: "session_ended" }]);
  await settle();
  waiting.stop();
  await pass(t, 200);
  assert.deepEqual(waiting.seen, { asked: 1, over: [] });
  t.mock.timers.reset();
  const asking = revalidating(t, [{ over: "session_ended" }]);
  asking.stop();
  await settle();
  assert.deepEqual(asking.seen, { asked: 1, over: [] });
});

/**
 * Creates a queue for a socket that sends nothing until `read` is called.
 * @param {() => void} [onTooSlow]
 */
function queue(onTooSlow = () => {}) {
  const socket = {
    sent: /** @type {string[]} */ ([]),
    closed: /** @type {string[]} */ ([]),
    bufferedAmount: 0,
    /** @param {string} message */
    send(message) {
      this.sent.push(message.slice(0, 3));
      this.bufferedAmount += Buffer.byteLength(message);
    },
    /** @param {(string | number)[]} how */
    close(...how) {
      this.closed.push(how.join(" "));
    },
    read() {
      this.bufferedAmount = 0;
    },
  };
  return { socket, queue: new SendQueue(/** @type {any} */ (socket), onTooSlow) };
}

/** Returns a numbered message of a given size. @param {number} number */
function message(number, size = 64 * KIB) {
  return String(number).padStart(3, "0").padEnd(size);
}

test("a queue holds messages back while an end does not read, and sends them in order", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { socket, queue: lane } = queue();
  for (let number = 0; number < 12; number += 1) lane.send(message(number));
  assert.deepEqual(socket.sent, ["000", "001", "002", "003"]);
  await pass(t, 1_000, 50);
  assert.equal(socket.sent.length, 4);
  socket.read();
  await pass(t, 250, 50);
  assert.equal(socket.sent.length, 8);
  lane.send(message(12));
  socket.read();
  await pass(t, 250, 50);
  socket.read();
  await pass(t, 250, 50);
  assert.deepEqual(
    socket.sent,
    Array.from({ length: 13 }, (_, number) => String(number).padStart(3, "0")),
  );
});

test("the runtime buffers little for an end that does not read, in any script", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const character of ["a", "é", "語"]) {
    const { socket, queue: lane } = queue();
    const text = character.repeat(8 * KIB);
    for (let sent = 0; sent < 200; sent += 1) lane.send(text);
    const most = 256 * KIB + Buffer.byteLength(text);
    assert.ok(socket.bufferedAmount <= most, `${character}: ${socket.bufferedAmount}`);
    lane.drop();
  }
});

test("a finished queue closes its socket after sending everything, and accepts no more", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { socket, queue: lane } = queue();
  for (let number = 0; number < 5; number += 1) lane.send(message(number));
  lane.finish(1000, "bye");
  assert.deepEqual(socket.closed, []);
  socket.read();
  await pass(t, 100);
  lane.send(message(5));
  assert.deepEqual([socket.sent.length, socket.closed], [5, ["1000 bye"]]);
  const { socket: idle, queue: empty } = queue();
  empty.finish(1005, "");
  assert.deepEqual(idle.closed, [""], "no code is a close without one");
});

test("the slowest of all slow ends is closed when they fill the isolate together", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {string[]} */
  const gone = [];
  const named = (/** @type {string} */ name) => queue(() => gone.push(name)).queue;
  const [heavy, light] = [named("heavy"), named("light")];
  for (let part = 0; part < 10; part += 1) heavy.send(message(part, MIB));
  for (let part = 0; part < 6; part += 1) light.send(message(part, MIB));
  assert.deepEqual(gone, [], "only its own request may close a socket");
  await pass(t, 20);
  assert.deepEqual(gone, ["heavy"]);
  for (let part = 0; part < 9; part += 1) light.send(message(part, MIB));
  await pass(t, 500);
  assert.deepEqual(gone, ["heavy"]);
  light.close(1000, "");
});
