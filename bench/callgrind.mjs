/** Counts instructions and calls with valgrind's callgrind, independently of the machine's load. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault } from "../scripts/progress.mjs";
import { output } from "../scripts/run.mjs";

/** Entry points of the C library's allocator. */
const ALLOCATES = new Set(["malloc", "calloc", "realloc", "memalign", "posix_memalign"]);

/** @typedef {{ name: string, instructions: number, allocations: number }} Counted per time that it is done */

/**
 * Runs a program that calls `watched` once for each of its cases, and then prints the case's name and number of
 * repetitions.
 * @param {string} program
 * @param {string[]} args
 * @param {string} watched
 * @returns {Counted[]}
 */
export function counted(program, args, watched) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-callgrind-"));
  try {
    const dump = path.join(folder, "dump");
    const printed = output("valgrind", [
      "--tool=callgrind",
      `--callgrind-out-file=${dump}`,
      // Earlier counts get a dump of their own. Toggling would keep calls counted.
      `--dump-before=${watched}`,
      `--dump-after=${watched}`,
      program,
      ...args,
    ]);
    if (printed === null) throw new Fault(`valgrind ${program} failed.`);
    return printed.split("\n").map((line, at) => {
      const [name, times] = line.split("\t");
      const { instructions, allocations } = read(readFileSync(`${dump}.${2 * at + 2}`, "utf8"));
      const each = (/** @type {number} */ sum) => Math.round(sum / Number(times));
      return { name, instructions: each(instructions), allocations: each(allocations) };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Sums one dump. A function's name follows its number at the number's first use, and a line with the number of
 * calls follows the called function.
 * @param {string} dump
 */
export function read(dump) {
  /** @type {Map<string, string>} */
  const names = new Map();
  let called = "";
  let allocations = 0;
  for (const line of dump.split("\n")) {
    const [, kind, number, name] = /^(c?fn)=\((\d+)\)(?: (.*))?$/.exec(line) ?? [];
    if (kind !== undefined && name !== undefined) names.set(number, name);
    if (kind === "cfn") called = names.get(number) ?? "";
    const [, calls] = /^calls=(\d+)/.exec(line) ?? [];
    if (calls !== undefined && ALLOCATES.has(called)) allocations += Number(calls);
  }
  const [, instructions] = /^totals: (\d+)$/m.exec(dump) ?? [];
  if (instructions === undefined) throw new Error("a dump of callgrind has no totals");
  return { instructions: Number(instructions), allocations };
}
