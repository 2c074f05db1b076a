/** Summarises rounds: a median, and the quartiles around it, which a single disturbed round does not move. */

/** @typedef {{ ratio: number, low: number, high: number }} Ratio median of the rounds' ratios, and their quartiles */

/**
 * Returns the median and the quartiles of at least one number.
 * @param {number[]} numbers
 */
export function quartiles(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const quarter = Math.floor(sorted.length / 4);
  return {
    low: sorted[quarter],
    median: sorted[Math.floor(sorted.length / 2)],
    high: sorted[sorted.length - 1 - quarter],
  };
}

/** @param {number[]} numbers */
export function median(numbers) {
  return quartiles(numbers).median;
}

/**
 * Returns one series as a multiple of another, round by round, so that changes of the machine's speed cancel out.
 * @param {number[]} cost
 * @param {number[]} floor
 * @returns {Ratio}
 */
export function against(cost, floor) {
  const { low, median, high } = quartiles(cost.map((one, at) => one / floor[at]));
  return { ratio: round(median, 2), low: round(low, 2), high: round(high, 2) };
}

/**
 * @param {number} value
 * @param {number} digits
 */
export function round(value, digits) {
  return Number(value.toFixed(digits));
}
