/** Reads and writes the last measurements in bench/recorded.json, with which tests compare the documents. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";

const FILE = path.join(import.meta.dirname, "recorded.json");

/** @typedef {{ date: string, machine: string }} When and on what */
/** @typedef {When & { rounds: number, seconds: number, others?: number }} Made when and how, and the share of the processors that other programs used */

/**
 * @typedef {object} Recorded
 * @property {Made} made
 * @property {import("./report.mjs").Row[]} cost
 * @property {Record<string, Record<string, import("./operations.mjs").Operations>>} operations by profile and variant
 * @property {{ made: Made, table: import("./messages.mjs").MessageRow[] }} messages
 * @property {import("./encodings.mjs").Encoded[]} encodings
 * @property {{ made: Made } & import("./young.mjs").Young} [young] young isolates
 * @property {{ made?: Made } & import("./starts.mjs").Starts} starts
 * @property {{ made: When, table: import("./rolling.mjs").RollingRow[] }} rolling
 * @property {{ made: When, table: import("./relogins.mjs").ReloginRow[] }} relogins
 * @property {{ made: Made, table: import("./writes.mjs").WriteRow[] }} writes
 * @property {{ made: Made, table: import("./coalescing.mjs").CoalescingRow[] }} coalescing
 * @property {{ made: When, table: import("./chainlit.mjs").ChainlitRow[] }} chainlit
 * @property {{ made: When, row: import("./soak.mjs").SoakRow }} soak
 * @property {{ gateway: number, passwords: number }} weight bytes of wasm, gzipped
 * @property {{ made: Made, table: import("./anchors.mjs").Latency[] }} anchors
 * @property {import("./scale.mjs").Scale} scale
 * @property {{ made: { date: string, machine: string, compiler: string }, table: import("./native.mjs").Piece[] }} native
 */

/** @returns {Recorded} */
export function recorded() {
  return JSON.parse(readFileSync(FILE, "utf8"));
}

/** Records new measurements, and keeps the others. @param {Partial<Recorded>} part */
export function record(part) {
  writeFileSync(FILE, `${JSON.stringify({ ...recorded(), ...part }, null, 2)}\n`);
}

/** @returns {When} */
export function machine() {
  const [{ model }] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return { date, machine: `${cpus().length} × ${model}` };
}
