/**
 * Builds the Worker into build/: compile, generate glue, optimise, bundle.
 *
 * npm start, npm test and (through wrangler.toml) wrangler call it. It does nothing when nothing changed.
 * Concurrent builds wait for each other.
 */
import "./node-version.mjs";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { readCommandLine } from "./command-line.mjs";
import { isCurrent } from "./current.mjs";
import { buildWhileServing } from "./failed-build.mjs";
import { named } from "./order.mjs";
import { buildPackedFiles } from "./packed-files.mjs";
import { hasSources, TENANTS } from "./places.mjs";
import { main, print, step } from "./progress.mjs";
import { run, sideBySide } from "./run.mjs";
import { BINDGEN, developmentKeys, generator, packages, ROOT, setUp, toolchain } from "./setup.mjs";
import { isStarted } from "./started.mjs";

export const WASM = path.join(ROOT, "build/index_bg.wasm");
export const ARGON2 = path.join(ROOT, "build/argon2.wasm");
export const SCRIPT = path.join(ROOT, "build/index.js");
/** The Worker with planted faults, for tests. */
const PLANTED = path.join(ROOT, "target/planted");
/** The Worker that embeds Vestibule, for tests. */
const EMBED = path.join(ROOT, "target/embed");
/** The data plane. */
const ENTRY = "src/worker/js/entry.js";
const LOCK = path.join(ROOT, "target/build.lock");
const TARGET = "wasm32-unknown-unknown";
const COMPILED = `target/${TARGET}/release/vestibule.wasm`;

/** Features that rustc's wasm32 target emits by default; wasm-opt must know them. */
const WASM_FEATURES = [
  "--enable-bulk-memory",
  "--enable-multivalue",
  "--enable-mutable-globals",
  "--enable-nontrapping-float-to-int",
  "--enable-reference-types",
  "--enable-sign-ext",
];

/**
 * Keeps functions that the compiler did not inline. Inlined copies use different locals and compress to a
 * tenth more. Requests cost the same.
 */
const SMALL = [
  "-O2",
  "--always-inline-max-function-size=0",
  "--flexible-inline-max-function-size=0",
  "--one-caller-inline-max-function-size=0",
];

/** Sorts functions by their names, then removes the names. */
const IN_ORDER = ["--reorder-functions-by-name", "--strip-debug"];

/** The sources of the Worker. */
const SOURCES = [
  "src",
  "www/pages",
  "Cargo.toml",
  "Cargo.lock",
  "scripts/build.mjs",
  "scripts/order.mjs",
  "tools/bindgen/src",
];

/**
 * Settings of builds for tests: the same code with a fraction of the optimiser's work. Other crates are those of the
 * Worker's build.
 */
const FOR_TESTS = ["vestibule", "embed"].flatMap((name) =>
  ["opt-level=1", "codegen-units=16"].flatMap((setting) => [
    "--config",
    `profile.release.package.${name}.${setting}`,
  ]),
);

/** Maximum memory of an instance with planted faults, in bytes, so that a test exhausts it quickly. */
const PLANTED_MEMORY = 64 * 1024 * 1024;

const options = { cwd: ROOT };
const bin = (/** @type {string} */ name) => path.join(ROOT, "node_modules/.bin", name);

/**
 * Builds what is missing. Compiling the Worker takes longest, and uses one core at its end. So it starts first, and the
 * rest runs at the same time. A release is built already.
 */
export async function build() {
  if (!hasSources()) {
    await packages(new AbortController().signal);
    return developmentKeys();
  }
  await toolchain();
  await takeTurn(() => sideBySide(beginBuild));
  developmentKeys();
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<unknown>[]}
 */
function beginBuild(signal) {
  const isMissing = !isCurrent([SCRIPT, WASM], SOURCES);
  const compiled = isMissing ? compile(signal) : Promise.resolve();
  const installed = packages(signal);
  const ready = Promise.all([compiled, installed, generator(signal)]);
  const worker = isMissing ? buildWorker(ready) : ready;
  // cargo would make it wait for the Worker.
  const hash = Promise.all([compiled, installed]).then(() => buildArgon2(signal));
  return [worker, hash, installed.then(buildPackedFiles)];
}

