/**
 * Runs a program in a process group of its own, and ends the whole group when the parent process is
 * gone. A killed parent sends no signal, but its channel closes.
 *
 * Started by `served.mjs`, with a channel: `node supervised.mjs PROGRAM [ARG …]`.
 */
import { spawn } from "node:child_process";

/** Maximum time for the group to end by itself, in milliseconds. */
const GRACE_MS = 3_000;

const [program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"], detached: true });

child.on("error", (error) => {
  process.stderr.write(`${program} cannot be started: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code) => {
  // Processes that the program left running are in its group.
  signalGroup("SIGKILL");
  process.exit(code ?? 1);
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, end);
}
process.on("disconnect", end);

let isEnding = false;

function end() {
  if (isEnding) return;
  isEnding = true;
  signalGroup("SIGTERM");
  setTimeout(() => signalGroup("SIGKILL"), GRACE_MS);
}

/** @param {NodeJS.Signals} signal */
function signalGroup(signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is empty already.
  }
}
