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

/** @type {Map<string, { underWay: number, firstByteMs: number }>} by tenant and name */
const origins = new Map();

/** Origins whose last answer was a gateway error, or did not come: the core hears of those anyway. */
const faulty = new Set();

let isTold = true;
let toldAt = 0;

/** @param {string} place tenant and origin */
function of(place) {
  let one = origins.get(place);
  if (!one) {
    one = { underWay: 0, firstByteMs: 0 };
    origins.set(place, one);
  }
  isTold = false;
  return one;
}

/** @param {string} place tenant and origin */
export function begin(place) {
  of(place).underWay += 1;
}

/** @param {string} place tenant and origin */
export function end(place) {
  of(place).underWay -= 1;
}

/**
 * No answer will come.
 * @param {string} place tenant and origin
 */
export function lost(place) {
  end(place);
  faulty.add(place);
}

/**
 * An answer has begun, so long after its request. Most good answers the core never sees; it is told of
 * the first one after an error, or errors days apart would look like errors in a row.
 * @param {string} place tenant and origin
 * @param {number} ms
 * @param {number} status
 */
export function answered(place, ms, status) {
  if (status >= 502 && status <= 504) faulty.add(place);
  else if (faulty.size > 0 && faulty.delete(place)) recovered(place);
  const one = of(place);
  one.underWay -= 1;
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
  isTold = true;
  observe(
    [...origins]
      .map(([name, one]) => `${name}\t${one.underWay}\t${Math.round(one.firstByteMs)}`)
      .join("\n"),
  );
}
