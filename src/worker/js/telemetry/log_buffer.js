/** Buffers the log lines of requests: a write costs more than all else that is recorded of one. */
import { count } from "./counters.js";

/** @import { WriteLater } from "../types.js" */

/** Maximum number of lines of one batch that the console shows. */
const MAX_SHOWN = 200;

/** What is to be written, what is for the console, whether somebody looks. @type {{ written: string[], shown: string[], isWatched: boolean }} */
export const buffer = { written: [], shown: [], isWatched: false };

/** Buffers a line. A visitors' is shown while somebody looks, an important one always. @type {WriteLater} */
export function writeLater(line, isOfVisitors, isImportant) {
  buffer.written.push(line);
  if (!isImportant && !(isOfVisitors && buffer.isWatched)) return;
  if (buffer.shown.length < MAX_SHOWN) buffer.shown.push(line);
  else count("vestibule_telemetry_lines_dropped_total");
}

/** Writes what waits. */
export function writeLines() {
  if (buffer.written.length > 0) console.log(buffer.written.splice(0).join("\n"));
}
