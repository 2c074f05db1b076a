/** Runs loads on several Workers in interleaved rounds, with few connections, to measure the way and not a queue. */
import path from "node:path";
import { isolateMemory } from "./isolate-memory.mjs";
import { median } from "./quartiles.mjs";
import { ratioTo, rounded } from "./scale-figures.mjs";
import { wrk } from "./wrk.mjs";

const CONNECTIONS = 4;

/** Warm-up before the rounds, in seconds: it fills caches and starts the objects that a load needs. */
const WARM_UP = 2;
const SCRIPT = path.join(import.meta.dirname, "visitors.lua");

/** @typedef {{ cookies: string, count: number, tenants?: number }} Visitors from which `visitors.lua` draws */

/**
 * @typedef {object} Load
 * @property {import("./variant.mjs").Variant} variant
 * @property {Visitors} [visitors] by default the variant's one cookie
 * @property {boolean} [newcomers] without any cookie
 */

/** @typedef {{ cost: number, p50: number, p99: number, throughput: number }} Sample in microseconds; a second */

/**
 * @typedef {object} Row medians, and ratios to the first load of the same round
 * @property {number} cost processor time of a request, in microseconds
 * @property {number} p50
 * @property {number} p99
 * @property {import("./scale-figures.mjs").Ratio} costRatio
 * @property {import("./scale-figures.mjs").Ratio} p99Ratio
 */

/** @typedef {{ resident: number, heap: number, wasm: number }} Memory of process and isolate, in MiB */

/**
 * @param {Load[]} loads
 * @param {{ rounds: number, seconds: number }} how
 * @returns {Promise<Sample[][]>} by load, then by round
 */
export async function inRounds(loads, { rounds, seconds }) {
  for (const load of loads) await sample(load, WARM_UP, 0);
  /** @type {Sample[][]} */
  const samples = loads.map(() => []);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [at, load] of loads.entries()) samples[at].push(await sample(load, seconds, round));
  }
  return samples;
}

/**
 * @param {Load} load
 * @param {number} seconds
 * @param {number} seed
 * @returns {Promise<Sample>}
 */
async function sample({ variant, visitors, newcomers = false }, seconds, seed) {
  const before = variant.processorTime;
  const of = newcomers ? [`${variant.url}/`] : variant.load;
  const { requests, p50, p99, throughput } = await wrk(variant.description.name, [
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    ...(visitors ? drawn(visitors, `${variant.url}/`, seed) : of),
  ]);
  return { cost: (variant.processorTime - before) / requests, p50, p99, throughput };
}

/**
 * @param {Visitors} visitors
 * @param {string} url
 * @param {number} seed
 */
function drawn({ cookies, count, tenants = 0 }, url, seed) {
  return ["-s", SCRIPT, url, "--", cookies, `${count}`, `${seed}`, `${tenants}`];
}

/**
 * @param {Sample[]} first
 * @param {Sample[]} own
 * @returns {Row}
 */
export function row(first, own) {
  const all = (/** @type {Sample[]} */ samples, /** @type {keyof Sample} */ what) =>
    samples.map((one) => one[what]);
  const middle = (/** @type {keyof Sample} */ what) => rounded(median(all(own, what)));
  const against = (/** @type {keyof Sample} */ what) => {
    const { ratio, least, most } = ratioTo(all(first, what), all(own, what));
    return { ratio: rounded(ratio), least: rounded(least), most: rounded(most) };
  };
  return {
    cost: middle("cost"),
    p50: middle("p50"),
    p99: middle("p99"),
    costRatio: against("cost"),
    p99Ratio: against("p99"),
  };
}

/**
 * @param {import("./variant.mjs").Variant} variant
 * @returns {Promise<Memory>}
 */
export async function memoryOf(variant) {
  // The process first, because inspecting the isolate takes memory itself.
  const resident = rounded(variant.resident);
  const { heap, wasm } = await isolateMemory(variant.inspector);
  return { resident, heap: rounded(heap), wasm: rounded(wasm) };
}
