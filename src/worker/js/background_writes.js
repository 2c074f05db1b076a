/**
 * Stores values after the answer. When and how often a key is put is decided in the control plane
 * (`store/write_queue.rs`); here the values outlive an instance that dies.
 */
import { storeInBackground, takeWrites } from "./core.js";
import { connect } from "./runtime.js";

/** Maximum number of keys that are remembered: some megabytes. Beyond that the oldest is not submitted again. */
const MAX_KEYS = 1_000;

/** A value is submitted so often; with which the instance dies each time is given up. */
const MAX_ATTEMPTS = 3;

/** @typedef {{ key: string, value: Uint8Array, ttl: number }} Write */

/** The latest value of each key that is not known to be stored. @type {Map<string, Write>} */
const unstored = new Map();

connect({
  superseded(key) {
    unstored.delete(key);
  },
});

/**
 * Stores what the last decision left to be stored.
 * @param {Env} env
 * @param {ExecutionContext} context
 */
export function storeLater(env, context) {
  for (const write of takeWrites()) {
    unstored.set(write.key, write);
    // What stays behind are values whose requests were cut off; each was submitted once.
    const [oldest] = unstored.keys();
    if (unstored.size > MAX_KEYS && oldest !== write.key) unstored.delete(oldest);
    context.waitUntil(store(env, write.key));
  }
}

/**
 * Sees to it that the latest value of a key is stored.
 * @param {Env} env
 * @param {string} key
 */
async function store(env, key) {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const write = unstored.get(key);
    if (!write) return;
    if (await storeInBackground(env, write)) {
      if (unstored.get(key) === write) unstored.delete(key);
      return;
    }
  }
}
