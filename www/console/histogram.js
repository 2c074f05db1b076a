/** Computes quantiles of a histogram like Prometheus, and the part of it that has data. */

/** @import { Histogram } from "./backend.d.ts" */

/**
 * Returns a quantile, interpolated linearly within a bucket. Beyond the last bound it is
 * infinite.
 * @param {Histogram} histogram
 * @param {number} part
 */
export function quantile({ bounds, counts }, part) {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let rest = part * all;
  for (const [index, count] of counts.entries()) {
    if (rest > count || count === 0) {
      rest -= count;
      continue;
    }
    if (index >= bounds.length) return Number.POSITIVE_INFINITY;
    const from = index === 0 ? 0 : bounds[index - 1];
    return from + (bounds[index] - from) * (rest / count);
  }
  return Number.POSITIVE_INFINITY;
}

/** Minimum number of shown buckets: a single one would show no distribution. */
const LEAST = 8;

/** Number of labels below a histogram. */
const LABELS = 4;

/**
 * Returns the range of buckets to show: those with data, one empty one on each side, and at least `LEAST`.
 * @param {number[]} counts
 * @returns {[number, number]} first, and the one after the last
 */
export function occupied(counts) {
  const first = counts.findIndex((one) => one > 0);
  if (first < 0) return [0, counts.length];
  const last = counts.findLastIndex((one) => one > 0);
  let [from, until] = [Math.max(0, first - 1), Math.min(counts.length, last + 2)];
  while (until - from < LEAST && until - from < counts.length) {
    if (until < counts.length) until += 1;
    if (until - from < LEAST && from > 0) from -= 1;
  }
  return [from, until];
}

/**
 * Returns the labels of an axis below the buckets of a range: its ends and evenly chosen bounds between.
 * @param {number[]} bounds
 * @param {number} from
 * @param {number} until
 */
export function ticks(bounds, from, until) {
  const edges = Array.from({ length: until - from + 1 }, (_, index) => edge(bounds, from + index));
  const last = edges.length - 1;
  const places = Array.from({ length: LABELS }, (_, at) => Math.round((at * last) / (LABELS - 1)));
  return [...new Set(places)].map((at) => edges[at]);
}

/**
 * @param {number[]} bounds
 * @param {number} at the bucket that begins there
 */
function edge(bounds, at) {
  if (at === 0) return "0";
  return at > bounds.length ? "longer" : boundText(bounds[at - 1]);
}

/** @param {number} bound in seconds */
export function boundText(bound) {
  return bound >= 1 ? `${bound} s` : `${Math.round(bound * 1e6) / 1e3} ms`;
}
