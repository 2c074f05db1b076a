/** The session API, at a recording server. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Channel } from "../src/channel.ts";
import {
  ChangeRefused,
  Conflict,
  LeaseHeld,
  Misconfigured,
  NeedsResponse,
  NoSession,
  OriginApi,
  Unavailable,
} from "../src/index.ts";
import { Session } from "../src/session.ts";
import { KNOWN, NAME, RECORD, Recorder } from "./recorder.ts";
import { serve } from "./support.ts";

test("a patch shows the session as it is then", async (t) => {
  const recorder = await Recorder.start(t);
  const session = recorder.session();
  assert.equal(await session.patch({ count: 4 }), session);
  const { method, path, body, headers } = recorder.last;
  assert.deepEqual([method, path], ["PATCH", `/_session/api/sessions/${NAME}`]);
  assert.deepEqual(body, { patch: { count: 4 }, begin: KNOWN.created });
  assert.equal(headers.authorization, "Bearer the-key");
  assert.equal(headers["if-match"], "*");
  assert.equal(headers["content-type"], "application/json");
  assert.deepEqual([session.user, session.name, session.email], ["ada", "Ada", null]);
  assert.deepEqual([session.groups, session.groupsOmitted], [["staff"], 2]);
  assert.deepEqual([session.data, session.dataOmitted], [{ count: 4 }, false]);
  assert.deepEqual([session.tenant, session.env], ["acme", { MODEL: "small" }]);
  assert.deepEqual([session.isTakenOver, session.expires], [true, RECORD.expires]);
});

test("a session whose start is not known begins no record", async (t) => {
  const recorder = await Recorder.start(t);
  await recorder.session({ ...KNOWN, created: 0 }).ttl(600);
  assert.deepEqual(recorder.last.body, { ttl: 600 });
});

test("a background task reads a session by its name, and ends it", async (t) => {
  const recorder = await Recorder.start(t);
  const session = await recorder.api.read(NAME);
  assert.deepEqual([session.id, session.user, session.data], [NAME, "ada", { count: 4 }]);
  await session.refresh();
  assert.equal(recorder.last.method, "GET");
  recorder.answer = () => ({ status: 204 });
  await session.destroy();
  assert.deepEqual([recorder.last.method, recorder.last.body], ["DELETE", undefined]);
});

test("a name cannot lead to another path", async (t) => {
  const recorder = await Recorder.start(t);
  for (const name of ["", ".", ".."]) await assert.rejects(recorder.api.read(name), NoSession);
  assert.equal(recorder.calls.length, 0);
  await recorder.api.read("../../admin?x#y");
  assert.equal(recorder.last.path, "/_session/api/sessions/..%2F..%2Fadmin%3Fx%23y");
});

test("a lease is taken, used, extended and released", async (t) => {
  const recorder = await Recorder.start(t);
  const session = recorder.session({ ...KNOWN, created: 0 });
  recorder.answer = () => ({
    status: 200,
    body: { token: 7, until: 1_700_000_030, exclusive: true },
  });
  const lease = await session.lease({ seconds: 60, wait: 5 });
  assert.deepEqual(lease, { token: 7, until: 1_700_000_030, exclusive: true });
  assert.deepEqual(recorder.last.body, { seconds: 60, wait: 5, exclusive: true });
  await session.lease({ token: 7 });
  assert.deepEqual(recorder.last.body, { seconds: 30, token: 7, exclusive: true });
  recorder.answer = () => ({ status: 200, body: RECORD });
  await session.patch({ a: 1 }, { lease });
  assert.deepEqual(recorder.last.body, { patch: { a: 1 }, lease: 7 });
  await session.patch({ a: 1 }, { wait: 5 });
  assert.deepEqual(recorder.last.body, { patch: { a: 1 }, wait: 5, begin: RECORD.created });
  recorder.answer = () => ({ status: 204 });
  await session.release(lease);
  assert.deepEqual([recorder.last.method, recorder.last.body], ["DELETE", { token: 7 }]);
  assert.equal(recorder.last.path, `/_session/api/sessions/${NAME}/lease`);
});

test("a call that waits for a lease may take that much longer", async (t) => {
  const recorder = await Recorder.start(t);
  const api = new OriginApi(recorder.url, "the-key", { timeout: 0.2 });
  recorder.answer = () => ({ status: 200, body: RECORD, after: setTimeout(500) });
  await assert.rejects(api.change(KNOWN, { ttl: 600 }), Unavailable);
  await api.change(KNOWN, { ttl: 600, wait: 5 });
});

const ERRORS: [
  status: number,
  code: string,
  error: new (...args: never[]) => Error,
  advice: RegExp,
][] = [
  [401, "api_key", Misconfigured, /ORIGIN_KEY/],
  [429, "too_many_guesses", Misconfigured, /ORIGIN_KEY/],
  [404, "not_found", NoSession, /newer request/],
  [404, "not_recorded", NoSession, /CONSISTENCY=strong/],
  [404, "", Misconfigured, /VESTIBULE_URL/],
  [302, "", Misconfigured, /VESTIBULE_URL/],
  [409, "needs_objects", Misconfigured, /CONSISTENCY=strong/],
  [409, "leased", LeaseHeld, /leased/],
  [409, "session_replaced", Conflict, /session_replaced/],
  [412, "version_changed", Conflict, /version_changed/],
  [413, "body_too_large", ChangeRefused, /body_too_large/],
  [422, "invalid", ChangeRefused, /why/],
  [503, "store_unavailable", Unavailable, /Try again/],
];

for (const [status, code, type, advice] of ERRORS) {
  test(`${status} ${code} is an error that says what to do`, async (t) => {
    const recorder = await Recorder.start(t);
    const headers = { "retry-after": "12", location: "https://evil.example/" };
    recorder.answer = () => ({ status, body: { code, detail: "why" }, headers });
    await assert.rejects(recorder.session().patch({}), (error: Error) => {
      assert.equal(error.constructor, type);
      assert.equal(error.name, type.name);
      assert.match(error.message, advice);
      assert.doesNotMatch(error.message, /the-key/);
      if (error instanceof LeaseHeld) assert.equal(error.retryAfter, 12);
      return true;
    });
    assert.equal(recorder.calls.length, 1);
  });
}

test("what is not the session API is noticed", async (t) => {
  const url = await serve(t, (_, response) => response.end("<h1>hello</h1>"));
  await assert.rejects(new OriginApi(url, "the-key").read(NAME), Misconfigured);
});

test("silence differs from a refusal, and no error shows the key", async (t) => {
  const silent = await serve(t, () => {});
  const gone = await serve(t, (request) => request.socket.destroy());
  for (const url of [silent, gone, "http://127.0.0.1:1"]) {
    const api = new OriginApi(url, "the-key", { timeout: 0.2 });
    await assert.rejects(api.read(NAME), (error: Error) => {
      assert.ok(error instanceof Unavailable);
      assert.match(error.message, /VESTIBULE_URL/);
      assert.doesNotMatch(`${error.stack} ${(error.cause as Error).stack}`, /the-key/);
      return true;
    });
  }
});

test("the address must be a URL, and the key one line", () => {
  for (const url of ["", "chat.example", "ftp://chat.example", "https://"])
    assert.throws(() => new OriginApi(url, "the-key"), /VESTIBULE_URL/);
  for (const key of ["", "the-key\n", "the\0key"]) {
    assert.throws(
      () => new OriginApi("https://chat.example", key),
      (error: Error) => error instanceof Misconfigured && !/the.key/.test(error.message),
    );
  }
});

test("a key beyond ASCII is sent as UTF-8", async (t) => {
  const recorder = await Recorder.start(t);
  await new OriginApi(recorder.url, "schlüssel").read(NAME);
  const sent = Buffer.from(recorder.last.headers.authorization ?? "", "latin1").toString();
  assert.equal(sent, "Bearer schlüssel");
});

test("what needs a response, or an API that is not configured, is refused", async (t) => {
  const recorder = await Recorder.start(t);
  await assert.rejects(recorder.session().identify("ada"), NeedsResponse);
  await assert.rejects(recorder.session().rotate(), NeedsResponse);
  await assert.rejects(recorder.session().ttl(0.5), ChangeRefused);
  const without = new Session(new Channel(null, KNOWN));
  await assert.rejects(without.patch({ a: 1 }), Misconfigured);
  await assert.rejects(without.lease(), Misconfigured);
  assert.equal(recorder.calls.length, 0);
});
