/**
 * What this isolate counts, in the form in which the core takes it in: see `telemetry/batch.rs`. A line is
 * made of it only when a batch is due; on the way of a request numbers are added.
 */
import { DURATION_BOUNDS } from "./core.js";

const BUCKETS = DURATION_BOUNDS.length + 1;

/** So many kinds of request are told apart; what comes beyond is told before the next is counted. */
const MOST_KINDS = 5_000;

/** How many requests took how long. */
class Spread {
  counts = new Uint32Array(BUCKETS);
  ms = 0;

  /** @param {number} ms */
  add(ms) {
    let at = 0;
    while (at < DURATION_BOUNDS.length && ms > DURATION_BOUNDS[at]) at += 1;
    this.counts[at] += 1;
    this.ms += ms;
  }

  /** The buckets that are not empty, and those before them. */
  toString() {
    let last = BUCKETS;
    while (last > 0 && this.counts[last - 1] === 0) last -= 1;
    return this.counts.subarray(0, last).join(",");
  }
}

/** @type {Map<string, { count: number, edge: Spread, origin: Spread, answer: Spread }>} by labels */
const requests = new Map();

/** @type {Set<string>} tenant and handle of the sessions in use */
const sessions = new Set();

/** @type {Map<string, number>} by metric and labels */
const counters = new Map();

/** @type {Map<string, Spread>} by metric and labels */
const spreads = new Map();

/** @type {Map<string, number>} by metric and labels */
const gauges = new Map();

/**
 * Counts an answered request.
 * @param {string} labels
 * @param {number} edgeMs
 * @param {number} originMs less than nothing if no origin was asked
 * @param {number} answerMs of the origin that answered; less than nothing if none did
 */
export function countRequest(labels, edgeMs, originMs, answerMs) {
  let kind = requests.get(labels);
  if (!kind) {
    kind = { count: 0, edge: new Spread(), origin: new Spread(), answer: new Spread() };
    requests.set(labels, kind);
  }
  kind.count += 1;
  kind.edge.add(edgeMs);
  if (originMs >= 0) kind.origin.add(originMs);
  if (answerMs >= 0) kind.answer.add(answerMs);
}

/**
 * Takes note that a session is in use.
 * @param {string} name tenant and handle
 */
export function sawSession(name) {
  sessions.add(name);
}

/** Whether so much was counted that it should be told before more is. */
export function isMuch() {
  return requests.size + sessions.size > MOST_KINDS;
}

/**
 * @param {string} metric
 * @param {string} [labels] apart by tabs
 * @param {number} [by]
 */
export function count(metric, labels, by = 1) {
  const series = labels === undefined ? metric : `${metric}\t${labels}`;
  counters.set(series, (counters.get(series) ?? 0) + by);
}

/**
 * Counts what was asked of somebody, and how long it took.
 * @param {"kv_read" | "kv_list" | "kv_write" | "object" | "document" | "provider"} kind
 * @param {"ok" | "absent" | "error"} result
 * @param {number} ms
 */
export function countOperation(kind, result, ms) {
  count("vestibule_storage_operations_total", `${kind}\t${result}`);
  const series = `vestibule_storage_operation_duration_seconds\t${kind}`;
  let spread = spreads.get(series);
  if (!spread) {
    spread = new Spread();
    spreads.set(series, spread);
  }
  spread.add(ms);
}

/**
 * Asks somebody, and counts that.
 * @template T
 * @param {Parameters<typeof countOperation>[0]} kind
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
export async function counted(kind, ask) {
  const begun = Date.now();
  try {
    const answer = await ask();
    countOperation(kind, answer === null ? "absent" : "ok", Date.now() - begun);
    return answer;
  } catch (error) {
    countOperation(kind, "error", Date.now() - begun);
    throw error;
  }
}

/**
 * Something is open, or no more.
 * @param {string} metric
 * @param {string} labels apart by tabs
 * @param {1 | -1} by
 */
export function shift(metric, labels, by) {
  const series = `${metric}\t${labels}`;
  gauges.set(series, (gauges.get(series) ?? 0) + by);
}

/** How many requests were counted, by labels and status. */
export function requestCounts() {
  return [...requests].map(([labels, { count }]) => ({ labels: labels.split("\t"), count }));
}

/** What was counted since this was asked last, and what is open. */
export function takeTally() {
  const lines = [];
  for (const [labels, { count, edge, origin, answer }] of requests) {
    const ms = `${edge.ms}\t${origin.ms}\t${answer.ms}`;
    lines.push(`r\t${labels}\t${count}\t${ms}\t${edge}\t${origin}\t${answer}`);
  }
  for (const session of sessions) lines.push(`s\t${session}`);
  for (const [series, number] of counters) lines.push(`c\t${series}\t${number}`);
  for (const [series, spread] of spreads) lines.push(`h\t${series}\t${spread.ms}\t${spread}`);
  for (const [series, number] of gauges) {
    lines.push(`g\t${series}\t${number}`);
    // It was told that there is none any more.
    if (number === 0) gauges.delete(series);
  }
  for (const counted of [requests, sessions, counters, spreads]) counted.clear();
  return lines.join("\n");
}
