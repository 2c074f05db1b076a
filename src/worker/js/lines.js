/**
 * Log lines: JSON each, written together with others if they can wait, and kept for the console while somebody
 * looks at it.
 */
import { count } from "./tally.js";

/** So many lines of one batch are shown in the console. */
const MOST_SHOWN = 200;

/** @type {string[]} lines to be written */
const waiting = [];

/** @type {string[]} lines for the console */
const shown = [];

let isWatched = false;

/**
 * Takes note whether somebody looks at the console.
 * @param {boolean} is
 */
export function watched(is) {
  isWatched = is;
}

/**
 * Something that happened; written at once.
 * @param {"log" | "warn" | "error"} how
 * @param {string} line
 */
export function writeNow(how, line) {
  console[how](line);
  show(line);
}

/**
 * A request that was answered. Such lines are written together: a write costs more than all else that is told of a
 * request.
 * @param {string} line
 * @param {boolean} isOfVisitors it is shown while anybody looks; looking is itself no news
 * @param {boolean} isImportant it is shown whether anybody looks or not
 */
export function writeLater(line, isOfVisitors, isImportant) {
  waiting.push(line);
  if ((isWatched && isOfVisitors) || isImportant) show(line);
}

/** Writes what waits. */
export function writeWaiting() {
  if (waiting.length > 0) console.log(waiting.splice(0).join("\n"));
}

/** The lines for the console. */
export function takeShown() {
  return shown.splice(0);
}

/** @param {string} line */
function show(line) {
  if (shown.length < MOST_SHOWN) shown.push(line);
  else count("vestibule_telemetry_lines_dropped_total");
}
