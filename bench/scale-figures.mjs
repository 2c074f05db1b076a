/** Computes figures of rounds and series: medians, ratios round by round, slopes. */
import { median } from "./quartiles.mjs";

/** @typedef {{ ratio: number, least: number, most: number }} Ratio the middle one, and how far rounds differ */

/**
 * Returns ratios to the first of the same round, so that changes of the machine's speed cancel out.
 * @param {number[]} first one for each round
 * @param {number[]} own
 * @returns {Ratio}
 */
export function ratioTo(first, own) {
  const ratios = own.map((value, round) => value / first[round]);
  return { ratio: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/**
 * Returns how much `y` grows per `x`, by least squares.
 * @param {[x: number, y: number][]} points at two places of `x` at least
 */
export function slope(points) {
  const mean = (/** @type {number[]} */ numbers) =>
    numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const [middleX, middleY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const spread = points.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0);
  if (spread === 0) throw new Error("a slope needs two places");
  return points.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0) / spread;
}

/**
 * Rounds a figure to its significant digits.
 * @param {number} value
 */
export function rounded(value) {
  return Number(value.toPrecision(value < 10 ? 3 : 4));
}
