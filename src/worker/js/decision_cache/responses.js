/**
 * Caches refusals and repeats them with a new trace, because a flood deserves the least work. The core decides how long
 * equal requests for the same URL get the same refusal (`gateway/decision_cache.rs`).
 */
import { IGNORED_HEADERS } from "../instance.js";
import { GenerationMap } from "./generation_map.js";
import { takeTrace, withoutTrace, withTrace } from "./trace_pool.js";

/** @import { PreparedResponse, Received, ResponseDecision } from "../types.js" */

/** Maximum number of refusals in the cache: a flood has few distinct requests. */
const MAX_RESPONSES = 100;

/** @type {GenerationMap<ResponseDecision, PreparedResponse>} */
export const responses = new GenerationMap(MAX_RESPONSES, IGNORED_HEADERS, true);

/** Returns the refusal of an equal request, if it still holds. @param {Received} received */
export function getResponse(received) {
  const entry = responses.find(received);
  if (entry === undefined) return undefined;
  const { flags, labels, members } = entry.decision.requestLabels;
  const trace = takeTrace(labels.slice(0, labels.indexOf("\t")), flags);
  if (trace === undefined) return undefined;
  if (entry.prepared === undefined) {
    const { id, around } = withoutTrace(members);
    entry.prepared = { members: around, body: entry.decision.body.split(id) };
  }
  const { prepared } = entry;
  return {
    ...entry.decision,
    requestLabels: { flags: trace.flags, labels, members: withTrace(prepared.members, trace) },
    body: prepared.body.join(trace.id),
  };
}
