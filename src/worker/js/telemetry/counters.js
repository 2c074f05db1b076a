/** Counts requests, sessions in use, events and what is open in maps, until they are taken. */

/** The upper bounds of the buckets of durations, in milliseconds: those of `telemetry/metric.rs`. */
const BOUNDS = [1, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000];

/** A duration's figures: the sum in milliseconds, and the buckets, the last one for what is slower. */
const DURATION = BOUNDS.length + 2;

/** A kind's figures: how many, the time in the gateway, at origins, at the origin that answered. */
const FIGURES = 1 + 3 * DURATION;

/** Maximum number of kinds of request and of sessions; then what was counted is taken early. */
const MAX_KINDS = 5_000;

/** @type {Map<string, Float64Array>} by labels and status */
let requests = new Map();

/** @type {Set<string>} tenants and handles */
let sessions = new Set();

/** What is open is known by its metric; all others only grow. */
const GAUGE = "vestibule_streams_active\t";

/** @type {Map<string, number>} by metric and labels, apart by tabs */
const numbers = new Map();

/**
 * Counts an answered request; returns whether what was counted is to be taken.
 * @param {string} labels
 * @param {{ edgeMs: number, originMs: number, answerMs: number }} durations less than nothing for what there was not
 * @param {string} session tenant and handle, if it is a session that came before
 */
export function countRequest(labels, { edgeMs, originMs, answerMs }, session) {
  let figures = requests.get(labels);
  if (!figures) {
    figures = new Float64Array(FIGURES);
    requests.set(labels, figures);
  }
  figures[0] += 1;
  observe(figures, 1, edgeMs);
  if (originMs >= 0) observe(figures, 1 + DURATION, originMs);
  if (answerMs >= 0) observe(figures, 1 + 2 * DURATION, answerMs);
  if (session !== "") sessions.add(session);
  return requests.size + sessions.size > MAX_KINDS;
}

/** @param {Float64Array} figures @param {number} at @param {number} ms */
function observe(figures, at, ms) {
  let bucket = 0;
  while (bucket < BOUNDS.length && ms > BOUNDS[bucket]) bucket += 1;
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
