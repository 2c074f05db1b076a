/** Changes of one session through the session API: their order, and leases. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseChannel } from "../src/channel.ts";
import { DataOmitted, Unavailable } from "../src/index.ts";
import { Session } from "../src/session.ts";
import { KNOWN, RECORD, Recorder } from "./recorder.ts";

test("changes are made one after another, as they were asked for", async (t) => {
  const recorder = await Recorder.start(t);
  const session = recorder.session();
  const { promise: first, resolve: answerFirst } = deferred();
  recorder.answer = ({ body }) => {
    const { n } = (body as { patch: { n: number } }).patch;
    if (n === 2) return { status: 503, body: { code: "store_unavailable" } };
    return { status: 200, body: { ...RECORD, data: { n } }, ...(n === 1 && { after: first }) };
  };
  const changes = [1, 2, 3].map((n) => session.patch({ n }));
  const failure = assert.rejects(changes[1] ?? assert.fail(), Unavailable);
  while (recorder.calls.length === 0) await new Promise(setImmediate);
  await assert.rejects(recorder.session().patch({ n: 2 }), Unavailable);
  assert.equal(recorder.calls.length, 2, "only the first change was sent, and another session's");
  answerFirst();
  await Promise.all([changes[0], failure, changes[2]]);
  assert.equal(recorder.calls.length, 4);
  assert.deepEqual(session.data, { n: 3 });
});

test("a change that waits for a lease does not hold up the lease's holder", async (t) => {
  const recorder = await Recorder.start(t);
  const session = recorder.session();
  const { promise: released, resolve: release } = deferred();
  recorder.answer = ({ method, body }) => {
    const { patch, wait } = (body ?? {}) as { patch?: { n: number }; wait?: number };
    if (method === "GET") return { status: 200, body: { ...RECORD, data: { n: 2, both: true } } };
    return { status: 200, body: { ...RECORD, data: patch }, ...(wait && { after: released }) };
  };
  const waiting = [1, 2].map((n) => session.patch({ n }, { wait: 5 }));
  while (recorder.calls.length === 0) await new Promise(setImmediate);
  await session.refresh();
  const lease = { token: 7, until: 0, exclusive: true };
  await session.patch({ n: 3 }, { lease });
  assert.equal(recorder.calls.length, 3, "the second one that waits is behind the first");
  assert.deepEqual(session.data, { n: 3 });
  release();
  await Promise.all(waiting);
  assert.deepEqual(
    recorder.calls.filter(({ method }) => method === "PATCH").map(({ body }) => body),
    [
      { patch: { n: 1 }, wait: 5, begin: KNOWN.created },
      { patch: { n: 3 }, lease: 7, begin: RECORD.created },
      { patch: { n: 2 }, wait: 5, begin: RECORD.created },
    ],
  );
  assert.deepEqual(session.data, { n: 2 }, "the last one's answer");
});

test("a change is made without omitted data, and its answer has the data", async (t) => {
  const session = (await Recorder.start(t)).session();
  assert.throws(() => session.data, DataOmitted);
  await session.patch({ count: 4 });
  assert.deepEqual([session.dataOmitted, session.data], [false, { count: 4 }]);
});

test("a response changes omitted data without reading it", async (t) => {
  const recorder = await Recorder.start(t);
  const session = new Session(new ResponseChannel(recorder.api, { ...KNOWN, user: "ada" }));
  await session.patch({ count: 1 });
  await session.identify("ada");
  assert.throws(() => session.data, DataOmitted);
  assert.equal(recorder.calls.length, 0);
  await session.refresh();
  assert.deepEqual(session.data, { count: 1 });
});

test("another user has no data instead of omitted data", async () => {
  const session = new Session(new ResponseChannel(null, { ...KNOWN, user: "ada" }));
  await session.identify("eve");
  await session.patch({ count: 1 });
  assert.deepEqual([session.dataOmitted, session.data], [false, { count: 1 }]);
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((made) => {
    resolve = made;
  });
  return { promise, resolve };
}
