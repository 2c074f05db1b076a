/** Processor time per request of every variant, under one load, in interleaved rounds. */
import { rows } from "./report.mjs";
import { Variant } from "./variant.mjs";
import { VARIANTS } from "./variants.mjs";
import { wrk } from "./wrk.mjs";

/**
 * @param {number} originPort
 * @param {number} rounds
 * @param {number} seconds
 */
export async function processorTimes(originPort, rounds, seconds) {
  const variants = VARIANTS.map((description) => new Variant(description));
  try {
    for (const variant of variants) await variant.start(originPort);
    for (const variant of variants) await load(variant, 1);
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