/** @param {Promise<unknown>} ready resolves once it is compiled and its tools are installed */
async function buildWorker(ready) {
  await step("Building the Worker", "1 min, the first time 2 min", async () => {
    await ready;
    await finish();
  });
  const size = gzipSync(readFileSync(WASM)).length;
  print(`  wasm: ${Math.round(size / 1000)} kB gzipped`);
}

/**
 * Builds the Worker with planted faults, and with little memory; it is never deployed.
 * @returns {Promise<string>} the folder
 */
export async function buildPlanted() {
  await build();
  await takeTurn(async () => {
    const [script, wasm] = ["index.js", "index_bg.wasm"].map((file) => path.join(PLANTED, file));
    if (isCurrent([script, wasm], SOURCES)) return;
    await step("Building the Worker with planted faults", "30 s", async () => {
      const library = ["--lib", "--crate-type", "cdylib", "--features", "planted-faults"];
      await cargo("rustc", [
        ...library,
        ...FOR_TESTS,
        "--",
        `-Clink-arg=--max-memory=${PLANTED_MEMORY}`,
      ]);
      const glue = path.join(PLANTED, "glue");
      await run(BINDGEN, [COMPILED, glue], options);
      cpSync(path.join(ROOT, "build"), PLANTED, { recursive: true });
      // The build counts as current only once its last file is new.
      rmSync(wasm, { force: true });
      await bundle(ENTRY, path.join(glue, "vestibule.js"), script);
      copyFileSync(path.join(glue, "vestibule_bg.wasm"), wasm);
      rmSync(glue, { recursive: true });
    });
  });
  return PLANTED;
}

/**
 * Builds `examples/embed` without worker-build, which downloads its tools.
 * @returns {Promise<string>} the folder
 */
export async function buildEmbed() {
  await takeTurn(setUp);
  await takeTurn(async () => {
    const [script, wasm] = ["index.js", "embed_bg.wasm"].map((file) => path.join(EMBED, file));
    const sources = [...SOURCES, "examples/embed", "tests/embed"];
    if (isCurrent([script, wasm], sources)) return;
    await step("Building the Worker that embeds Vestibule", "30 s", async () => {
      await cargo("build", ["--package", "embed", ...FOR_TESTS]);
      const glue = path.join(ROOT, "target/embed-glue");
      await run(BINDGEN, [`target/${TARGET}/release/embed.wasm`, glue], options);
      mkdirSync(EMBED, { recursive: true });
      await bundle("tests/embed/entry.js", path.join(glue, "embed.js"), script);
      copyFileSync(path.join(glue, "embed_bg.wasm"), wasm);
    });
  });
  return EMBED;
}

/** Builds the program that reads tenants' documents as the Worker does. */
export async function buildTenants() {
  const sources = ["src", "www/pages", "tools/tenants", "Cargo.toml", "Cargo.lock"];
  if (isCurrent([TENANTS], sources)) return;
  await run("cargo", ["build", "--quiet", "--locked", "--package", "tenants"], options);
  // cargo does not rebuild a program when a folder is newer only by a foreign file.
  const now = new Date();
  utimesSync(TENANTS, now, now);
}

/** Builds only the module that hashes passwords. */
export async function buildPasswords() {
  await takeTurn(setUp);
  await takeTurn(() => buildArgon2());
}

/** @param {AbortSignal} signal */
function compile(signal) {
  // As a library for other crates as well, the wasm would weigh 4 kB more, and the password hash 5 kB more.
  return cargo("rustc", ["--lib", "--crate-type", "cdylib"], signal);
}

