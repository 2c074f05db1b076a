/** Measures processor time per request of every variant under the same load, in interleaved rounds. */
import { canCount, counting } from "./instructions.mjs";
import { rows } from "./report.mjs";
import { checkSentHeaders } from "./sent-headers.mjs";
import { Variant } from "./variant.mjs";
import { VARIANTS } from "./variants.mjs";
import { wrk } from "./wrk.mjs";

/**
 * Returns the warm-up of each variant before the rounds, in seconds. V8 has compiled frequent code by then, as in a
 * Worker in use. Before trial rounds of a second, two are enough.
 * @param {number} seconds of a round
 */
export function warmUpBefore(seconds) {
  return seconds < 2 ? 2 : 10;
}

/**
 * @param {number} originPort
 * @param {number} rounds
 * @param {number} seconds
 */
export async function processorTimes(originPort, rounds, seconds) {
  await checkSentHeaders();
  const areCounted = canCount();
  // A forged cookie is logged.
  const variants = VARIANTS.map((one) => new Variant(one, { quiet: one.status !== undefined }));
  try {
    for (const variant of variants) await variant.start(originPort);
    for (const variant of variants) await load(variant, warmUpBefore(seconds));
    for (let round = 0; round < rounds; round += 1) {
      // To and fro, so that a machine that becomes slower or faster favours none.
      const order = round % 2 === 0 ? variants : variants.toReversed();
      for (const variant of order) await measure(variant, seconds, areCounted);
    }
    return rows(variants);
  } finally {
    for (const variant of variants) variant.stop();
  }
}

/**
 * @param {Variant} variant
 * @param {number} seconds
 * @param {boolean} areCounted whether instructions are counted
 */
async function measure(variant, seconds, areCounted) {
  const before = variant.processorTime;
  const { result, instructions } = areCounted
    ? await counting(variant.pid, (under) => load(variant, seconds, under))
    : { result: await load(variant, seconds), instructions: undefined };
  const { requests, throughput } = result;
  variant.cost.push((variant.processorTime - before) / requests);
  variant.throughput.push(throughput);
  if (instructions !== undefined) variant.instructions.push(instructions / requests);
}

/**
 * @param {Variant} variant
 * @param {number} seconds
 * @param {string[]} [under] program that runs the load
 */
function load({ description, load }, seconds, under) {
  const refused = (description.status ?? 200) >= 400;
  return wrk(description.name, ["-c32", `-d${seconds}s`, ...load], { refused, under });
}
