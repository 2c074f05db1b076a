/** Keeps values to store after the response although an instance dies. `store/write_queue.rs` decides when a key is put. */
import { waitUntil } from "cloudflare:workers";
import { bindings, glue, outlive, warn } from "./instance.js";

/** Maximum number of keys kept, a few megabytes. Beyond that the oldest is not submitted again. */
const MAX_KEYS = 1_000;

/** The latest value of each key that is not confirmed as stored. @type {Map<string, { value: Uint8Array, ttl: number }>} */
const unstored = new Map();

/** Stores a value. @param {string} key @param {Uint8Array} value @param {number} ttl in seconds */
export function storeLater(key, value, ttl) {
  unstored.set(key, { value, ttl });
  const [oldest] = unstored.keys();
  if (unstored.size > MAX_KEYS && oldest !== key) {
    // It was submitted once, but its request may have been cut off since.
    unstored.delete(oldest);
    waitUntil(Promise.resolve().then(() => warn("background_write_dropped")));
  }
  // The instance is in the middle of a call, so the write starts after that returned.
  waitUntil(Promise.resolve(key).then(store));
}

/** Forgets a key, because a later value is being stored. @param {string} key */
export function superseded(key) {
  unstored.delete(key);
}

/** Stores the latest value of a key. @param {string} key */
async function store(key) {
  let write = unstored.get(key);
  const submit = () => {
    write = unstored.get(key);
    if (!write) return Promise.resolve();
    return glue.storeInBackground(bindings, key, write.value, write.ttl);
  };
  // A write that kills the instance each time is dropped.
  await outlive({ isToBlame: false }, submit).catch(() => {});
  if (unstored.get(key) === write) unstored.delete(key);
}
