/** What was measured last, kept beside the benchmark so that documents can be checked against it. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const FILE = path.join(import.meta.dirname, "recorded.json");

/** @typedef {{ date: string, machine: string, rounds: number, seconds: number }} Made when and how */

/**
 * @typedef {object} Recorded
 * @property {Made} made
 * @property {import("./report.mjs").Row[]} cost
 * @property {Record<string, Record<string, import("./operations.mjs").Operations>>} operations by profile and variant
 * @property {{ made: Made, table: import("./anchors.mjs").Latency[] }} anchors
 * @property {import("./scale.mjs").Scale} scale
 */

/** @returns {Recorded} */
export function recorded() {
  return JSON.parse(readFileSync(FILE, "utf8"));
}

/** Keeps what was measured now beside what was not. @param {Partial<Recorded>} part */
export function record(part) {
  writeFileSync(FILE, `${JSON.stringify({ ...recorded(), ...part }, null, 2)}\n`);
}
