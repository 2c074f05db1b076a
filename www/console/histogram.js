/** What a histogram's buckets tell, as Prometheus reads them. */

/** @import { Histogram } from "./backend.d.ts" */

/**
 * Within which duration so many of 1 were done; between a bucket's bounds evenly spread. What is
 * longer than the last bound is known only to be longer: infinite.
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
