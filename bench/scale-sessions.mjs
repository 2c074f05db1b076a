/** Measures whether a request's cost depends on the number of stored sessions. */
import { startNamespace } from "./namespace.mjs";
import { inRounds, memoryOf, row } from "./scale-rounds.mjs";
import { Variant } from "./variant.mjs";

export const SIZES = [1_000, 10_000, 100_000, 1_000_000];

/** Number of active visitors, if not all are. */
const ACTIVE = 1_000;

/** @typedef {{ name: string, does: string, vars?: Record<string, string>, active?: number }} Series */

/**
 * With KV alone where every request reads its record, so that it makes no other call.
 * @type {Series[]}
 */
export const SERIES = [
  {
    name: "each read anew",
    does: "visitors drawn evenly from all; every request reads, opens and decodes its record (SESSION_CACHE=0s, KV alone)",
    vars: { SESSION_CACHE: "0s", CONSISTENCY: "eventual" },
  },
  {
    name: "anybody",
    does: "visitors drawn evenly from all, as deployed: the isolate's memory serves who came lately",
  },
  {
    name: "1,000 active",
    does: "visitors drawn evenly from 1,000, whatever else is stored, as deployed",
    active: ACTIVE,
  },
];

/** @typedef {import("./scale-rounds.mjs").Row & import("./scale-rounds.mjs").Memory & { sessions: number }} Measured */

/**
 * @param {number} originPort
 * @param {{ rounds: number, seconds: number }} how
 * @param {number[]} sizes
 * @returns {Promise<{ series: string, does: string, sizes: Measured[] }[]>}
 */
export async function measureSessions(originPort, how, sizes = SIZES) {
  /** @type {{ stop: () => void }[]} */
  const started = [];
  try {
    const loads = [];
    for (const sessions of sizes) {
      const namespace = await startNamespace({ sessions });
      started.push(namespace);
      for (const { name, vars, active = sessions } of SERIES) {
        const does = `${name}, ${sessions} stored`;
        const { address, cookies } = namespace;
        const variant = new Variant(
          { name: does, does, vars, namespace: address },
          { inspected: true },
        );
        started.push(variant);
        await variant.start(originPort);
        loads.push({ variant, visitors: { cookies, count: Math.min(active, sessions) } });
      }
    }
    const samples = await inRounds(loads, how);
    /** @type {import("./scale-rounds.mjs").Memory[]} */
    const memories = [];
    for (const { variant } of loads) memories.push(await memoryOf(variant));
    return SERIES.map(({ name, does }, series) => ({
      series: name,
      does,
      sizes: sizes.map((sessions, size) => {
        const at = size * SERIES.length + series;
        return { sessions, ...row(samples[series], samples[at]), ...memories[at] };
      }),
    }));
  } finally {
    for (const one of started.reverse()) one.stop();
  }
}
