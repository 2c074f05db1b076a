/** Runs other programs to their end, or for their output. */
import { spawn, spawnSync } from "node:child_process";
import { setPriority } from "node:os";
import { Fault } from "./progress.mjs";

/**
 * Options for running a program; `stepsBack` leaves processor time to others.
 * @typedef {import("node:child_process").SpawnOptions & { stepsBack?: boolean }} RunOptions
 */

/** A Unix niceness: a tenth of the processor time when another program runs at the default. */
const STEPS_BACK = 10;

/**
 * Runs a program to its end with its output on this terminal.
 * @param {string} program
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<void>}
 */
export async function run(program, args, options = {}) {
  const code = await exitCode(program, args, options);
  if (code !== 0) throw new Fault(`${[program, ...args].join(" ")} failed with exit code ${code}.`);
}

/**
 * Waits for concurrent tasks. When one fails, the signal ends the programs of the others.
 * @param {(signal: AbortSignal) => Promise<unknown>[]} begin
 * @returns {Promise<void>}
 */
export async function sideBySide(begin) {
  const stop = new AbortController();
  const parts = begin(stop.signal);
  try {
    await Promise.all(parts);
  } catch (error) {
    stop.abort();
    // No other process may write the same files before all have ended.
    await Promise.allSettled(parts);
    throw error;
  }
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<number | null>}
 */
export function exitCode(program, args, { stepsBack = false, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", ...options });
    if (stepsBack && child.pid !== undefined) setPriority(child.pid, STEPS_BACK);
    child.on("error", (error) =>
      reject(new Fault(`${program} cannot be started: ${error.message}`)),
    );
    child.on("close", resolve);
  });
}

/**
 * Returns a program's output, or `null` if it is missing or fails.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string }} [options]
 * @returns {string | null}
 */
export function output(program, args, options = {}) {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", ...options });
  return status === 0 ? stdout.trim() : null;
}
