/**
 * `npm test`: runs native Rust tests, then the Worker in real workerd, with real origins and a real
 * browser. Prints failures at the end, and one line: `N passed, N failed[, N skipped]`.
 */
import "./node-version.mjs";
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { build, buildTenants } from "./build.mjs";
import { readCommandLine } from "./command-line.mjs";
import { Fault, main, print } from "./progress.mjs";
import { run } from "./run.mjs";
import { NODE, ROOT, toolchain } from "./setup.mjs";
import { arranged, everything, matching, quick } from "./suites.mjs";
import { countCargo, countTap, listTap, sound } from "./test-output.mjs";

/** @typedef {import("./suites.mjs").Choice} Choice */
/** @typedef {import("./suites.mjs").Chosen} Chosen */
/** @typedef {import("./test-output.mjs").Counts} Counts */

const USAGE = `Usage: npm test [-- [--quick] [WORD …]]
  WORD      runs only suites with this in their path, and tests with this in their name
  --quick   runs a selection in under two minutes
  --help    prints this text
LONG=1 in the environment repeats randomised tests as often as the documentation states.`;

const SHAPE = {
  name: "npm test",
  usage: USAGE,
  options: { quick: { type: /** @type {const} */ ("boolean") } },
  words: "[WORD …]",
};

/** Timeout of a test; no single test takes this long. */
const TIMEOUT = "--test-timeout=180000";

/** Number of concurrent suites. Most of them wait for three quarters of their time or more. */
const AT_ONCE = 2 * os.availableParallelism();

/** Number of the simulation's seeds in a quick run, and in a long one. */
const QUICK_SEEDS = "200";
const LONG_SEEDS = "20000";

const NATIVE = ["test", "--locked", "--package", "vestibule", "--package", "vestibule-argon2"];

/**
 * Runs the documentation's examples. They link the library, which has one file for all builds, so no build with other
 * features may run at the same time.
 */
const EXAMPLES = ["test", "--locked", "--package", "vestibule", "--doc"];

await main(async () => {
  const { words, values } = readCommandLine(SHAPE);
  const isQuick = values.quick === true;
  if (isQuick && words.length > 0) {
    throw new Fault(`--quick takes no words. Remove: ${words.join(" ")}.\n\n${USAGE}`);
  }
  const choice = isQuick ? quick() : words.length > 0 ? matching(words) : everything();
  if (isQuick) process.env.SEEDS ??= QUICK_SEEDS;
  if (process.env.LONG === "1") process.env.SEEDS ??= LONG_SEEDS;
  await toolchain();
  const begun = Date.now();
  const [native] = await Promise.all([nativeTests(choice), prepared(choice.suites)]);
  // Words select suites and tests; an example has neither.
  const examples = words.length > 0 ? [] : [await nativeTest("Examples", EXAMPLES)];
  const counts = [...native, ...examples, ...(await suiteTests(choice.suites))];
  for (const failure of counts.flatMap(({ failures }) => failures)) print(`\n${failure}`);
  const sum = (/** @type {"passed" | "failed" | "skipped"} */ what) =>
    counts.reduce((total, one) => total + one[what], 0);
  const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
  print(`\nThis took ${((Date.now() - begun) / 60_000).toFixed(1)} minutes.`);
  print(`${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  return sum("failed") === 0 && sum("passed") > 0 ? 0 : 1;
});

/**
 * Builds and installs what suites need.
 * @param {Chosen[]} suites
 */
async function prepared(suites) {
  if (suites.length === 0) return;
  await build();
  await buildTenants();
  // The harness needs the packages' Node.
  const tools = path.join(ROOT, "scripts/test-tools.mjs");
  await run(NODE, [tools, ...suites.map(({ file }) => file)], { cwd: ROOT });
}

/**
 * @param {Choice} choice
 * @returns {Promise<Counts[]>}
 */
async function nativeTests({ native, targets }) {
  const counts = [];
  if (native !== null) {
    counts.push(await nativeTest("Native tests", [...NATIVE, "--lib", "--tests", "--", ...native]));
  }
  for (const target of targets) {
    const args = ["test", "--locked", "--package", "vestibule", "--test", target];
    counts.push(await nativeTest(`Native tests: ${target}`, args));
  }
  return counts;
}

/**
 * Runs native tests with their output on the terminal.
 * @param {string} what
 * @param {string[]} args
 * @returns {Promise<Counts>}
 */
async function nativeTest(what, args) {
  print(`\n${what}`);
  const { code, output } = await ran("cargo", args, (chunk) => void process.stdout.write(chunk));
  return sound(countCargo(output), code);
}

/**
 * Runs suites of the running Worker, several at once.
 * @param {Chosen[]} suites
 * @returns {Promise<Counts[]>}
 */
async function suiteTests(suites) {
  if (suites.length === 0) return [];
  print("\nTests of the running Worker");
  const { together, alone } = arranged(suites);
  /** @type {Counts[]} */
  const counts = [];
  const lane = async () => {
    for (let list = together.shift(); list; list = together.shift()) {
      for (const suite of list) counts.push(await suiteTest(suite));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  for (const suite of alone) counts.push(await suiteTest(suite));
  return counts;
}

/**
 * Runs one suite, and lists its tests at its end.
 * @param {Chosen} suite
 * @returns {Promise<Counts>}
 */
async function suiteTest({ file, words = [] }) {
  const begun = Date.now();
  const patterns = words.map((word) => `--test-name-pattern=/${escaped(word)}/i`);
  const args = ["--test", TIMEOUT, "--test-reporter=tap", ...patterns, file];
  const { code, output } = await ran(NODE, args);
  const counts = sound(countTap(output), code);
  const seconds = ((Date.now() - begun) / 1000).toFixed(0);
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  const total = `${counts.passed} passed, ${counts.failed} failed${skipped}, ${seconds} s`;
  const lines = counts.failed > 0 && counts.failures.length === 0 ? [output] : listTap(output);
  print([`${counts.failed > 0 ? "✖" : "✔"} ${file}: ${total}`, ...lines].join("\n"));
  return counts;
}

/** @param {string} word */
function escaped(word) {
  return word.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/**
 * Runs a program to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {(chunk: string) => void} [onOutput] receives its standard output in chunks
 * @returns {Promise<{ code: number | null, output: string }>}
 */
async function ran(program, args, onOutput = () => {}) {
  // wrangler is 15 MB of JavaScript: this compiles it once, not at each start.
  const env = { NODE_COMPILE_CACHE: path.join(ROOT, "target/compile-cache"), ...process.env };
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    output += chunk;
    onOutput(chunk);
  });
  const code = await new Promise((resolve, reject) => {
    child.on("error", () => reject(new Fault(`${program} is missing: run npm start first.`)));
    child.on("close", resolve);
  });
  return { code, output };
}
