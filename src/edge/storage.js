/**
 * Workers KV as the core sees it: a read that found, did not find, or failed; a write that was
 * acknowledged or was not.
 */

/** The shortest time KV may serve a read from its location's cache, in seconds. */
const CACHE_TTL = 30;

/** How long a read may take before storage counts as not answering, in milliseconds. */
const READ_DEADLINE = 2_000;

/** KV takes one write a second per key. */
const SPACING = 1_000;

/** How long to wait before a failed write is tried again, in milliseconds. */
const RETRIES = [0, 1_000, 3_000];

/** @typedef {import("./core.js").Answer} Answer */
/** @typedef {{ key: string, value: Uint8Array, ttl: number }} Write */

/**
 * @param {KVNamespace} kv
 * @param {string} key
 * @param {number} afterMs milliseconds to wait first
 * @returns {Promise<Answer>}
 */
export async function read(kv, key, afterMs) {
  if (afterMs > 0) await pause(afterMs);
  try {
    const bytes = await within(
      READ_DEADLINE,
      kv.get(key, { type: "arrayBuffer", cacheTtl: CACHE_TTL }),
    );
    return bytes === null
      ? { kind: "absent", key }
      : { kind: "found", key, bytes: new Uint8Array(bytes) };
  } catch (error) {
    report("store_read_failed", error);
    return { kind: "unavailable", key };
  }
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
      await kv.put(key, value, { expirationTtl: ttl });
      return true;
    } catch (error) {
      report("store_write_failed", error);
    }
  }
  console.error(JSON.stringify({ level: "error", event: "store_write_lost" }));
  return false;
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function within(ms, promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("deadline")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * @param {string} event
 * @param {unknown} error
 */
function report(event, error) {
  // KV's message holds the status ("429 Too Many Requests"), never the key or the value.
  const detail = error instanceof Error ? error.message : "unknown";
  console.warn(JSON.stringify({ level: "warn", event, detail }));
}
