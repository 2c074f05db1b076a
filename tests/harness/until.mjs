/** Waits for conditions, never for a fixed time. */
import { setTimeout as pause } from "node:timers/promises";

/**
 * @template T
 * @param {() => T | Promise<T>} condition evaluated until it is truthy
 * @param {{ within?: number, what?: string }} [options]
 * @returns {Promise<Exclude<T, false | null | undefined>>}
 */
export async function until(condition, { within = 15_000, what = "the condition" } = {}) {
  const deadline = Date.now() + within;
  for (;;) {
    const result = await condition();
    if (result) return /** @type {any} */ (result);
    if (Date.now() > deadline) throw new Error(`${what} did not come true within ${within} ms`);
    await pause(20);
  }
}
