/** What set-up and tests tell the person in front of the terminal. */

/** @param {string} line */
export function say(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * Announces a step that takes a while, runs it, and says how long it took.
 * @template T
 * @param {string} what
 * @param {string} usually how long it usually takes
 * @param {() => T | Promise<T>} act
 * @returns {Promise<T>}
 */
export async function step(what, usually, act) {
  say(`• ${what} (usually ${usually}) …`);
  const started = Date.now();
  const result = await act();
  say(`  ${what}: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

/** A fault with a cure: shown without a stack. */
export class Fault extends Error {}

/**
 * Runs a command's main function; faults end it with their message alone.
 * @param {() => Promise<number | void>} act
 */
export async function main(act) {
  try {
    process.exitCode = (await act()) ?? 0;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}
