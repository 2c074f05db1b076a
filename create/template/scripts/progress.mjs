/** Prints progress and faults to the terminal. */

/** @param {string} line */
export function print(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * Announces a slow step, runs it, and prints how long it took.
 * @template T
 * @param {string} what
 * @param {string} usually how long it usually takes
 * @param {() => T | Promise<T>} act
 * @returns {Promise<T>}
 */
export async function step(what, usually, act) {
  print(`• ${what} (usually ${usually}) …`);
  const started = Date.now();
  const result = await act();
  print(`  ${what}: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

/** A fault that a message explains: printed without a stack trace. */
export class Fault extends Error {
  /** Exit code of the command. */
  code = 1;
}

/** What `--help` prints, in place of everything else. */
export class Help extends Error {}

/**
 * Runs a command's main function; a fault ends it with only its message.
 * @param {() => Promise<number | void>} act
 */
export async function main(act) {
  try {
    process.exitCode = (await act()) ?? 0;
  } catch (error) {
    if (error instanceof Help) return print(error.message);
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = error.code;
  }
}
