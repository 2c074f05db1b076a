/** Counts requests, sessions in use, events and what is open in maps, until they are taken. */

/** Upper bounds of the buckets of durations, in milliseconds: those of `telemetry/metric.rs`. */
const BOUNDS = [1, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000];

/** Figures of a duration: the sum in milliseconds, and the buckets, the last one for what is slower. */
const DURATION = BOUNDS.length + 2;

/** Figures of a kind of request: how many, then three durations. */
const FIGURES = 1 + 3 * DURATION;

/** Maximum number of kinds of request and of sessions; then what was counted is taken early. */
const MAX_KINDS = 5_000;

/** Figures by labels and status. @type {Map<string, Float64Array>} */
let requests = new Map();

/** Tenants and handles. @type {Set<string>} */
let sessions = new Set();

/** The metric of what is open; all others only grow. */
const GAUGE = "vestibule_streams_active\t";

/** By metric and labels, apart by tabs. @type {Map<string, number>} */
const numbers = new Map();

/**
 * Counts an answered request; returns whether what was counted is to be taken.
 * @param {string} labels
 * @param {import("../types.js").Durations} durations
 * @param {string} session tenant and handle, if it is a session that came before
 */
export function countRequest(labels, { edgeMs, originMs, answerMs }, session) {
  const figures = requests.get(labels) ?? new Float64Array(FIGURES);
  if (figures[0] === 0) requests.set(labels, figures);
  figures[0] += 1;
  observe(figures, 1, edgeMs);
  observe(figures, 1 + DURATION, originMs);
  observe(figures, 1 + 2 * DURATION, answerMs);
  if (session !== "") sessions.add(session);
  return requests.size + sessions.size > MAX_KINDS;
}

/** @param {Float64Array} figures @param {number} at @param {number} ms less than nothing for what there was not */
function observe(figures, at, ms) {
  if (ms < 0) return;
  let bucket = 0;
  while (ms > BOUNDS[bucket]) bucket += 1;
  figures[at] += ms;
  figures[at + 1 + bucket] += 1;
}

/** Adds to a counter or a gauge. @param {string} series metric and labels @param {number} [by] */
export function count(series, by = 1) {
  numbers.set(series, (numbers.get(series) ?? 0) + by);
}

/** Takes what was counted, for `worker/runtime.rs`. */
export function takeCounted() {
  const taken = { requests, sessions, numbers: new Map(numbers) };
  [requests, sessions] = [new Map(), new Set()];
  // That nothing is open any more is told once.
  for (const [series, value] of numbers) {
    if (value === 0 || !series.startsWith(GAUGE)) numbers.delete(series);
  }
  return taken;
}
