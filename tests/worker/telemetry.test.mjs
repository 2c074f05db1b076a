/** Tests the modules that count in the data plane, without the Worker. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { count, countRequest, takeCounted } from "../../src/worker/js/telemetry/counters.js";
import { answered, begin, end, inFlight, isDue } from "../../src/worker/js/telemetry/in_flight.js";
import {
  buffer,
  timestampOf,
  writeLater,
  writeLines,
} from "../../src/worker/js/telemetry/log_buffer.js";
import { RequestTrace } from "../../src/worker/js/telemetry/request_trace.js";

const NOT_ASKED = { edgeMs: 0, originMs: -1, answerMs: -1 };

beforeEach(() => {
  takeCounted();
  Object.assign(buffer, { written: [], shown: [], isWatched: false });
});

test("requests with equal labels are counted together, each with its durations", () => {
  countRequest("acme\tGET\t200", { edgeMs: 2, originMs: 12, answerMs: 10 }, "");
  countRequest("acme\tGET\t200", { edgeMs: 1, originMs: 3, answerMs: -1 }, "acme\thandle");
  countRequest("acme\tGET\t401", NOT_ASKED, "acme\thandle");
  countRequest("acme\tGET\t101", NOT_ASKED, "acme\thandle");
  const { requests, sessions } = takeCounted();
  assert.deepEqual(Object.fromEntries(requests), {
    "acme\tGET\t200": [2, 12, 10, 1, 3, -1],
    "acme\tGET\t401": [0, -1, -1],
    "acme\tGET\t101": [0, -1, -1],
  });
  assert.deepEqual(Object.fromEntries(sessions), { "acme\thandle": 2, "acme\thandle\t101": 1 });
  const next = takeCounted();
  assert.deepEqual([next.requests.size, next.sessions.size], [0, 0]);
});

test("counters are reported early when there are too many requests", () => {
  for (let request = 0; request < 50_000; request += 1) {
    assert.equal(countRequest("labels", NOT_ASKED, ""), false);
  }
  assert.equal(countRequest("labels", NOT_ASKED, ""), true);
  takeCounted();
  assert.equal(countRequest("labels", NOT_ASKED, ""), false);
});

test("counters are reported early when there are too many label sets", () => {
  for (let kind = 0; kind < 5_000; kind += 1) {
    assert.equal(countRequest(`labels ${kind}`, NOT_ASKED, ""), false);
  }
  assert.equal(countRequest("labels 0", NOT_ASKED, ""), false);
  assert.equal(countRequest("labels 0", NOT_ASKED, "acme\thandle"), true);
});

test("counters restart when they are reported; a gauge stays until nothing is open", () => {
  const open = "vestibule_origin_connections_active\tacme\ta\tsse";
  const event = "vestibule_events_total\t\tpaused";
  count(event);
  count(event);
  count(open);
  count(open);
  const taken = () => Object.fromEntries(takeCounted().numbers);
  assert.deepEqual(taken(), { [event]: 2, [open]: 2 });
  count(open, -1);
  assert.deepEqual(taken(), { [open]: 1 });
  count(open, -1);
  assert.deepEqual(taken(), { [open]: 0 });
  assert.deepEqual(taken(), {});
});

test("an in-flight request ends by itself at its deadline", () => {
  const now = Date.now();
  const first = begin("acme/a", now + 100);
  begin("acme/a", now + 200);
  const socket = begin("acme/b");
  const under = (/** @type {number} */ at) =>
    inFlight(at).map(({ place, underWay }) => `${place}: ${underWay}`);
  assert.deepEqual(under(now), ["acme/a: 2", "acme/b: 1"]);
  end(first);
  assert.deepEqual(under(now), ["acme/a: 1", "acme/b: 1"]);
  assert.deepEqual(under(now + 201), ["acme/a: 0", "acme/b: 1"]);
  end(socket);
  assert.deepEqual(under(now + 201), ["acme/a: 0", "acme/b: 0"]);
});

test("the core gets in-flight counts at most four times a second", () => {
  begin("acme/a");
  const now = Date.now();
  inFlight(now);
  assert.deepEqual([isDue(now + 249), isDue(now + 250)], [false, true]);
});

