/** Traces drawn ahead, for requests the core is not asked about. */
import { drawTraces } from "./core.js";

/** So many are drawn at once. */
const DRAWN = 64;

/** So many tenants' are kept; then all are forgotten. */
const MOST_TENANTS = 1_000;

/** Where `traceparent` begins and ends in the text of a trace. What it is made of are its id and its span's. */
const PARENT_AT = 48;
const SAMPLED_AT = PARENT_AT + 55;

const TRACED = /"trace_id":"([^"]*)","span_id":"[^"]*"/;

/** @type {Map<string, { flags: string, texts: string[] }>} by tenant */
const traces = new Map();

/**
 * A trace nobody has yet.
 * @param {string} tenant
 * @param {string} wanted what is done about telling of its requests that are not sampled; it may have changed
 */
export function takeTrace(tenant, wanted) {
  let drawn = traces.get(tenant);
  if (drawn === undefined || drawn.texts.length === 0 || drawn.flags !== wanted) {
    if (traces.size >= MOST_TENANTS) traces.clear();
    const [flags, ...texts] = drawTraces(tenant, DRAWN);
    drawn = { flags, texts };
    traces.set(tenant, drawn);
  }
  const text = drawn.texts.pop();
  if (text === undefined) return undefined;
  return {
    flags: text.length > SAMPLED_AT ? `${drawn.flags}x` : drawn.flags,
    seed: text.slice(0, PARENT_AT),
    id: text.slice(0, 32),
    span: text.slice(32, PARENT_AT),
    parent: text.slice(PARENT_AT, SAMPLED_AT),
  };
}

/**
 * What stands around the ids of the trace in the members of a log line, and the trace's.
 * @param {string} members
 * @returns {{ around: [string, string], id: string }}
 */
export function withoutTrace(members) {
  const [before, id, after] = members.split(TRACED);
  return { around: [before, after], id };
}

/**
 * The members of a log line, of another trace.
 * @param {[string, string]} around
 * @param {{ id: string, span: string }} trace
 */
export function withTrace(around, { id, span }) {
  return `${around[0]}"trace_id":"${id}","span_id":"${span}"${around[1]}`;
}
