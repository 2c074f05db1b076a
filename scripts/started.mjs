/** Decides whether a script was started, or imported by another one. */
import { existsSync, realpathSync } from "node:fs";

/** @param {string} file the script's own `import.meta.filename`, in which Node has resolved symbolic links */
export function isStarted(file) {
  const [, started] = process.argv;
  return started !== undefined && existsSync(started) && realpathSync(started) === file;
}
