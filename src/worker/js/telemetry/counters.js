/** Counts requests, active sessions, events and open connections until the control plane takes the counts. */
/** Maximum number of label sets plus sessions, and of requests; then the counts are taken early. */
const [MAX_KINDS, MAX_REQUESTS] = [5_000, 50_000];

/** The gauge of open connections; all other metrics only grow. */
const GAUGE = "vestibule_origin_connections_active\t";

/** Three durations of each request, by labels and status. @type {Map<string, number[]>} */
let requests = new Map();

/** Requests by tenant and handle; those that opened a WebSocket apart, with their status. @type {Map<string, number>} */
let sessions = new Map();

/** Counts by metric and labels, separated by tabs. @type {Map<string, number>} */
const numbers = new Map();

let counted = 0;

/** Counts an answered request; returns whether the counts must be taken early. @type {import("../types.js").CountRequest} */
export function countRequest(labels, { edgeMs, originMs, answerMs }, session) {
  const durations = requests.get(labels);
  if (durations) durations.push(edgeMs, originMs, answerMs);
  else requests.set(labels, [edgeMs, originMs, answerMs]);
  if (session !== "") count(labels.endsWith("\t101") ? `${session}\t101` : session, 1, sessions);
  counted += 1;
  return requests.size + sessions.size > MAX_KINDS || counted > MAX_REQUESTS;
}

/** Adds to a counter or a gauge, by metric and labels. @param {string} series @param {number} [by] @param {typeof numbers} [to] */
export function count(series, by = 1, to = numbers) {
  to.set(series, (to.get(series) ?? 0) + by);
}

/** Takes the counts, for `worker/runtime.rs`. */
export function takeCounted() {
  const taken = { requests, sessions, numbers: new Map(numbers) };
  [requests, sessions, counted] = [new Map(), new Map(), 0];
  // A gauge of zero is reported once.
  for (const [series, value] of numbers) {
    if (value === 0 || !series.startsWith(GAUGE)) numbers.delete(series);
  }
  return taken;
}
