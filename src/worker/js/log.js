/** Logs for the control plane that is still JavaScript: see `worker/log.rs`. */
import { count } from "./telemetry/counters.js";
import { show } from "./telemetry/log_buffer.js";

/**
 * @param {string} event
 * @param {unknown} error
 */
export function report(event, error) {
  // The platform's messages hold a status ("429 Too Many Requests"), never a key or a value.
  write("warn", event, { detail: error instanceof Error ? error.message : "unknown" });
}

/**
 * Something was lost, or nearly.
 * @param {string} event
 */
export function alarm(event) {
  write("error", event, {});
}

/**
 * @param {"warn" | "error"} level
 * @param {string} event
 * @param {Record<string, string>} more
 */
function write(level, event, more) {
  count(`vestibule_events_total\t\t${event}`);
  const line = JSON.stringify({ at: Date.now(), level, event, ...more });
  console[level](line);
  show(line);
}
