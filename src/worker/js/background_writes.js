/**
 * Stores values after the response. When and how often a key is put is decided in the control plane
 * (`store/write_queue.rs`); here the values outlive an instance that dies.
 */
import { waitUntil } from "cloudflare:workers";
import { bindings, glue, outlive, warn } from "./instance.js";

/** Maximum number of keys that are kept: some megabytes. Beyond that the oldest is not submitted again. */
const MAX_KEYS = 1_000;

/** The latest value of each key that is not known to be stored. @type {Map<string, { value: Uint8Array, ttl: number }>} */
const unstored = new Map();

/** Stores a value. @param {string} key @param {Uint8Array} value @param {number} ttl in seconds */
export function storeLater(key, value, ttl) {
  unstored.set(key, { value, ttl });
  const [oldest] = unstored.keys();
  if (unstored.size > MAX_KEYS && oldest !== key) {
    // It was submitted once; its request may have been cut off since.
    unstored.delete(oldest);
    waitUntil(Promise.resolve().then(() => warn("background_write_dropped")));
  }
  // The instance is in the midst of a call: it is called back once that has returned.
  waitUntil(Promise.resolve(key).then(store));
}

/** A later value of a key is being stored already. @param {string} key */
export function superseded(key) {
  unstored.delete(key);
}

/** Sees to it that the latest value of a key is stored. @param {string} key */
async function store(key) {
  let write = unstored.get(key);
  const submit = () => {
    write = unstored.get(key);
    if (!write) return Promise.resolve();
    return glue.storeInBackground(bindings, key, write.value, write.ttl);
  };
  // One with which the instance dies each time is given up.
  await outlive({ isToBlame: false }, submit).catch(() => {});
  if (unstored.get(key) === write) unstored.delete(key);
}
