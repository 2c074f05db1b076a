/**
 * Measures a young isolate: processor time of a fresh process from its first answer to its last of 300, when most code
 * is still compiled without optimisation. A Worker spends much of its life so, because isolates are short-lived.
 *
 * The namespace is another process, which holds the session of an earlier one. So no variant pays for the namespace's
 * own code, and the first request is that of a known visitor.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { KvServer } from "../tests/harness/kv.mjs";
import { against, median, quartiles, round } from "./quartiles.mjs";
import { aligned, markdown, spread, UNMEASURED } from "./report.mjs";
import { started, storedSession } from "./starts.mjs";
import { Variant } from "./variant.mjs";
import { BARE, EACH, HAND_WRITTEN, TOLD } from "./variants.mjs";

/** Number of requests of a process, the first included. */
const REQUESTS = 300;

/** Number of connections: few, as a young isolate has few visitors. */
const CONNECTIONS = 4;

const COMPARED = [BARE, TOLD, HAND_WRITTEN, EACH];

/** Names of those that keep sessions. */
const KEEPERS = [HAND_WRITTEN.name, EACH.name];

/** @typedef {{ name: string, cost: number, low: number, high: number }} YoungRow microseconds of a request: median and quartiles */

/**
 * @typedef {object} Young
 * @property {YoungRow[]} table
 * @property {import("./quartiles.mjs").Ratio} ratio of ours to hand-written JS, start by start
 */

/**
 * @param {number} originPort
 * @param {number} starts of each variant
 * @returns {Promise<Young>}
 */
export async function youngTimes(originPort, starts) {
  const kv = new KvServer();
  const namespace = `127.0.0.1:${await kv.listening()}`;
  const variants = COMPARED.map((description) => new Variant({ ...description, namespace }));
  try {
    const files = [];
    for (const variant of variants) {
      const file = await variant.prepare(originPort);
      files.push(file);
      variant.cookie = await cookieOf(variant, file, kv);
    }
    // One uncounted start reads the files from disk.
    for (let turn = -1; turn < starts; turn += 1) {
      for (const [at, variant] of variants.entries()) {
        await started(files[at], async (pid) => {
          const cost = await costOf(variant, pid);
          if (turn >= 0) variant.cost.push(cost);
        });
      }
    }
    return compared(variants);
  } finally {
    for (const variant of variants) variant.stop();
    await kv.stop();
  }
}

/**
 * Returns the cookie of the variant's visitor, whose session is stored if it keeps sessions.
 * @param {Variant} variant
 * @param {string} file
 * @param {KvServer} kv
 */
async function cookieOf({ url, description }, file, kv) {
  if (KEEPERS.includes(description.name)) return storedSession(file, url, kv);
  return (await description.cookie?.(url)) ?? "";
}

/**
 * Returns processor time per request, in microseconds.
 * @param {Variant} variant
 * @param {number} pid
 */
async function costOf({ url, cookie }, pid) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const ask = () => answered(url, cookie, agent);
  try {
    await ask();
    const before = processorTime(pid);
    await Promise.all(Array.from({ length: REQUESTS - 1 }, ask));
    return (processorTime(pid) - before) / (REQUESTS - 1);
  } finally {
    agent.destroy();
  }
}

/**
 * @param {string} url
 * @param {string} cookie
 * @param {Agent} agent
 * @returns {Promise<void>}
 */
function answered(url, cookie, agent) {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: cookie ? { cookie } : {} }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`a young one says ${response.statusCode}`));
      if (cookie && response.headers["set-cookie"]) reject(new Error("the session is unknown"));
      response.on("end", resolve).resume();
    });
    request.on("error", reject);
  });
}

/**
 * Returns the processor time of all threads in microseconds. `/proc/PID/stat` counts in hundredths of a second, which is
 * a tenth of what is measured here.
 * @param {number} pid
 */
function processorTime(pid) {
  const folder = `/proc/${pid}/task`;
  const nanoseconds = readdirSync(folder).map((thread) =>
    Number.parseInt(readFileSync(`${folder}/${thread}/schedstat`, "utf8"), 10),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1_000;
}

/** @param {Variant[]} variants @returns {Young} */
function compared(variants) {
  const table = variants.map(({ description: { name }, cost }) => {
    const { low, high } = quartiles(cost);
    return { name, cost: round(median(cost), 1), low: round(low, 1), high: round(high, 1) };
  });
  const [, , byHand, ours] = variants;
  return { table, ratio: against(ours.cost, byHand.cost) };
}

const HEAD = ["first 300 requests", "CPU µs", "quartiles"];

/** @param {Young | undefined} young */
function body(young) {
  if (!young) return COMPARED.map(({ name }) => [name, UNMEASURED, ""]);
  const { ratio, table } = young;
  return [
    ...table.map((row) => [row.name, row.cost.toFixed(0), spread(row, 0)]),
    ["× hand-written JS", ratio.ratio.toFixed(2), spread(ratio)],
  ];
}

/** @param {Young | undefined} young */
export function youngInMarkdown(young) {
  return markdown(HEAD, body(young));
}

/** @param {Young | undefined} young */
export function youngAsText(young) {
  return aligned(HEAD, body(young));
}
