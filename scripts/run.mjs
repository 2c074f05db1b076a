/** Running other programs: to their end, or for their output. */
import { spawn, spawnSync } from "node:child_process";
import { setPriority } from "node:os";
import { Fault } from "./progress.mjs";

/**
 * How a program is run; one that steps back takes only the processor time that others leave.
 * @typedef {import("node:child_process").SpawnOptions & { stepsBack?: boolean }} RunOptions
 */

/** A Unix niceness: a tenth of the processor time beside a program at the usual one. */
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
  if (code !== 0) throw new Fault(`${[program, ...args].join(" ")} ended with code ${code}.`);
}

/**
 * Waits for what runs side by side. When one of it fails, the signal ends the programs of the others.
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
    // Nobody else may write the same files before all have ended.
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
 * What a program prints, or `null` when it is not there or fails.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string }} [options]
 * @returns {string | null}
 */
export function output(program, args, options = {}) {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", ...options });
  return status === 0 ? stdout.trim() : null;
}
