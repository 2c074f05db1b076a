/**
 * Computes the cost of a month at Cloudflare's list prices from counted operations: `node bench/money.mjs`
 * prints the tables of docs/operate/cost.md.
 */

import { isStarted } from "../scripts/started.mjs";
import { bill, listed } from "./prices.mjs";
import { PROFILES } from "./profiles.mjs";
import { recorded } from "./recorded.mjs";
import { aligned, markdown } from "./report.mjs";
import { KEEPERS } from "./variants.mjs";

const MONTH_S = 30 * 86_400;
const GB = 1e9;

/** Memory for which an active object is billed, in GB. */
const OBJECT_GB = 0.128;

/** Time for which a request keeps an object active, in seconds, as in Cloudflare's own example. */
const AWAKE_S = 0.01;

/** Delay after a batch before the telemetry object stores its data, in seconds. */
const KEEPS_AFTER_S = 3;

/** Time until a session's object has reported a write to KV and becomes inactive, in seconds. */
const TELLS_AFTER_S = 5;

/** Minimum size of an object's database, in bytes. */
const OBJECT_BYTES = 12_000;

/** Time for which a session is stored, in seconds: ours until it was idle for 8 hours. */
const OURS_STORED_S = 8 * 3_600;
const PEERS_STORED_S = 7 * 86_400;

/** @typedef {import("./operations.mjs").Operations} Operations */
/** @typedef {import("./prices.mjs").Use} Use */
/** @typedef {{ name: string, worker: number, kv: number, objects: number, total: number, bill: number }} Price dollars per million requests, and the month's bill */

/**
 * Returns the usage of a month of a profile.
 * @param {Operations} counted
 * @param {number} monthly requests
 * @param {number} cpuUs microseconds a request
 * @param {boolean} ours
 * @returns {Use}
 */
export function use({ requests, kv, objects }, monthly, cpuUs, ours) {
  const times = monthly / requests;
  const all = Object.values(objects);
  const sum = (/** @type {keyof import("./operations.mjs").ObjectCounts} */ what) =>
    times * all.reduce((sum, counts) => sum + counts[what], 0);
  const objectRequests = sum("requests");
  const batches = times * (objects.TelemetryObject?.requests ?? 0);
  const kvWrites = objects.SessionObject ? times * kv.writes : 0;
  const awake =
    objectRequests * AWAKE_S +
    Math.min(MONTH_S, batches * KEEPS_AFTER_S) +
    kvWrites * TELLS_AFTER_S;
  const stored = (ours ? OURS_STORED_S : PEERS_STORED_S) / MONTH_S;
  const sessionObjects = objects.SessionObject ? kv.keys : 0;
  return {
    requests: monthly,
    cpuMs: (monthly * cpuUs) / 1_000,
    kvReads: times * kv.reads,
    kvWrites: times * kv.writes,
    kvDeletes: times * kv.deletes,
    kvLists: times * kv.lists,
    kvGb: (times * kv.bytes * stored) / GB,
    objectRequests,
    objectGbS: awake * OBJECT_GB,
    rowsRead: sum("rowsRead"),
    rowsWritten: sum("rowsWritten"),
    objectGb: (times * sessionObjects * OBJECT_BYTES * stored) / GB,
  };
}

/**
 * @param {import("./recorded.mjs").Recorded} recorded
 * @param {import("./profiles.mjs").Profile} profile
 * @returns {Price[]}
 */
export function prices({ cost, operations }, profile) {
  return KEEPERS.map(({ name, peer, costs }) => {
    const cpuUs = cost.find((row) => row.name === costs)?.cost ?? 0;
    const used = use(operations[profile.name][name], profile.monthly, cpuUs, !peer);
    const perMillion = (/** @type {import("./prices.mjs").Unit[]} */ ...units) =>
      (listed(used, units) / profile.monthly) * 1e6;
    const worker = perMillion("requests", "cpuMs");
    const kv = perMillion("kvReads", "kvWrites", "kvDeletes", "kvLists", "kvGb");
    const objects = perMillion(
      "objectRequests",
      "objectGbS",
      "rowsRead",
      "rowsWritten",
      "objectGb",
    );
    return { name, worker, kv, objects, total: worker + kv + objects, bill: bill(used) };
  });
}

const HEAD = ["", "Worker", "KV", "objects", "per million", "a month"];

/** @param {Price[]} table */
function body(table) {
  const dollars = (/** @type {number} */ value) => value.toFixed(2);
  return table.map(({ name, worker, kv, objects, total, bill }) => [
    name,
    ...[worker, kv, objects, total].map(dollars),
    bill < 100 ? bill.toFixed(2) : bill.toFixed(0),
  ]);
}

/**
 * Returns the tables of docs/operate/cost.md.
 * @param {import("./recorded.mjs").Recorded} recorded
 */
export function costTables(recorded) {
  const tables = PROFILES.map((profile) => [
    profile.name,
    markdown(HEAD, body(prices(recorded, profile))),
  ]);
  return Object.fromEntries(tables);
}

if (isStarted(import.meta.filename)) {
  for (const profile of PROFILES) {
    const title = `${profile.name}, ${profile.monthly / 1e6} million requests a month, US dollars`;
    console.log(`\n${title}\n${aligned(HEAD, body(prices(recorded(), profile)))}`);
  }
}
