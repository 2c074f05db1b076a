/** Computes rates per second from counters, which only grow or restart at zero. */

/** @import { Overview, Point } from "./backend.d.ts" */

/** Minimum time of a rate, in milliseconds: isolates report every few seconds, so shorter rates would jump. */
const WINDOW = 8_000;

/** Minimum distance of points, in milliseconds; closer ones are merged. */
const APART = 4_500;

/** Time that plots cover, in milliseconds. */
export const MEMORY = 10 * 60_000;

/**
 * @param {number} before
 * @param {number} after
 */
export function grown(before, after) {
  return after < before ? after : after - before;
}

/**
 * Adds a response's points to the known ones; a newer point replaces the last if it is too close.
 * @param {Point[]} known
 * @param {Overview} overview
 * @returns {Point[]}
 */
export function continued(known, overview) {
  const { at, totals, latency, history } = overview;
  const here = {
    ...totals,
    at,
    edge_seconds: latency.edge.sum,
    origin_seconds: latency.origin.sum,
  };
  const start = known.length > 0 ? known : history;
  const kept = start.filter((point) => point.at < at && point.at > at - MEMORY);
  const [last, before] = [kept.at(-1), kept.at(-2)];
  if (last && before && last.at - before.at < APART && kept.length > 2) kept.pop();
  return [...kept, here];
}

/**
 * @param {Point[]} points
 * @param {(from: Point, to: Point, seconds: number) => number} rate
 */
export function overTime(points, rate) {
  return points.map((point, index) => {
    let from = index - 1;
    while (from > 0 && point.at - points[from].at < WINDOW) from -= 1;
    if (from < 0) return null;
    return rate(points[from], point, (point.at - points[from].at) / 1000);
  });
}

/**
 * @param {Point[]} points
 * @param {(keyof Point)[]} counters
 */
export function perSecond(points, ...counters) {
  return overTime(
    points,
    (from, to, seconds) =>
      counters.reduce((sum, name) => sum + grown(from[name], to[name]), 0) / seconds,
  );
}

/**
 * Returns the ratio of two counters' growth over time.
 * @param {Point[]} points
 * @param {keyof Point} counter
 * @param {keyof Point} each
 */
export function per(points, counter, each) {
  return overTime(points, (from, to) => {
    const times = grown(from[each], to[each]);
    return times === 0 ? Number.NaN : grown(from[counter], to[counter]) / times;
  }).map((value) => (value !== null && Number.isNaN(value) ? null : value));
}
