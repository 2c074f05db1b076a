/** Log lines: JSON each. Those of requests are written together; some are kept for the console. */
import { count } from "./counters.js";

/** Maximum number of lines of one batch that the console shows. */
const MAX_SHOWN = 200;

/** What is to be written, what is for the console, and whether somebody looks at that. */
/** @type {{ written: string[], shown: string[], isWatched: boolean }} */
export const buffer = { written: [], shown: [], isWatched: false };

/** Something did not go as it should: written at once, counted and shown. @param {string} event */
export function warn(event) {
  const line = JSON.stringify({ at: Date.now(), level: "warn", event });
  count(`vestibule_events_total\t\t${event}`);
  console.warn(line);
  show(line);
}

/**
 * A request was answered. A write costs more than all else that is recorded of it, so lines are written together.
 * @param {string} line
 * @param {boolean} isOfVisitors it is shown while somebody looks
 * @param {boolean} isImportant it is always shown
 */
export function writeLater(line, isOfVisitors, isImportant) {
  buffer.written.push(line);
  if (isImportant || (isOfVisitors && buffer.isWatched)) show(line);
}

/** Writes what waits. */
export function writeLines() {
  if (buffer.written.length > 0) console.log(buffer.written.splice(0).join("\n"));
}

/** Keeps a line for the console. @param {string} line */
export function show(line) {
  if (buffer.shown.length < MAX_SHOWN) buffer.shown.push(line);
  else count("vestibule_telemetry_lines_dropped_total");
}
