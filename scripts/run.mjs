/** Running other programs: to their end, or for their output. */
import { spawn, spawnSync } from "node:child_process";
import { Fault } from "./progress.mjs";

/**
 * Runs a program to its end with its output on this terminal.
 * @param {string} program
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions} [options]
 * @returns {Promise<void>}
 */
export async function run(program, args, options = {}) {
  const code = await exitCode(program, args, options);
  if (code !== 0) throw new Fault(`${[program, ...args].join(" ")} ended with code ${code}.`);
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions} [options]
 * @returns {Promise<number | null>}
 */
export function exitCode(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", ...options });
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
