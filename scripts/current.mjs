/** Decides whether built files are newer than their sources. */
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./places.mjs";

/**
 * @param {string[]} products
 * @param {string[]} sources files and folders
 */
export function isCurrent(products, sources) {
  if (!products.every((product) => existsSync(product))) return false;
  const built = Math.min(...products.map((product) => statSync(product).mtimeMs));
  return sources.every((source) => newest(path.join(ROOT, source)) < built);
}

/**
 * @param {string} place
 * @returns {number} modification time of the newest file in it
 */
function newest(place) {
  const stat = statSync(place);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(place).map((name) => newest(path.join(place, name)));
  return Math.max(stat.mtimeMs, ...inside);
}
