/**
 * Measures the core without the edge (`benches/`): the time of each case, which depends on the machine; and its
 * instructions and allocations, which do not, and have bounds.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Fault } from "../scripts/progress.mjs";
import { output, run } from "../scripts/run.mjs";
import { counted } from "./callgrind.mjs";
import { aligned, markdown } from "./report.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");
const BOUNDS = path.join(ROOT, "benches/bounds.json");

/** Maximum time for each case, in seconds. */
const SECONDS = "0.2";

/** @typedef {{ instructions: number, allocations: number }} Bound the most there may be */
/** @typedef {import("./callgrind.mjs").Counted & { ns: number, most: Bound }} Piece */

/** @returns {Record<string, Bound>} */
export function bounds() {
  return JSON.parse(readFileSync(BOUNDS, "utf8"));
}

/** Returns the compiler's version, on which the instructions depend. */
export function compiler() {
  return (output("rustc", ["--version"]) ?? "").split(" ").slice(0, 2).join(" ");
}

/** Builds the benchmark like the Worker, and returns its path. @returns {Promise<string>} */
export async function built() {
  const features = ["--package", "vestibule", "--features", "internals"];
  const args = ["bench", "--locked", ...features, "--bench", "core", "--no-run"];
  await run("cargo", args, { cwd: ROOT });
  const printed = output("cargo", [...args, "--message-format=json"], { cwd: ROOT }) ?? "";
  const artifacts = printed.split("\n").map((line) => JSON.parse(line || "{}"));
  const { executable } = artifacts.find(({ target }) => target?.kind.includes("bench")) ?? {};
  if (!executable) throw new Fault("cargo does not say where it has put the benchmark.");
  return executable;
}

/** @param {string} program @returns {Piece[]} */
export function pieces(program) {
  const known = bounds();
  const times = timed(program);
  const table = counted(program, ["--counted"], "core::counted").map((piece) => {
    const most = known[piece.name];
    if (!most) throw new Fault(`benches/bounds.json has no bound for "${piece.name}".`);
    const ns = times.get(piece.name);
    if (ns === undefined) throw new Error(`divan tells no time for "${piece.name}"`);
    return { ...piece, ns, most };
  });
  const left = Object.keys(known).filter((name) => !table.some((piece) => piece.name === name));
  if (left.length > 0) throw new Fault(`benches/bounds.json bounds what is not there: ${left}.`);
  return table;
}

/** @param {string} program @returns {Map<string, number>} medians in nanoseconds */
function timed(program) {
  const printed = output(program, ["--bench", "--color", "never", "--max-time", SECONDS]);
  if (printed === null) throw new Fault(`${program} failed.`);
  return medians(printed);
}

/** @type {Record<string, number>} */
const UNITS = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9 };

/** Reads the medians of divan's tree: a line for each case with fastest, slowest, median and more. @param {string} tree */
export function medians(tree) {
  const found = new Map();
  for (const line of tree.split("\n")) {
    const [first, , median = ""] = line.split("│");
    const [, name] = /^ *[├╰]─ (.+?) {2,}[\d.]+ /.exec(first) ?? [];
    const [, value, unit] = /^ ([\d.]+) (ns|µs|ms|s) *$/.exec(median) ?? [];
    if (name === undefined || value === undefined) continue;
    found.set(name, Number(value) * UNITS[unit]);
  }
  return found;
}

/** @param {Piece} piece */
export function isMet({ instructions, allocations, most }) {
  return instructions <= most.instructions && allocations <= most.allocations;
}

const HEAD = ["", "ns", "instructions", "at most", "allocations", "at most", "met"];

/** @param {Piece[]} table */
function body(table) {
  const described = (/** @type {number} */ value) => Math.round(value).toLocaleString("en");
  return table.map((piece) => [
    piece.name,
    ...[piece.ns, piece.instructions, piece.most.instructions].map(described),
    ...[piece.allocations, piece.most.allocations].map(described),
    isMet(piece) ? "yes" : "NO",
  ]);
}

/** @param {Piece[]} table */
export function piecesInMarkdown(table) {
  return markdown(HEAD, body(table));
}

/** @param {Piece[]} table */
export function piecesAsText(table) {
  return aligned(HEAD, body(table));
}
