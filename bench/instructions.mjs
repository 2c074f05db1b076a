/**
 * Counts the instructions that a process executes during a load, by `perf stat`, where the machine has such a counter:
 * virtual machines often have none. Instructions depend on neither the machine's speed nor its load.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const EVENT = "instructions:u";

/** Tells whether instructions can be counted here. */
export function canCount() {
  const { stderr } = spawnSync("perf", ["stat", "-x,", "-e", EVENT, "true"], { encoding: "utf8" });
  return readCount(stderr ?? "") !== undefined;
}

/**
 * Runs a program while the instructions of another process are counted.
 * @template T
 * @param {number} pid
 * @param {(command: string[]) => Promise<T>} run gets the words to put before the program's
 * @returns {Promise<{ result: T, instructions: number | undefined }>}
 */
export async function counting(pid, run) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-perf-"));
  const file = path.join(folder, "counts");
  try {
    const words = ["perf", "stat", "-x,", "-o", file, "-e", EVENT, "-p", `${pid}`];
    const result = await run(words);
    return { result, instructions: readCount(readFileSync(file, "utf8")) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads the counter from perf's lines of values with commas between them. @param {string} text */
export function readCount(text) {
  const [, count] = new RegExp(`^(\\d+),[^,]*,${EVENT},`, "m").exec(text) ?? [];
  return count === undefined ? undefined : Number(count);
}
