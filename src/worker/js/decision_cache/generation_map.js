/** Keeps decisions by their request until the second is over or the core's state changes. */
import { generation } from "../instance.js";

/** @import { CacheEntry, Decision, IsAlike, Received } from "../types.js" */

/** Maximum length of an ignored header's value that may differ from the cached one. */
const MAX_IGNORED_VALUE = 512;

/** Media type that a stream's request accepts. A stream counts as use, so other requests do not share its decision. */
const STREAM = "text/event-stream";

/**
 * @template {Decision} D
 * @template Prepared
 */
export class GenerationMap {
  /** @type {Map<string, CacheEntry<D, Prepared>>} */
  #byName = new Map();
  #generation = 0;
  /** End of the second in which the decisions were made, in milliseconds since 1970. */
  #over = 0;

  /**
   * @param {number} max maximum number of entries; then all are dropped, at the cost of a decision each
   * @param {Set<string>} ignored headers that no decision in this map depends on
   * @param {boolean} isByUrl whether decisions depend on the whole URL
   */
  constructor(max, ignored, isByUrl) {
    this.max = max;
    this.ignored = ignored;
    this.isByUrl = isByUrl;
  }

  /** Stores a cacheable decision on a request with a cookie. @param {Received} received @param {D} decision */
  put(received, decision) {
    const name = decision.until > received.trace.begun ? this.#nameOf(received) : "";
    if (name === "") return;
    this.#sweep(received.trace.begun);
    const { request, headers } = received;
    this.#byName.set(name, { decision, url: request.url, headers, prepared: undefined });
  }

  /** Returns the decision on an equal request, if it still holds. @param {Received} received */
  find(received) {
    if (this.#byName.size === 0) return undefined;
    const { headers, trace } = received;
    this.#sweep(trace.begun);
    const entry = this.#byName.get(this.#nameOf(received));
    if (!entry || trace.begun >= entry.decision.until) return undefined;
    return isAlike(headers, entry.headers, this.ignored) ? entry : undefined;
  }

  /** Drops decisions that no longer hold. @param {number} now */
  #sweep(now) {
    if (now < this.#over && this.#generation === generation && this.#byName.size < this.max) return;
    this.#byName.clear();
    this.#generation = generation;
    this.#over = (Math.floor(now / 1000) + 1) * 1000;
  }

  /** Returns a request's cache key from method and cookie; empty without a cookie. @param {Received} received */
  #nameOf({ request: { method, url }, headers }) {
    for (let at = 0; at < headers.length; at += 1) {
      if (headers[at][0] !== "cookie") continue;
      const name = `${method} ${headers.length} ${headers[at][1]}`;
      return this.isByUrl ? `${name} ${url}` : name;
    }
    return "";
  }
}

/** Returns whether two requests have equal (sorted) header names, and equal values where they matter. @type {IsAlike} */
export function isAlike(headers, before, ignored) {
  if (headers.length !== before.length) return false;
  for (let at = 0; at < headers.length; at += 1) {
    const [name, value] = headers[at];
    if (name !== before[at][0]) return false;
    if (value === before[at][1]) continue;
    if (!ignored.has(name) || value.length > MAX_IGNORED_VALUE || value.includes(STREAM))
      return false;
  }
  return true;
}