/** Generates the glue of the compiled wasm, optimises, and bundles. */
async function finish() {
  await run(BINDGEN, [COMPILED, "target/worker"], options);
  await optimise("target/worker/vestibule_bg.wasm", "target/worker/small.wasm", SMALL);
  const text = named(readFileSync(path.join(ROOT, "target/worker/small.wasm")));
  writeFileSync(path.join(ROOT, "target/worker/named.wasm"), text);
  await optimise("target/worker/named.wasm", WASM, IN_ORDER);
  await bundle(ENTRY, "target/worker/vestibule.js", SCRIPT);
}

/**
 * Bundles the script that calls the wasm module.
 * @param {string} entry
 * @param {string} glue the generated glue
 * @param {string} script
 */
function bundle(entry, glue, script) {
  return run(
    bin("esbuild"),
    [
      entry,
      "--bundle",
      "--format=esm",
      "--platform=neutral",
      "--target=es2024",
      `--alias:vestibule-core=${path.resolve(ROOT, glue)}`,
      "--alias:vestibule-runtime=./src/worker/js/runtime.js",
      "--external:./*_bg.wasm",
      "--external:./argon2.wasm",
      "--external:./files.bin",
      "--external:cloudflare:workers",
      "--minify",
      "--log-level=warning",
      `--outfile=${script}`,
    ],
    options,
  );
}

/**
 * Builds the password hash with SIMD, which makes it a tenth faster; the rest would not gain.
 * @param {AbortSignal} [signal]
 */
async function buildArgon2(signal) {
  const sources = ["tools/argon2", "Cargo.toml", "Cargo.lock", "scripts/build.mjs"];
  if (isCurrent([ARGON2], sources)) return;
  await step("Building the password hash", "5 s", async () => {
    const simd = `target.${TARGET}.rustflags=["-Ctarget-feature=+simd128"]`;
    const library = ["--package", "vestibule-argon2", "--lib", "--crate-type", "cdylib"];
    await cargo("rustc", [...library, "--config", simd], signal);
    const compiled = `target/${TARGET}/release/vestibule_argon2.wasm`;
    await optimise(compiled, ARGON2, ["-O3", "--enable-simd"]);
  });
}

/**
 * @param {"build" | "rustc"} command
 * @param {string[]} args
 * @param {AbortSignal} [signal]
 */
function cargo(command, args, signal) {
  const all = [command, "--quiet", "--release", "--locked", "--target", TARGET, ...args];
  return run("cargo", all, { ...options, signal });
}

/**
 * @param {string} compiled
 * @param {string} optimised
 * @param {string[]} passes
 */
function optimise(compiled, optimised, passes) {
  mkdirSync(path.dirname(optimised), { recursive: true });
  const args = [...passes, ...WASM_FEATURES, compiled, "-o", optimised];
  return run(bin("wasm-opt"), args, options);
}

/** @param {() => Promise<void>} act */
async function takeTurn(act) {
  mkdirSync(path.dirname(LOCK), { recursive: true });
  while (!claim()) await pause(200);
  try {
    await act();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

/** Returns whether this process now holds the lock. It takes over the lock of a process that is gone. */
function claim() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    if (isAbandoned()) rmSync(LOCK, { force: true });
    return false;
  }
}

/** Returns whether the lock's owner is gone, also if it wrote no process id. */
function isAbandoned() {
  try {
    const owner = Number(readFileSync(LOCK, "utf8"));
    return owner > 0 ? !isAlive(owner) : Date.now() - statSync(LOCK).mtimeMs > 5_000;
  } catch {
    // The lock was released meanwhile.
    return false;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const SHAPE = {
  name: "npm run build",
  usage: `Usage: npm run build
Builds the Worker into build/, if its sources changed. Installs what is missing for that.
  --help   prints this text`,
};

if (isStarted(import.meta.filename)) {
  await main(async () => {
    readCommandLine(SHAPE);
    // wrangler names its own command to the builds that it starts.
    if (process.env.WRANGLER_COMMAND !== "dev") return void (await build());
    return buildWhileServing(import.meta.filename, { script: SCRIPT, wasm: WASM });
  });
}
