/** Counts what is in flight at each origin, and averages the time to first byte. The core gets it at intervals. */
/** @import { Attempt, Begin, OriginActivity } from "../types.js" */

/** Interval at which the core gets the counts, in milliseconds. */
const REPORT_EVERY = 250;

/** Weight of a new response in the moving average, of 1. */
const NEWEST = 0.1;

/** Activity by tenant and origin name. @type {Map<string, OriginActivity>} */
const origins = new Map();

let reportedAt = 0;

/** Begins an attempt. It ends at `until` at the latest, because a disconnected client's never reports. @type {Begin} */
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

/** Ends an attempt, perhaps because no response will come. @param {Attempt} attempt @param {boolean} [isLost] */
export function end(attempt, isLost = false) {
  attempt.origin.underWay.delete(attempt);
  if (isLost) attempt.origin.isFaulty = true;
}

/**
 * Ends an attempt with a response. Returns true for the first success after an error, the only one the core gets:
 * without it errors days apart would look like errors in a row. @type {(attempt: Attempt, ms: number, status: number) => boolean}
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

/** Returns whether the core's next update is due. @param {number} now */
export function isDue(now) {
  return origins.size > 0 && now - reportedAt >= REPORT_EVERY;
}

/** Returns what is in flight, for `worker/runtime.rs`. @param {number} now */
export function inFlight(now = Date.now()) {
  reportedAt = now;
  return [...origins].map(([place, origin]) => {
    const { underWay, firstByteMs, opened } = origin;
    origin.opened = 0;
    for (const attempt of underWay) if (attempt.until < now) underWay.delete(attempt);
    return { place, underWay: underWay.size, firstByteMs, opened };
  });
}
