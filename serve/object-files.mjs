/**
 * Removes the files of Durable Objects that are empty.
 *
 * An object that deletes all its data, as at the end of a session, leaves a database of one empty page. To the runtime a
 * missing file is the same. While the runtime runs it may be using a file, so files are removed before it starts.
 */
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { OBJECTS } from "./config.mjs";

/** Size of a database of one page, in bytes. */
const PAGE = 4_096;

/** Length of the database's header with the number of tables (https://www.sqlite.org/fileformat.html). */
const HEADER = 105;
const PAGES_AT = 28;
const TABLES_AT = 103;

/** Maximum time for this work, in milliseconds: the service is down meanwhile. What is left waits for the next start. */
const MAX_MS = 5_000;

/** @param {string} folder of all objects */
export function removeEmptyObjects(folder) {
  const end = Date.now() + MAX_MS;
  for (const [, , key] of OBJECTS) {
    const place = path.join(folder, key);
    const names = existsSync(place) ? readdirSync(place) : [];
    for (const name of names.filter((one) => /^[0-9a-f]{64}\.sqlite$/.test(one))) {
      if (Date.now() > end) return;
      const file = path.join(place, name);
      if (!isEmpty(file)) continue;
      for (const suffix of ["-wal", "-shm", ""]) rmSync(file + suffix, { force: true });
    }
  }
}

/** Returns whether a database has no table, and nothing that is not in its main file yet. @param {string} file */
function isEmpty(file) {
  if (statSync(file).size !== PAGE) return false;
  const logs = ["-wal", "-journal"].map((suffix) => file + suffix);
  if (logs.some((log) => existsSync(log) && statSync(log).size > 0)) return false;
  const header = Buffer.alloc(HEADER);
  const opened = openSync(file, "r");
  try {
    if (readSync(opened, header, 0, HEADER, 0) < HEADER) return false;
  } finally {
    closeSync(opened);
  }
  const isDatabase = header.toString("latin1", 0, 15) === "SQLite format 3";
  return isDatabase && header.readUInt32BE(PAGES_AT) === 1 && header.readUInt16BE(TABLES_AT) === 0;
}
