/**
 * Caches forwarding decisions and reuses them for equal requests, without a call into the core. The core decides which
 * are cacheable, and until when (`gateway/decision_cache.rs`); this module compares requests. A request that is not
 * clearly equal gets its own decision.
 */
import { IGNORED_WHEN_FORWARDED, reservedWord } from "../instance.js";
import { FLAGS } from "../wire.js";
import { GenerationMap } from "./generation_map.js";
import { takeTrace, withoutTrace, withTrace } from "./trace_pool.js";

/** @import { ForwardDecision, PreparedForward, Received } from "../types.js" */

/** Maximum number of decisions in the cache. */
const MAX_FORWARDS = 1_000;

/** Maximum length of a URL that may differ from the cached one. */
const MAX_URL = 1_024;

/** Matches paths that cannot be a reserved path: no escapes, no empty segments, no segment with a leading dot. */
const ORDINARY = /^(?:\/[\w~-][\w.~-]*)*\/?(?:\?|$)/;

/** @type {GenerationMap<ForwardDecision, PreparedForward>} */
export const forwards = new GenerationMap(MAX_FORWARDS, IGNORED_WHEN_FORWARDED, false);

/** Returns the decision on an equal request, if it still holds. @type {(received: Received) => ForwardDecision | undefined} */
export function getForward(received) {
  const entry = forwards.find(received);
  if (entry === undefined) return undefined;
  const { url } = received.request;
  const { decision } = entry;
  const { flags, place } = decision;
  const { labels } = decision.requestLabels;
  entry.prepared ??= prepare(decision, entry.url);
  const { site, base, headers, members, responseContext } = entry.prepared;
  if (url !== entry.url && !(flags.includes(FLAGS.anyTarget) && isOrdinary(url, site))) {
    return undefined;
  }
  const trace = takeTrace(place.slice(0, place.indexOf("/")), decision.requestLabels.flags);
  if (trace === undefined) return undefined;
  // Only the trace and differing headers change since the last request; `fetch` copies the headers at once.
  headers.set("traceparent", trace.parent);
  for (let at = 0; at < entry.headers.length; at += 1) {
    const [name, value] = received.headers[at];
    if (value !== entry.headers[at][1] && decision.kept[at] === "+") headers.set(name, value);
  }
  entry.headers = received.headers;
  return {
    flags,
    url: base + url.slice(site.length),
    firstByteMs: decision.firstByteMs,
    pauses: decision.pauses,
    place,
    responseContext: responseContext[0] + trace.id + responseContext[1],
    sidSuffix: decision.sidSuffix,
    kept: decision.kept,
    requestLabels: { flags: trace.flags, labels, members: withTrace(members, trace) },
    until: 0,
    trace: trace.id,
    seed: trace.seed,
    session: decision.session,
    headers,
  };
}

/** Computes what all equal requests have in common. @type {(forward: ForwardDecision, url: string) => PreparedForward} */
function prepare(decision, url) {
  const site = url.slice(0, url.indexOf("/", 8));
  const { responseContext: context, trace } = decision;
  const at = context.indexOf(trace);
  return {
    site,
    base: decision.url.slice(0, decision.url.length - (url.length - site.length)),
    headers: new Headers(decision.headers),
    members: withoutTrace(decision.requestLabels.members).around,
    responseContext: [context.slice(0, at), context.slice(at + trace.length)],
  };
}

/** Returns whether a URL of that site certainly belongs to the origin. @param {string} url @param {string} site */
function isOrdinary(url, site) {
  if (url.length > MAX_URL || !url.startsWith(site)) return false;
  const target = url.slice(site.length);
  if (!ORDINARY.test(target) || target.includes("EIO=")) return false;
  return !target.toLowerCase().includes(reservedWord);
}
