/** Tests reports to Analytics Engine, and an isolate without the aggregator object. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdge } from "./harness/edge-module.mjs";
import { freshKey } from "./harness/workerd.mjs";

const LABELS = "acme\ta\t\thit\tactive\t\t_other\tGET";

/** Loads a new isolate of the Worker, without counts. @param {Record<string, unknown>} env */
async function isolate(env) {
  const edge = await loadEdge(
    'export { admit, configure } from "./instance.js"; export { RequestTrace } from "./telemetry/request_trace.js"; export { recorder, recordRequest } from "./telemetry/window.js"; export { later } from "cloudflare:workers";',
  );
  const bindings = { SESSION_KEYS: freshKey(), ORIGINS: "http://127.0.0.1:9", SESSIONS: {} };
  const all = { ...bindings, CONSISTENCY: "eventual", TELEMETRY_EVERY: "50", ...env };
  edge.configure(all);
  const { later } = edge;
  later.length = 0;
  /** @param {number} status */
  const answer = (status, labels = LABELS, flags = "") => {
    const trace = new edge.RequestTrace(Date.now(), "https");
    Object.assign(trace, { labels, flags });
    return edge.recordRequest(trace, new Response("", { status }), "", all);
  };
  // A symbol is no text: the call enters the instance and leaves it by an exception.
  const trap = () => edge.admit(/** @type {any} */ (Symbol("no text")), Date.now());
  const recorder = edge.recorder();
  return {
    answer,
    recorder,
    trap,
    received: () => Promise.all(later),
    windows: () => later.length,
  };
}

test("Analytics Engine gets a data point per kind of response, with the count", async () => {
  /** @type {any[]} */
  const points = [];
  const { answer, received } = await isolate({
    ANALYTICS: { writeDataPoint: (/** @type {any} */ point) => points.push(point) },
  });
  for (const status of [200, 200, 404]) answer(status);
  await received();
  assert.deepEqual(points, [
    { indexes: ["acme"], blobs: ["acme", "GET", "200", "a"], doubles: [2] },
    { indexes: ["acme"], blobs: ["acme", "GET", "404", "a"], doubles: [1] },
  ]);
});

test("with TELEMETRY_EVERY=0 nothing is reported", async () => {
  /** @type {any[]} */
  const points = [];
  const { answer, received } = await isolate({
    TELEMETRY_EVERY: "0",
    ANALYTICS: { writeDataPoint: (/** @type {any} */ point) => points.push(point) },
  });
  const given = answer(200);
  assert.equal(given.status, 200);
  assert.deepEqual([points, await received()], [[], []]);
});

test("a lost report delays the next one by half a minute", async (t) => {
  const { answer, windows } = await isolate({});
  // No timer fires here, as in a cancelled request.
  t.mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_763_740_000_000 });
  answer(200);
  t.mock.timers.setTime(1_763_740_029_999);
  answer(200);
  assert.equal(windows(), 1);
  t.mock.timers.setTime(1_763_740_030_000);
  answer(200);
  answer(200);
  assert.equal(windows(), 2);
});

test("counts do not fill the memory before the window closes", async () => {
  /** @type {any[]} */
  const points = [];
  const { answer, received } = await isolate({
    ANALYTICS: { writeDataPoint: (/** @type {any} */ point) => points.push(point) },
  });
  for (let kind = 0; kind <= 5_000; kind += 1) answer(200, `t${kind}${LABELS.slice(4)}`);
  assert.equal(points.length, 250);
  await received();
  assert.equal(points.length, 250);
});

test("counts of the data plane survive a trap and are reported in the next window", async (t) => {
  /** @type {any[]} */
  const points = [];
  const { answer, trap, received } = await isolate({
    ANALYTICS: { writeDataPoint: (/** @type {any} */ point) => points.push(point.blobs) },
  });
  // The timer of a replaced instance never fires.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  answer(200);
  await new Promise(setImmediate);
  trap();
  t.mock.timers.reset();
  await received();
  assert.deepEqual(points, []);
  answer(404);
  await received();
  assert.deepEqual(points, [
    ["acme", "GET", "200", "a"],
    ["acme", "GET", "404", "a"],
  ]);
});

test("200 traces, and 200 of failed requests, survive the instance's death", async (t) => {
  t.mock.method(console, "error", () => {});
  const { answer, recorder, trap } = await isolate({ TELEMETRY_EVERY: "0" });
  for (let count = 0; count < 199; count += 1) answer(200, LABELS, "x");
  trap();
  for (let count = 0; count < 203; count += 1) answer(200, LABELS, "x");
  for (let count = 0; count < 203; count += 1) answer(502, LABELS, "e");
  answer(200, LABELS, "e");
  assert.deepEqual([recorder.goodTraces.length, recorder.failedTraces.length], [200, 200]);
  assert.equal(recorder.failedTraces[0].status, 502);
});
