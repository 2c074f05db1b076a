/** Runs loads with wrk, and parses its output. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** @typedef {{ requests: number, throughput: number, p50: number, p99: number }} WrkResult latencies in microseconds */

/**
 * @param {string} name name of the load, for error messages
 * @param {string[]} args
 * @param {{ refused?: boolean, under?: string[] }} [options] whether answers are to be errors; a program that runs wrk
 * @returns {Promise<WrkResult>}
 */
export async function wrk(name, args, { refused = false, under = [] } = {}) {
  const [program, ...words] = [...under, "wrk", "-t1", "--latency", ...args];
  const { stdout } = await execute(program, words);
  if (/Non-2xx/.test(stdout) !== refused) throw new Error(`${name}: ${stdout}`);
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    throughput: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50: microseconds(stdout, "50%"),
    p99: microseconds(stdout, "99%"),
  };
}

/**
 * @param {string} text of wrk
 * @param {string} percentile
 */
function microseconds(text, percentile) {
  const found = new RegExp(`^\\s+${percentile}\\s+([\\d.]+)(us|ms|s)$`, "m").exec(text);
  if (!found) throw new Error(`wrk tells no ${percentile}: ${text}`);
  return Number(found[1]) * { us: 1, ms: 1_000, s: 1_000_000 }[/** @type {"us"} */ (found[2])];
}
