/**
 * What this isolate has under way at each origin (requests without an answer yet, and the streams and
 * sockets it follows), and how long answers take to begin. Counted here, because it changes with every request; told to the core now and
 * then, because that costs a call.
 */
import { observe, recovered } from "./core.js";

/** How often the core is told, in milliseconds. */
const TELL_EVERY = 250;

/** How much a new answer counts in the average, of 1. */
const NEWEST = 0.1;

/**
 * What is under way at an origin, each until when: a request whose client went away has no end of its own.
 * @typedef {{ underWay: Set<Attempt>, firstByteMs: number }} One
 * @typedef {{ until: number }} Attempt
 */

/** @type {Map<string, One>} by tenant and name */
const origins = new Map();

/** Origins whose last answer was a gateway error, or did not come: the core hears of those anyway. */
const faulty = new Set();

let isTold = true;
let toldAt = 0;

/** @param {string} place tenant and origin */
function of(place) {
  let one = origins.get(place);
  if (!one) {
    one = { underWay: new Set(), firstByteMs: 0 };
    origins.set(place, one);
  }
  isTold = false;
  return one;
}

/**
 * Something begins, and is over at that time if nobody says so before.
 * @param {string} place tenant and origin
 * @param {number} [until] in milliseconds since 1970
 * @returns {Attempt}
 */
export function begin(place, until = Number.POSITIVE_INFINITY) {
  const attempt = { until };
  of(place).underWay.add(attempt);
  return attempt;
}

/**
 * @param {string} place tenant and origin
 * @param {Attempt} attempt
 */
export function end(place, attempt) {
  of(place).underWay.delete(attempt);
}

/**
 * No answer will come.
 * @param {string} place tenant and origin
 * @param {Attempt} attempt
 */
export function lost(place, attempt) {
  end(place, attempt);
  faulty.add(place);
}

/**
 * An answer has begun, so long after its request. Most good answers the core never sees; it is told of
 * the first one after an error, or errors days apart would look like errors in a row.
 * @param {string} place tenant and origin
 * @param {Attempt} attempt
 * @param {number} ms
 * @param {number} status
 */
export function answered(place, attempt, ms, status) {
  if (status >= 502 && status <= 504) faulty.add(place);
  else if (faulty.size > 0 && faulty.delete(place)) recovered(place);
  const one = of(place);
  one.underWay.delete(attempt);
  one.firstByteMs += (ms - one.firstByteMs) * NEWEST;
}

/** Tells the core what has changed, unless it was told a moment ago. */
export function tell() {
  if (isTold) return;
  const now = Date.now();
  if (now - toldAt < TELL_EVERY) return;
  toldAt = now;
  tellNow();
}

/** Tells the core what there is. */
export function tellNow() {
  const now = Date.now();
  let isOver = true;
  const lines = [];
  for (const [name, { underWay, firstByteMs }] of origins) {
    for (const attempt of underWay) {
      if (attempt.until < now) underWay.delete(attempt);
    }
    if (underWay.size > 0) isOver = false;
    lines.push(`${name}\t${underWay.size}\t${Math.round(firstByteMs)}`);
  }
  // As long as something is under way, it may be over unsaid.
  isTold = isOver;
  observe(lines.join("\n"));
}
