/** Measures processor time per request of every variant under the same load, in interleaved rounds. */
import { rows } from "./report.mjs";
import { Variant } from "./variant.mjs";
import { VARIANTS } from "./variants.mjs";
import { wrk } from "./wrk.mjs";

/**
 * Warm-up of each variant before the rounds, in seconds. V8 has compiled frequent code by then, as in a Worker in
 * use. Before short trial rounds, twice their length is enough.
 */
export const WARM_UP_SECONDS = 5;

/**
 * @param {number} originPort
 * @param {number} rounds
 * @param {number} seconds
 */
export async function processorTimes(originPort, rounds, seconds) {
  const variants = VARIANTS.map((description) => new Variant(description));
  try {
    for (const variant of variants) await variant.start(originPort);
    const warmUp = Math.min(WARM_UP_SECONDS, 2 * seconds);
    for (const variant of variants) await load(variant, warmUp);
    for (let round = 0; round < rounds; round += 1) {
      for (const variant of variants) await measure(variant, seconds);
    }
    return rows(variants);
  } finally {
    for (const variant of variants) variant.stop();
  }
}

/**
 * @param {Variant} variant
 * @param {number} seconds
 */
async function measure(variant, seconds) {
  const before = variant.processorTime;
  const { requests, throughput } = await load(variant, seconds);
  variant.cost.push((variant.processorTime - before) / requests);
  variant.throughput.push(throughput);
}

/**
 * @param {Variant} variant
 * @param {number} seconds
 */
function load({ description, load }, seconds) {
  const refused = (description.status ?? 200) >= 400;
  return wrk(description.name, ["-c32", `-d${seconds}s`, ...load], { refused });
}
