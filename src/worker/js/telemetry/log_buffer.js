/** Buffers the log lines of requests: a write costs more than all other recording of a request. */
import { count } from "./counters.js";

/** @import { WriteLater } from "../types.js" */

/** Maximum number of lines of one batch that the console shows. */
const MAX_SHOWN = 200;

/** Lines to write, lines for the console, and whether an operator watches. @type {{ written: string[], shown: string[], isWatched: boolean }} */
export const buffer = { written: [], shown: [], isWatched: false };

/** Second of the last line in Unix milliseconds, and the beginning of its timestamps: a date costs more than a line. */
let [second, beginning] = [0, ""];

/** Formats a time in ISO 8601. @param {number} ms since 1970 */
export function timestampOf(ms) {
  const own = ms - (ms % 1000);
  if (own !== second) [second, beginning] = [own, new Date(own).toISOString().slice(0, 20)];
  return `${beginning}${String(ms).slice(-3)}Z`;
}

/** Buffers a line. The console gets important ones always, visitors' while an operator watches. @type {WriteLater} */
export function writeLater(line, isOfVisitors, isImportant) {
  buffer.written.push(line);
  if (!isImportant && !(isOfVisitors && buffer.isWatched)) return;
  if (buffer.shown.length < MAX_SHOWN) buffer.shown.push(line);
  else count("vestibule_telemetry_lines_dropped_total");
}

/** Writes the buffered lines. */
export function writeLines() {
  if (buffer.written.length > 0) console.log(buffer.written.splice(0).join("\n"));
}
