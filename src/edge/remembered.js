/**
 * What was decided, by a request it was decided on, for as long as it may stand: until the second is over, or the core
 * learns something.
 */
import { changes } from "./core.js";

/** So many are remembered at a time; then all are forgotten, which costs a decision each. */
const MOST = 1_000;

/** @template Decision */
export class Remembered {
  /** @type {Map<string, Decision>} */
  byName = new Map();
  /** What the core had learned when they were made. */
  known = 0;
  /** When the second is over in which they were, in milliseconds since 1970. */
  over = 0;

  /**
   * @param {string} name
   * @param {Decision} decision
   * @param {number} now milliseconds since 1970
   */
  keep(name, decision, now) {
    this.sweep(now);
    this.byName.set(name, decision);
  }

  /** Whether anything is remembered, still standing or not. */
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
    if (now < this.over && this.known === changes() && this.byName.size < MOST) return;
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
