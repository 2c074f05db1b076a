/** Computes quantiles of a histogram like Prometheus. */

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
