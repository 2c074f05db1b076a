/**
 * Refusals, given again with a trace of their own: a flood is worth the least. The core says until when a request for
 * the same URL, alike in all that counts, would be refused alike (`gateway/decision_cache.rs`).
 */
import { IGNORED_HEADERS } from "../instance.js";
import { GenerationMap } from "./generation_map.js";
import { takeTrace, withoutTrace, withTrace } from "./trace_pool.js";

/** @import { PreparedResponse, Received, ResponseDecision } from "../types.js" */

/** Maximum number of refusals that are kept: a flood comes from few, and is given little room. */
const MAX_RESPONSES = 100;

/** @type {GenerationMap<ResponseDecision, PreparedResponse>} */
export const responses = new GenerationMap(MAX_RESPONSES, IGNORED_HEADERS, true);

/** Returns how a request like this one was refused, if that still holds. @param {Received} received */
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
