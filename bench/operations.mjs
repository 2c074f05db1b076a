/** Counts a variant's storage operations under a profile of use. */
import { Browser } from "../tests/harness/browser.mjs";
import { ONE_SESSION, PROFILES, schedule } from "./profiles.mjs";
import { Variant } from "./variant.mjs";
import { KEEPERS } from "./variants.mjs";

/** Requests closer than this, in seconds, are sent concurrently. */
const AT_ONCE = 0.5;

/** Time after the last request, in seconds, so that later writes are counted too. */
const AFTERWARDS = 10;

/** @typedef {{ requests: number, rowsRead: number, rowsWritten: number }} ObjectCounts */
/** @typedef {{ reads: number, writes: number, deletes: number, lists: number, keys: number, bytes: number }} KvCounts */
/** @typedef {{ requests: number, kv: KvCounts, objects: Record<string, ObjectCounts> }} Operations */

/**
 * Counts the operations of every variant under every profile.
 * @param {number} originPort
 */
export async function countAll(originPort) {
  /** @type {import("./recorded.mjs").Recorded["operations"]} */
  const counted = {};
  for (const profile of [ONE_SESSION, ...PROFILES]) {
    counted[profile.name] = {};
    for (const keeper of KEEPERS) {
      counted[profile.name][keeper.name] = await operations(keeper, profile, originPort);
    }
  }
  return counted;
}

/**
 * @param {import("./variant.mjs").Description} description
 * @param {import("./profiles.mjs").Profile} profile
 * @param {number} originPort
 * @returns {Promise<Operations>}
 */
async function operations(description, profile, originPort) {
  const variant = new Variant(description, { counted: !description.peer });
  try {
    await variant.start(originPort);
    const before = await taken(variant);
    const requests = await use(variant, profile);
    const { kv, objects } = await taken(variant);
    const { keys, bytes } = before.kv;
    return { requests, kv: { ...kv, keys: kv.keys - keys, bytes: kv.bytes - bytes }, objects };
  } finally {
    variant.stop();
  }
}

/**
 * @param {Variant} variant
 * @param {import("./profiles.mjs").Profile} profile
 * @returns {Promise<number>} how many requests were sent
 */
async function use(variant, profile) {
  /** @type {Map<number, Browser>} */
  const browsers = new Map();
  const events = schedule(profile);
  let now = 0;
  for (let next = 0; next < events.length; ) {
    const { at } = events[next];
    if (at - now >= AT_ONCE) await forward(variant, at - now);
    now = Math.max(now, at);
    const end = events.findIndex((event, index) => index >= next && event.at - at >= AT_ONCE);
    const batch = events.slice(next, end === -1 ? events.length : end);
    await Promise.all(batch.map((event) => send(variant, browsers, event)));
    next += batch.length;
  }
  await forward(variant, AFTERWARDS);
  return events.length;
}

/**
 * @param {Variant} variant
 * @param {Map<number, Browser>} browsers
 * @param {import("./profiles.mjs").Event} event
 */
async function send(variant, browsers, { visitor, path, cookies }) {
  let browser = browsers.get(visitor);
  if (!browser || !cookies) {
    browser = new Browser(variant.url);
    browsers.set(visitor, browser);
  }
  const response = await browser.fetch(path);
  await response.text();
  if (response.status !== 200)
    throw new Error(`${variant.description.name} answers ${response.status}`);
}

/**
 * Advances the clock. The peers need no advance: their storage operations do not depend on time.
 * @param {Variant} variant
 * @param {number} seconds
 */
async function forward(variant, seconds) {
  if (!variant.counted) return;
  const response = await fetch(`${variant.url}/bench/forward?ms=${Math.round(seconds * 1000)}`);
  if (response.status !== 200) throw new Error(await response.text());
}

/** Returns the counts since the last call. @param {Variant} variant */
async function taken(variant) {
  const kv = await (await fetch(`${variant.kvUrl}/bench-counts`)).json();
  const objects = variant.counted ? await (await fetch(`${variant.url}/bench/counts`)).json() : {};
  return { kv, objects };
}