test("the core gets the first success after an error, and no other", () => {
  const answer = (/** @type {number} */ status) => answered(begin("acme/c"), 10, status);
  assert.deepEqual([200, 500, 502, 503, 404, 200].map(answer), [
    ...[false, false, false, false],
    ...[true, false],
  ]);
  end(begin("acme/c"), true);
  assert.deepEqual([504, 200].map(answer), [false, true]);
  end(begin("acme/c"));
  assert.equal(answer(200), false);
});

test("the time to first byte is a moving average with a weight of a tenth", () => {
  const ms = () => inFlight().find(({ place }) => place === "acme/d")?.firstByteMs;
  answered(begin("acme/d"), 100, 200);
  assert.equal(ms(), 10);
  answered(begin("acme/d"), 20, 200);
  assert.equal(ms(), 11);
});

/** Returns the trace of a request that came at 1000 and was answered at 1100. @param {Partial<RequestTrace>} [more] */
function trace(more) {
  return Object.assign(new RequestTrace(1_000, "https"), { ended: 1_100 }, more);
}

test("durations of edge and origin are separate", (t) => {
  assert.deepEqual(trace().durations(), { edgeMs: 100, originMs: -1, answerMs: -1 });
  const direct = trace({ sent: 1_010, answered: 1_080 });
  assert.deepEqual(direct.durations(), { edgeMs: 30, originMs: 70, answerMs: 70 });
  t.mock.timers.enable({ apis: ["Date"], now: 1_040 });
  const second = trace({ sent: 1_010 });
  second.giveUp();
  Object.assign(second, { sent: 1_050, answered: 1_080 });
  assert.deepEqual(second.durations(), { edgeMs: 40, originMs: 60, answerMs: 30 });
  const none = trace({ sent: 1_010 });
  none.giveUp();
  assert.deepEqual(none.durations(), { edgeMs: 70, originMs: 30, answerMs: -1 });
});

test("stages after the origin's response are written back", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_005 });
  const request = trace();
  request.passed("kv", 1_000, "ok", "session lookup");
  request.answered = 1_050;
  t.mock.timers.tick(85);
  request.passed("serialise", 1_090, "345", "");
  request.passed("object", 1_060, "error", "");
  assert.deepEqual(request.stages, [
    { name: "kv", begun: 1_000, ended: 1_005, result: "ok", parent: "session lookup" },
    { name: "serialise", begun: 1_090, ended: 1_090, result: "345", parent: "" },
    { name: "write-back", begun: 1_060, ended: 1_090, result: "error", parent: "" },
  ]);
});

test("Server-Timing sums stages of one name", () => {
  const stage = (/** @type {string} */ name, /** @type {number} */ ms) => ({
    ...{ name, result: "ok", begun: 1_000, ended: 1_000 + ms, parent: "" },
  });
  const request = trace({ stages: [stage("kv", 3), stage("object", 5), stage("kv", 4)] });
  assert.equal(
    request.toServerTiming({ edgeMs: 7, originMs: 20, answerMs: 20 }),
    "edge;dur=7, origin;dur=20, kv;dur=7, object;dur=5",
  );
  assert.equal(trace().toServerTiming(NOT_ASKED), "edge;dur=0");
});

test("request lines are written together", (t) => {
  const { mock } = t.mock.method(console, "log", () => {});
  writeLines();
  for (const line of ["1", "2"]) writeLater(line, true, false);
  writeLines();
  writeLines();
  assert.deepEqual(
    mock.calls.map(({ arguments: [text] }) => text),
    ["1\n2"],
  );
});

test("timestamps equal those of a date, within a second and across two", () => {
  for (const ms of [1_795_283_256_297, 1_795_283_256_000, 1_795_283_256_999, 1_795_283_257_007]) {
    assert.equal(timestampOf(ms), new Date(ms).toISOString());
  }
});

test("the console gets failures always, and other requests while an operator watches", () => {
  for (const isWatched of [false, true]) {
    buffer.isWatched = isWatched;
    writeLater(`visitor ${isWatched}`, true, false);
    writeLater(`operator ${isWatched}`, false, false);
    writeLater(`failure ${isWatched}`, false, true);
  }
  assert.deepEqual(buffer.shown, ["failure false", "visitor true", "failure true"]);
});

test("200 lines of a batch are kept, and the others counted", () => {
  for (let n = 0; n < 203; n += 1) writeLater("line", true, true);
  assert.equal(buffer.shown.length, 200);
  assert.deepEqual([...takeCounted().numbers], [["vestibule_telemetry_lines_dropped_total", 3]]);
});
