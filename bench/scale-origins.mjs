/** Measures whether a request's cost depends on the number of its tenant's servers. */
import { inRounds, row } from "./scale-rounds.mjs";
import { Variant } from "./variant.mjs";
import { EACH } from "./variants.mjs";

export const COUNTS = [2, 10, 100, 500];

/** @typedef {{ origins: number, warm: import("./scale-rounds.mjs").Row, newcomer: import("./scale-rounds.mjs").Row }} Measured */

/**
 * Servers with weights and capacities, which make the choice most expensive.
 * @param {number} originPort
 * @param {{ rounds: number, seconds: number }} how
 * @param {number[]} counts
 * @returns {Promise<Measured[]>}
 */
export async function measureOrigins(originPort, how, counts = COUNTS) {
  const variants = counts.map(
    (servers) => new Variant({ ...EACH, name: `${servers} servers`, servers }),
  );
  try {
    for (const variant of variants) await variant.start(originPort);
    const loads = variants.flatMap((variant) => [{ variant }, { variant, newcomers: true }]);
    const samples = await inRounds(loads, how);
    return counts.map((origins, at) => ({
      origins,
      warm: row(samples[0], samples[at * 2]),
      newcomer: row(samples[1], samples[at * 2 + 1]),
    }));
  } finally {
    for (const variant of variants) variant.stop();
  }
}
