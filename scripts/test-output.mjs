/** Parses the output of test programs: numbers of tests, and messages of failures. */

/** @typedef {{ passed: number, failed: number, skipped: number, failures: string[] }} Counts */

/** Maximum number of lines of a failure that are printed again. */
const MAX_FAILURE_LINES = 40;

/**
 * Counts the tests of `cargo test`.
 * @param {string} output
 * @returns {Counts}
 */
export function countCargo(output) {
  const failed = output.matchAll(/^---- .+ stdout ----\n(?:(?!---- |failures:).*\n)*/gm);
  const failures = Array.from(failed, ([text]) => beginning(text));
  const counts = { passed: 0, failed: 0, skipped: 0, failures };
  for (const [, passed, failed, ignored] of output.matchAll(
    /test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/g,
  )) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
  return counts;
}

/**
 * Counts the tests of `node --test`.
 * @param {string} output TAP
 * @returns {Counts}
 */
export function countTap(output) {
  const last = (/** @type {string} */ name) =>
    Number(output.match(new RegExp(`^# ${name} (\\d+)$`, "m"))?.[1] ?? 0);
  const failed = output.matchAll(/^ *not ok .+\n(?:(?! *(?:not ok|ok|# Subtest)).*\n)*/gm);
  return {
    passed: last("pass"),
    failed: last("fail") + last("cancelled"),
    skipped: last("skipped") + last("todo"),
    failures: Array.from(failed, ([text]) => beginning(text)),
  };
}

/**
 * Lists the tests of `node --test`, a line each.
 * @param {string} output TAP
 */
export function listTap(output) {
  const lines = output.matchAll(/^ *(not )?ok \d+ - (.+)$/gm);
  return Array.from(lines, ([, failed, name]) => `  ${failed ? "✖" : "✔"} ${name}`);
}

/**
 * Adds a failure if a program failed or ran nothing without counting one itself.
 * @param {Counts} counts
 * @param {number | null} code
 * @returns {Counts}
 */
export function sound(counts, code) {
  const isSound = code === 0 && counts.passed + counts.skipped > 0;
  return isSound || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** @param {string} text */
function beginning(text) {
  return text.trimEnd().split("\n").slice(0, MAX_FAILURE_LINES).join("\n");
}
