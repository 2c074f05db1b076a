/** Counts for the control plane that is still JavaScript. */
import { countOperation } from "./core.js";
import { count as add } from "./telemetry/counters.js";

/**
 * @param {string} metric
 * @param {string} [labels] apart by tabs
 */
export function count(metric, labels) {
  add(labels === undefined ? metric : `${metric}\t${labels}`);
}

/**
 * Asks somebody, and counts that.
 * @template T
 * @param {"kv_read" | "kv_list" | "kv_write" | "object" | "document" | "provider"} kind
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
export async function counted(kind, ask) {
  const begun = Date.now();
  try {
    const answer = await ask();
    countOperation(kind, answer === null ? "absent" : "ok", Date.now() - begun);
    return answer;
  } catch (error) {
    countOperation(kind, "error", Date.now() - begun);
    throw error;
  }
}
