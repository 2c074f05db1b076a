/** Prepares traces in advance, for requests with a cached decision. */
import { drawTraces } from "../instance.js";
import { count } from "../telemetry/counters.js";

/** Number of traces that the core draws at once. */
const DRAWN = 64;

/** Maximum number of tenants with traces in the pool; then all are dropped. */
const MAX_TENANTS = 1_000;

/** Offsets of `traceparent` in the text of a trace, after its seed. The seed holds the trace id and the span id. */
const PARENT_AT = 48;
const SAMPLED_AT = PARENT_AT + 55;

const TRACED = /"trace_id":"([^"]*)","span_id":"[^"]*"/;

/** @type {Map<string, { flags: string, texts: string[] }>} by tenant */
const pool = new Map();

/** Takes a trace for a repeated decision, and counts the repetition. @param {string} tenant @param {string} recorded flags of the request that was decided */
export function takeTrace(tenant, recorded) {
  // The settings of recording may have changed.
  const wanted = recorded.replace("x", "");
  let drawn = pool.get(tenant);
  if (drawn === undefined || drawn.texts.length === 0 || drawn.flags !== wanted) {
    if (pool.size >= MAX_TENANTS) pool.clear();
    const [flags, ...texts] = drawTraces(tenant, DRAWN).split("\n");
    drawn = { flags, texts };
    pool.set(tenant, drawn);
  }
  const text = drawn.texts.pop();
  if (text === undefined) return undefined;
  count(`vestibule_decisions_repeated_total\t${tenant}`);
  return {
    flags: text.length > SAMPLED_AT ? `${drawn.flags}x` : drawn.flags,
    seed: text.slice(0, PARENT_AT),
    id: text.slice(0, 32),
    span: text.slice(32, PARENT_AT),
    parent: text.slice(PARENT_AT, SAMPLED_AT),
  };
}

/** Splits the members of a log line at the ids of the trace. @param {string} members @returns {import("../types.js").SplitMembers} */
export function withoutTrace(members) {
  const [before, id, after] = members.split(TRACED);
  return { around: [before, after], id };
}

/** Joins the members of a log line with a trace's ids. @param {[string, string]} around @param {{ id: string, span: string }} trace */
export function withTrace(around, { id, span }) {
  return `${around[0]}"trace_id":"${id}","span_id":"${span}"${around[1]}`;
}
