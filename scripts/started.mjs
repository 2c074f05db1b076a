/** Runs a script's own command when it was started, not imported by another one. */
import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { readCommandLine } from "./command-line.mjs";
import { main } from "./progress.mjs";

/** @param {string} file the script's own `import.meta.filename`, in which Node has resolved symbolic links */
export function isStarted(file) {
  const [, started] = process.argv;
  return started !== undefined && existsSync(started) && realpathSync(started) === file;
}

/**
 * Runs a command that takes no options, if its script was started.
 * @param {string} file the script's own `import.meta.filename`
 * @param {{ name?: string, does: string }} about its name as typed, and what it does
 * @param {() => Promise<number | void>} act
 */
export async function whenStarted(
  file,
  { name = `node scripts/${path.basename(file)}`, does },
  act,
) {
  if (!isStarted(file)) return;
  await main(async () => {
    readCommandLine({ name, usage: `Usage: ${name}\n${does}\n  --help   prints this text` });
    return act();
  });
}
