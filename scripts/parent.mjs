/** Detects that the process which started a command is gone. `kill` of npm reaches none of its children. */
import { readFileSync } from "node:fs";
import { output } from "./run.mjs";

/** Interval between two checks, in milliseconds. */
const EVERY_MS = 500;

/** Maximum number of shells and npm processes between the terminal and a script. */
const MAX_DEPTH = 4;

/**
 * Calls `act` once, when the parent or the npm that runs this script has ended.
 * @param {() => void} act
 */
export function onParentEnd(act) {
  const parent = process.ppid;
  const npm = npmAbove(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === null || isRunning(npm))) return;
    clearInterval(timer);
    act();
  }, EVERY_MS);
  timer.unref();
}

/**
 * Returns the npm process that runs this script, if any: npm starts a shell, and the shell the script.
 * @param {number} pid the process to begin with
 * @returns {number | null}
 */
function npmAbove(pid) {
  if (process.env.npm_lifecycle_event === undefined) return null;
  let at = pid;
  for (let depth = 0; depth < MAX_DEPTH && at > 1; depth += 1) {
    const found = describe(at);
    if (found === null) return null;
    if (/\bnpm\b/.test(found.command)) return at;
    at = found.parent;
  }
  return null;
}

/**
 * @param {number} pid
 * @returns {{ parent: number, state: string, command: string } | null} `null` if there is no such process
 */
function describe(pid) {
  if (process.platform === "linux") {
    try {
      // The name in brackets may contain any text; state and parent follow the last bracket.
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return { parent: Number(parent), state, command };
    } catch {
      return null;
    }
  }
  const line = output("ps", ["-o", "ppid=,state=,command=", "-p", String(pid)]);
  const found = line?.match(/^\s*(\d+)\s+(\S+)\s+(.*)$/);
  return found ? { parent: Number(found[1]), state: found[2], command: found[3] } : null;
}

/** Returns whether a process still runs. An ended one may stay listed until its parent has waited for it. @param {number} pid */
function isRunning(pid) {
  if (process.platform === "linux") {
    const found = describe(pid);
    return found !== null && found.state !== "Z";
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
