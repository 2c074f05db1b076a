/**
 * Workers KV as the core sees it: a read that found, did not find, or failed; a write that was
 * acknowledged or was not.
 */

import { alarm, report } from "./log.js";
import { count, counted } from "./tally.js";
import { pause, shared, within } from "./waiting.js";

/** The shortest time KV may serve a read from its location's cache, in seconds. */
const CACHE_TTL = 30;

/** How long a read may take before storage counts as not answering, in milliseconds. */
const READ_DEADLINE = 500;

/** After so many failed reads in a row nobody asks for a while, in milliseconds. */
const BREAK_AFTER = 3;
const BREAK_FOR = 1_000;

/** The most pages of a list that are read; each has 1,000 names. */
const MOST_PAGES = 20;

/** KV takes one write a second per key. */
const SPACING = 1_000;

/** How long to wait before a failed write is tried again, in milliseconds. */
const RETRIES = [0, 1_000, 3_000];

/** @typedef {import("./core.js").Answer} Answer */
/** @typedef {{ key: string, value: Uint8Array, ttl: number }} Write */

/** How many reads have failed in a row, and until when nobody asks. */
const breaker = { failures: 0, until: 0 };

/**
 * @param {KVNamespace} kv
 * @param {string} key
 * @param {number} afterMs milliseconds to wait first
 * @returns {Promise<Answer>}
 */
export async function read(kv, key, afterMs) {
  if (afterMs > 0) await pause(afterMs);
  const began = Date.now();
  if (began < breaker.until) return { kind: "unavailable", key, asked: began };
  try {
    const { value: bytes, asked } = await shared(key, () =>
      counted("kv_read", () =>
        within(READ_DEADLINE, kv.get(key, { type: "arrayBuffer", cacheTtl: CACHE_TTL })),
      ),
    );
    breaker.failures = 0;
    return bytes === null
      ? { kind: "absent", key, asked }
      : { kind: "found", key, bytes: new Uint8Array(bytes), asked };
  } catch (error) {
    report("store_read_failed", error);
    breaker.failures += 1;
    // One tries again then; if that fails too, it is another while.
    if (breaker.failures >= BREAK_AFTER) breaker.until = Date.now() + BREAK_FOR;
    return { kind: "unavailable", key, asked: began };
  }
}

/**
 * The names that begin so, a line each.
 * @param {KVNamespace} kv
 * @param {string} prefix
 * @returns {Promise<Answer>}
 */
export async function list(kv, prefix) {
  const began = Date.now();
  try {
    const { value: names, asked } = await shared(`list ${prefix}`, () => listAll(kv, prefix));
    const bytes = new TextEncoder().encode(names.join("\n"));
    return { kind: "found", key: prefix, bytes, asked };
  } catch (error) {
    report("store_list_failed", error);
    return { kind: "unavailable", key: prefix, asked: began };
  }
}

/**
 * @param {KVNamespace} kv
 * @param {string} prefix
 */
async function listAll(kv, prefix) {
  const names = [];
  /** @type {string | undefined} */
  let cursor;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const listed = await counted("kv_list", () =>
      within(READ_DEADLINE * 4, kv.list({ prefix, cursor })),
    );
    names.push(...listed.keys.map(({ name }) => name));
    if (listed.list_complete) return names;
    cursor = listed.cursor;
  }
  alarm("store_list_cut");
  return names;
}

/**
 * The latest value waiting for each key. Whoever comes later replaces the value; whoever came first
 * takes it along.
 * @type {Map<string, Write>}
 */
const waiting = new Map();

/**
 * When each key was last written, and by which write. Emptied when it grows: forgetting costs a retry
 * at worst.
 * @type {Map<string, { at: number, by: number }>}
 */
const written = new Map();

/** Counts writes, to tell whose is the latest. */
let writes = 0;

/**
 * Stores values, each at most once a second per key. Every caller waits by itself and takes along
 * whatever is the latest by then: one that is cancelled takes nobody's value with it.
 * @param {KVNamespace} kv
 * @param {Write[]} pending
 */
export async function write(kv, pending) {
  await Promise.all(
    pending.map(async (one) => {
      if (waiting.has(one.key)) count("vestibule_writes_coalesced_total");
      waiting.set(one.key, one);
      await turn(one.key);
      const latest = waiting.get(one.key);
      waiting.delete(one.key);
      if (latest) await put(kv, latest);
    }),
  );
}

/**
 * Stores values by this caller's own hand, so that it knows whether they were acknowledged. Older
 * ones that wait for their turn are dropped: they must not come after.
 * @param {KVNamespace} kv
 * @param {Write[]} pending
 * @returns {Promise<boolean>} whether all were acknowledged
 */
export async function writeDurably(kv, pending) {
  const outcomes = await Promise.all(
    pending.map(async (one) => {
      waiting.delete(one.key);
      await turn(one.key);
      return put(kv, one);
    }),
  );
  return outcomes.every(Boolean);
}

/**
 * Waits until the key may be written again.
 * @param {string} key
 */
async function turn(key) {
  for (;;) {
    const wait = (written.get(key)?.at ?? 0) + SPACING - Date.now();
    if (wait <= 0) return;
    await pause(wait);
  }
}

/**
 * Tries some times, but never puts an older value over a newer one that came meanwhile.
 * @param {KVNamespace} kv
 * @param {Write} write
 */
async function put(kv, { key, value, ttl }) {
  if (written.size > 10_000) written.clear();
  writes += 1;
  const by = writes;
  for (const [attempt, delay] of RETRIES.entries()) {
    if (delay > 0) await pause(delay);
    if (attempt > 0 && written.get(key)?.by !== by) return true;
    written.set(key, { at: Date.now(), by });
    try {
      await counted("kv_write", () => kv.put(key, value, { expirationTtl: ttl }));
      return true;
    } catch (error) {
      report("store_write_failed", error);
    }
  }
  count("vestibule_writes_lost_total");
  alarm("store_write_lost");
  return false;
}
