/** What happened at the edge, for the operator: a line of JSON each, counted like what happens in the core. */
import { writeNow } from "./lines.js";
import { count } from "./tally.js";

/** @param {string} event */
export function warn(event) {
  write("warn", event, {});
}

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
  count("vestibule_events_total", `\t${event}`);
  writeNow(level, JSON.stringify({ at: Date.now(), level, event, ...more }));
}
