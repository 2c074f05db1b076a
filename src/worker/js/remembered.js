/**
 * What was decided, by a request it was decided on, for as long as it may stand: until the second is over, or the core
 * learns something.
 */
import { changes } from "./core.js";

/** So many characters a header may have that is not looked at, where it differs. */
const LONGEST_VALUE = 512;

/** What a request accepts that opens a stream: an opened one counts as use, so none passes for another request. */
const STREAM = "text/event-stream";

/** @template Decision */
export class Remembered {
  /** @type {Map<string, Decision>} */
  byName = new Map();
  /** What the core had learned when they were made. */
  known = 0;
  /** When the second is over in which they were, in milliseconds since 1970. */
  over = 0;

  /** @param {number} most so many are remembered at a time; then all are forgotten, which costs a decision each */
  constructor(most) {
    this.most = most;
  }

  /**
   * @param {string} name
   * @param {Decision} decision
   * @param {number} now milliseconds since 1970
   */
  keep(name, decision, now) {
    this.sweep(now);
    this.byName.set(name, decision);
  }

  /** Whether nothing is remembered, not even what no longer stands. */
  get isEmpty() {
    return this.byName.size === 0;
  }

  /**
   * @param {string} name
   * @param {number} now milliseconds since 1970
   */
  find(name, now) {
    this.sweep(now);
    return this.byName.get(name);
  }

  /** Forgets what no longer stands. @param {number} now */
  sweep(now) {
    if (now < this.over && this.known === changes() && this.byName.size < this.most) return;
    this.byName.clear();
    this.known = changes();
    this.over = (Math.floor(now / 1000) + 1) * 1000;
  }
}

/**
 * A request's name, by who asks and how; empty if nobody's cookie came along.
 * @param {Request} request
 * @param {[string, string][]} received its headers
 */
export function nameOf({ method }, received) {
  for (let at = 0; at < received.length; at += 1) {
    if (received[at][0] === "cookie") return `${method} ${received.length} ${received[at][1]}`;
  }
  return "";
}

/**
 * Whether requests have the same headers, and the same values of all that are looked at. The runtime gives them
 * in the order of their names.
 * @param {[string, string][]} received
 * @param {[string, string][]} before
 * @param {Set<string>} unheeded which are not looked at
 */
export function isAlike(received, before, unheeded) {
  if (received.length !== before.length) return false;
  for (let at = 0; at < received.length; at += 1) {
    const [name, value] = received[at];
    if (name !== before[at][0]) return false;
    if (value === before[at][1]) continue;
    if (!unheeded.has(name) || value.length > LONGEST_VALUE || value.includes(STREAM)) return false;
  }
  return true;
}
