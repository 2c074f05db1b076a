/**
 * `npm test`: native Rust tests, then the Worker in real workerd, before real origins and in a real
 * browser. Ends with what failed, if anything did, and one line: `N passed, N failed[, N skipped]`.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { build } from "./build.mjs";
import { ensureChromium } from "./chromium.mjs";
import { main, say } from "./progress.mjs";
import { ensurePrometheus } from "./prometheus.mjs";
import { NODE, ROOT } from "./setup.mjs";

/** No single test takes this long; one that does hangs. */
const TIMEOUT = "--test-timeout=180000";

/** @typedef {{ passed: number, failed: number, skipped: number, failures: string[] }} Counts */

/** Maximum number of lines that are shown again of a failure. */
const MAX_FAILURE_LINES = 40;

await main(async () => {
  await build();
  await ensureChromium();
  await ensurePrometheus();
  const packages = ["--package", "vestibule", "--package", "vestibule-argon2"];
  const native = await tested(
    "Native tests",
    "cargo",
    ["test", "--locked", ...packages],
    countCargo,
  );
  const args = ["--test", "--test-concurrency=1", TIMEOUT, "--test-reporter=tap", ...suites()];
  const blackBox = await tested("Tests of the running Worker", NODE, args, countTap);
  const total = {
    passed: native.passed + blackBox.passed,
    failed: native.failed + blackBox.failed,
    skipped: native.skipped + blackBox.skipped,
  };
  for (const failure of [...native.failures, ...blackBox.failures]) say(`\n${failure}`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  say(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
});

/** Every black-box suite. */
function suites() {
  const names = readdirSync(path.join(ROOT, "tests"), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => path.join("tests", name))
    .sort();
}

/**
 * Runs a suite with its output on the terminal, and counts. One that ends badly, or without having
 * run anything, has failed even if it counted no failure.
 * @param {string} what
 * @param {string} program
 * @param {string[]} args
 * @param {(output: string) => Counts} count
 * @returns {Promise<Counts>}
 */
async function tested(what, program, args, count) {
  say(`\n${what}`);
  const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    output += chunk;
    process.stdout.write(chunk);
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  const counts = count(output);
  const sound = code === 0 && counts.passed > 0;
  return sound || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/**
 * @param {string} output
 * @returns {Counts}
 */
function countCargo(output) {
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
 * @param {string} output
 * @returns {Counts}
 */
function countTap(output) {
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

/** @param {string} text */
function beginning(text) {
  return text.trimEnd().split("\n").slice(0, MAX_FAILURE_LINES).join("\n");
}
