/**
 * Counts what is under way at each origin (requests without an answer yet, and the streams and sockets that are
 * followed), and how long answers take to begin. It changes with every request; the core gets it now and then.
 */
/** @import { Attempt, Begin, OriginActivity } from "../types.js" */

/** Interval at which the core gets it, in milliseconds. */
const REPORT_EVERY = 250;

/** Weight of a new answer in the average, of 1. */
const NEWEST = 0.1;

/** By tenant and name. @type {Map<string, OriginActivity>} */
const origins = new Map();

let reportedAt = 0;

/** Begins. A request whose client goes away has no end of its own: it is over at `until` at the latest. @type {Begin} */
export function begin(place, until = Number.POSITIVE_INFINITY) {
  let origin = origins.get(place);
  if (!origin) {
    origin = { underWay: new Set(), firstByteMs: 0, isFaulty: false, opened: 0 };
    origins.set(place, origin);
  }
  const attempt = { origin, until };
  origin.underWay.add(attempt);
  return attempt;
}

/** It is over, perhaps because no answer will come. @param {Attempt} attempt @param {boolean} [isLost] */
export function end(attempt, isLost = false) {
  attempt.origin.underWay.delete(attempt);
  if (isLost) attempt.origin.isFaulty = true;
}

/**
 * An answer has begun. Of good ones the core hears only if this returns true: it is the first after an error, and
 * errors days apart would look like errors in a row. @type {(attempt: Attempt, ms: number, status: number) => boolean}
 */
export function answered(attempt, ms, status) {
  const { origin } = attempt;
  const wasFaulty = origin.isFaulty;
  origin.isFaulty = status >= 502 && status <= 504;
  origin.firstByteMs += (ms - origin.firstByteMs) * NEWEST;
  end(attempt);
  if (status === 101) origin.opened += 1;
  return wasFaulty && !origin.isFaulty;
}

/** Whether it is time to tell the core. @param {number} now */
export function isDue(now) {
  return origins.size > 0 && now - reportedAt >= REPORT_EVERY;
}

/** What is under way, for `worker/runtime.rs`. @param {number} now */
export function inFlight(now = Date.now()) {
  reportedAt = now;
  return [...origins].map(([place, { underWay, firstByteMs, opened }]) => {
    for (const attempt of underWay) if (attempt.until < now) underWay.delete(attempt);
    return { place, underWay: underWay.size, firstByteMs, opened };
  });
}
