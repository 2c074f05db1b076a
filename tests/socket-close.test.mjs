/** Tests that a followed WebSocket is closed on both ends, for any frame that one of them sends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { closePayload, frameClient, framePeers } from "./harness/frames.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** @typedef {import("./harness/frames.mjs").FramePeer} FramePeer */

const ADMIN = "operators-know-this-token";

/** @param {import("node:test").TestContext} t */
async function deployment(t) {
  const origin = await Origin.start(t);
  const peers = framePeers(origin.server);
  const vars = { STREAMS: "revocable", ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "100" };
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  const pair = async () => {
    const client = await frameClient(t, vestibule.port);
    const theirs = peers.at(-1);
    assert.ok(theirs);
    return { client, theirs };
  };
  return { vestibule, pair };
}

/** Returns the gauge of open sockets. @param {Vestibule} vestibule */
async function gauge({ url }) {
  const headers = { authorization: `Bearer ${ADMIN}` };
  const text = await (await fetch(`${url}/_session/admin/metrics`, { headers })).text();
  const line = /^vestibule_streams_active\{[^}]*kind="websocket"[^}]*\} (\d+)/m.exec(text);
  return Number(line?.[1] ?? -1);
}

/** Answers a close frame, as every endpoint must. @param {FramePeer} peer */
async function answerClose(peer) {
  await until(() => peer.closeCode !== 0, { what: "a close frame" });
  if (!peer.isEnded) peer.send(8, closePayload(1000));
}

/** @type {[string, (peer: FramePeer) => void, number][]} */
const CLOSES = [
  ...[0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_535].map(
    (code) =>
      /** @type {[string, (peer: FramePeer) => void, number]} */ ([
        `the code ${code}`,
        (peer) => peer.close(code),
        1002,
      ]),
  ),
  ["the code 1005 and a reason", (peer) => peer.close(1005, "said"), 1002],
  ["a reason that is no UTF-8", (peer) => peer.close(1000, Buffer.from([0xff, 0xfe])), 1002],
  ["a close frame that is too long", (peer) => peer.close(1000, "x".repeat(130)), 1002],
  ["reserved bits", (peer) => peer.send(1, "hello", { first: 0xf1 }), 1002],
  ["an unknown opcode", (peer) => peer.send(5, "hello"), 1002],
  ["a ping in parts", (peer) => peer.send(9, "x", { first: 0x09 }), 1002],
  ["a continuation of nothing", (peer) => peer.send(0, "x"), 1002],
  ["a code of an application", (peer) => peer.close(4999, "bye"), 4999],
  ["the code 1012", (peer) => peer.close(1012), 1012],
  ["no code", (peer) => peer.send(8, ""), 1005],
];

for (const side of ["client", "origin"]) {
  test(`both ends are closed, with any code the ${side} closes a socket with`, async (t) => {
    const { vestibule, pair } = await deployment(t);
    const all = [];
    for (const [what, act, code] of CLOSES) {
      const { client, theirs } = await pair();
      const [from, to] = side === "client" ? [client, theirs] : [theirs, client];
      all.push({ what, act, code, from, to });
    }
    await until(async () => (await gauge(vestibule)) === CLOSES.length, {
      what: "a gauge that counts them all",
    });
    for (const { what, act, code, from, to } of all) {
      act(from);
      await answerClose(to);
      await until(() => from.closeCode !== 0 && from.isEnded && to.isEnded, { what });
      assert.deepEqual([from.closeCode, to.closeCode], [code, code], what);
    }
    await until(async () => (await gauge(vestibule)) === 0, { what: "a gauge of zero" });
  });
}

test("a socket counts as open until both of its ends have closed", async (t) => {
  const { vestibule, pair } = await deployment(t);
  const { client, theirs } = await pair();
  client.close(1000);
  await until(() => theirs.closeCode === 1000);
  await until(async () => (await gauge(vestibule)) === 1, { what: "the origin's end" });
  theirs.close(1000);
  await until(async () => (await gauge(vestibule)) === 0, { what: "a gauge of zero" });
});

test("messages sent before a close reach the other end first", async (t) => {
  const { pair } = await deployment(t);
  const { client, theirs } = await pair();
  const part = "x".repeat(60_000);
  client.socket.pause();
  for (let number = 0; number < 50; number += 1) theirs.send(1, part);
  theirs.close(4000, "done");
  client.socket.resume();
  await until(() => client.closeCode === 4000, { what: "the close frame" });
  assert.equal(client.frames.filter(({ opcode }) => opcode === 1).length, 50);
});
