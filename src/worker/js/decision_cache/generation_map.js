/** Decisions by the request they were made on, until the second is over or the core learns something. */
import { generation } from "../instance.js";

/** @import { CacheEntry, Decision, IsAlike, Received } from "../types.js" */

/** Maximum length of a header's value that is ignored, where it differs. */
const MAX_IGNORED_VALUE = 512;

/** What a request accepts that opens a stream: that counts as use, so no other request passes for one. */
const STREAM = "text/event-stream";

/**
 * @template {Decision} D
 * @template Prepared
 */
export class GenerationMap {
  /** @type {Map<string, CacheEntry<D, Prepared>>} */
  #byName = new Map();
  #generation = 0;
  /** When the second is over in which they were made, in milliseconds since 1970. */
  #over = 0;

  /**
   * @param {number} max so many are kept; then all are dropped, which costs a decision each
   * @param {Set<string>} ignored headers that no decision in here depends on
   * @param {boolean} isByUrl whether decisions depend on all of the URL
   */
  constructor(max, ignored, isByUrl) {
    this.max = max;
    this.ignored = ignored;
    this.isByUrl = isByUrl;
  }

  /** Keeps a decision if it is cacheable and the request has a cookie. @param {Received} received @param {D} decision */
  put(received, decision) {
    const name = decision.until > received.trace.begun ? this.#nameOf(received) : "";
    if (name === "") return;
    this.#sweep(received.trace.begun);
    const { request, headers } = received;
    this.#byName.set(name, { decision, url: request.url, headers, prepared: undefined });
  }

  /** Returns what was decided on a request like this one, if that still holds. @param {Received} received */
  find(received) {
    if (this.#byName.size === 0) return undefined;
    const { headers, trace } = received;
    this.#sweep(trace.begun);
    const entry = this.#byName.get(this.#nameOf(received));
    if (!entry || trace.begun >= entry.decision.until) return undefined;
    return isAlike(headers, entry.headers, this.ignored) ? entry : undefined;
  }

  /** Drops what no longer holds. @param {number} now */
  #sweep(now) {
    if (now < this.#over && this.#generation === generation && this.#byName.size < this.max) return;
    this.#byName.clear();
    this.#generation = generation;
    this.#over = (Math.floor(now / 1000) + 1) * 1000;
  }

  /** Names a request by who asks, and how; returns an empty name if no cookie came along. @param {Received} received */
  #nameOf({ request: { method, url }, headers }) {
    for (let at = 0; at < headers.length; at += 1) {
      if (headers[at][0] !== "cookie") continue;
      const name = `${method} ${headers.length} ${headers[at][1]}`;
      return this.isByUrl ? `${name} ${url}` : name;
    }
    return "";
  }
}

/** Returns whether requests have the same headers, which come sorted, and the same values of all that count. @type {IsAlike} */
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
