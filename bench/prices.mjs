/**
 * Cloudflare's list prices in US dollars, Workers Paid, as of 2026-11. Prices apply above the included amounts:
 *
 * - https://developers.cloudflare.com/workers/platform/pricing/
 * - https://developers.cloudflare.com/kv/platform/pricing/
 * - https://developers.cloudflare.com/durable-objects/platform/pricing/
 */

/** Price of the plan itself per month. */
export const PLAN = 5;

/** @typedef {{ price: number, included: number, says: string }} Price for one, and how many a month are included */

const MILLION = 1_000_000;

/** @type {Record<Unit, Price>} */
export const PRICES = {
  requests: { price: 0.3 / MILLION, included: 10 * MILLION, says: "requests to the Worker" },
  cpuMs: { price: 0.02 / MILLION, included: 30 * MILLION, says: "milliseconds of CPU" },
  kvReads: { price: 0.5 / MILLION, included: 10 * MILLION, says: "KV reads" },
  kvWrites: { price: 5 / MILLION, included: MILLION, says: "KV writes" },
  kvDeletes: { price: 5 / MILLION, included: MILLION, says: "KV deletes" },
  kvLists: { price: 5 / MILLION, included: MILLION, says: "KV lists" },
  kvGb: { price: 0.5, included: 1, says: "GB-months in KV" },
  objectRequests: {
    price: 0.15 / MILLION,
    included: MILLION,
    says: "requests to objects, alarms too",
  },
  objectGbS: { price: 12.5 / MILLION, included: 400_000, says: "GB-seconds of objects" },
  rowsRead: { price: 0.001 / MILLION, included: 25_000 * MILLION, says: "rows read by objects" },
  rowsWritten: { price: 1 / MILLION, included: 50 * MILLION, says: "rows written by objects" },
  objectGb: { price: 0.2, included: 5, says: "GB-months in objects" },
};

/** @typedef {"requests" | "cpuMs" | "kvReads" | "kvWrites" | "kvDeletes" | "kvLists" | "kvGb" | "objectRequests" | "objectGbS" | "rowsRead" | "rowsWritten" | "objectGb"} Unit */
/** @typedef {Record<Unit, number>} Use */

/** Returns the list price of a usage, without included amounts. @param {Use} use @param {Unit[]} units */
export function listed(use, units) {
  return units.reduce((sum, unit) => sum + use[unit] * PRICES[unit].price, 0);
}

/** Returns a month's bill: the plan, and usage above the included amounts. @param {Use} use */
export function bill(use) {
  return units().reduce((sum, unit) => {
    const { price, included } = PRICES[unit];
    return sum + Math.max(0, use[unit] - included) * price;
  }, PLAN);
}

export function units() {
  return /** @type {Unit[]} */ (Object.keys(PRICES));
}
