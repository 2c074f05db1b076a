/** Processor time per request of every variant, under one load, in interleaved rounds. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { rows } from "./report.mjs";
import { Variant } from "./variant.mjs";
import { VARIANTS } from "./variants.mjs";

const execute = promisify(execFile);

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
  const { requests, perSecond } = await load(variant, seconds);
  variant.cost.push((variant.processorTime - before) / requests);
  variant.throughput.push(perSecond);
}

/**
 * @param {Variant} variant
 * @param {number} seconds
 */
async function load(variant, seconds) {
  const { stdout } = await execute("wrk", ["-t1", "-c32", `-d${seconds}s`, ...variant.load]);
  const expected = variant.description.status ?? 200;
  if (/Non-2xx/.test(stdout) !== expected >= 400)
    throw new Error(`${variant.description.name}: ${stdout}`);
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
  };
}
