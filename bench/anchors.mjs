/**
 * Measures the latency of the whole way, and of common proxies without an edge for comparison. It uses few
 * connections, so that it measures the way and not a queue.
 */
import { haproxy, nginx, nginxWithSessions } from "./fronts.mjs";
import { median } from "./quartiles.mjs";
import { aligned, markdown } from "./report.mjs";
import { Variant } from "./variant.mjs";
import { BARE, EACH } from "./variants.mjs";
import { wrk } from "./wrk.mjs";

const CONNECTIONS = 4;

/** @typedef {{ name: string, does: string, p50: number, p99: number, throughput: number }} Latency in microseconds */

/**
 * @param {number} originPort
 * @param {number} rounds
 * @param {number} seconds
 * @returns {Promise<Latency[]>}
 */
export async function anchors(originPort, rounds, seconds) {
  const fronts = [direct(originPort)];
  try {
    for (const start of [nginx, nginxWithSessions, haproxy, worker(BARE), worker(EACH)]) {
      fronts.push(await start(originPort));
    }
    /** @type {import("./wrk.mjs").WrkResult[][]} */
    const measured = fronts.map(() => []);
    for (const front of fronts) await load(front, 1);
    for (let round = 0; round < rounds; round += 1) {
      for (const [at, front] of fronts.entries()) measured[at].push(await load(front, seconds));
    }
    return fronts.map(({ name, does }, at) => {
      const middle = (/** @type {keyof import("./wrk.mjs").WrkResult} */ what) =>
        Math.round(median(measured[at].map((one) => one[what])));
      return {
        name,
        does,
        p50: middle("p50"),
        p99: middle("p99"),
        throughput: middle("throughput"),
      };
    });
  } finally {
    for (const front of fronts.reverse()) await front.stop();
  }
}

/** @param {number} originPort @returns {import("./fronts.mjs").Front} */
function direct(originPort) {
  const url = `http://127.0.0.1:${originPort}/`;
  const does = "the server itself, with nothing before it";
  return { name: "nothing", does, url, cookie: "", stop: async () => {} };
}

/** @param {import("./variant.mjs").Description} description */
function worker(description) {
  return async (/** @type {number} */ originPort) => {
    const variant = new Variant(description);
    await variant.start(originPort);
    const { name, does } = description;
    const { url, cookie } = variant;
    const stop = async () => variant.stop();
    return { name: `workerd: ${name}`, does, url: `${url}/`, cookie, stop };
  };
}

/**
 * @param {import("./fronts.mjs").Front} front
 * @param {number} seconds
 */
function load({ name, url, cookie }, seconds) {
  const header = cookie ? ["-H", `Cookie: ${cookie}`] : [];
  return wrk(name, [`-c${CONNECTIONS}`, `-d${seconds}s`, ...header, url]);
}

const HEAD = ["before the server", "p50 µs", "p99 µs", "added p50 µs", "req/s"];

/** @param {Latency[]} table the first is the server itself */
function body(table) {
  return table.map(({ name, p50, p99, throughput }) => [
    name,
    ...[p50, p99, p50 - table[0].p50, throughput].map(String),
  ]);
}

/** @param {Latency[]} table */
export function anchorsInMarkdown(table) {
  return markdown(HEAD, body(table));
}

/** @param {Latency[]} table */
export function anchorsAsText(table) {
  const does = table.map(({ name, does }) => `  ${name}: ${does}`);
  return [aligned(HEAD, body(table)), "", ...does].join("\n");
}
