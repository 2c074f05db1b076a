/**
 * Builds the Worker into build/: compile, generate glue, optimise, bundle.
 *
 * Called by npm start, npm test and, through wrangler.toml, by wrangler itself. Does nothing when
 * nothing changed. Two builds at once take turns.
 */
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
import { buildConsole } from "./console.mjs";
import { isCurrent } from "./current.mjs";
import { named } from "./order.mjs";
import { main, say, step } from "./progress.mjs";
import { run, sideBySide } from "./run.mjs";
import { BINDGEN, developmentKeys, generator, packages, ROOT, setUp, toolchain } from "./setup.mjs";

export const WASM = path.join(ROOT, "build/index_bg.wasm");
export const ARGON2 = path.join(ROOT, "build/argon2.wasm");
export const SCRIPT = path.join(ROOT, "build/index.js");
/** Reads tenants' documents, on the command line. */
export const TENANTS = path.join(ROOT, "target/debug/tenants");
/** The Worker with planted faults, for tests. */
const PLANTED = path.join(ROOT, "target/planted");
/** The Worker that embeds Vestibule, for tests. */
const EMBED = path.join(ROOT, "target/embed");
/** The data plane. */
const ENTRY = "src/worker/js/entry.js";
const LOCK = path.join(ROOT, "target/build.lock");
const TARGET = "wasm32-unknown-unknown";
const COMPILED = `target/${TARGET}/release/vestibule.wasm`;

/** What rustc's wasm32 target emits by default and wasm-opt must be told about. */
const WASM_FEATURES = [
  "--enable-bulk-memory",
  "--enable-multivalue",
  "--enable-mutable-globals",
  "--enable-nontrapping-float-to-int",
  "--enable-reference-types",
  "--enable-sign-ext",
];

/**
 * What the compiler left apart stays apart: inlined it would be written with other locals each time, and
 * compress to a tenth more. Requests cost the same.
 */
const SMALL = [
  "-O2",
  "--always-inline-max-function-size=0",
  "--flexible-inline-max-function-size=0",
  "--one-caller-inline-max-function-size=0",
];

/** Sorts functions into the order their names tell; the names go. */
const IN_ORDER = ["--reorder-functions-by-name", "--strip-debug"];

/** What the Worker is built from. */
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
 * What is built for tests alone is the same code, with a fraction of the optimiser's work. What other crates are compiled
 * to is the Worker's.
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
 * Builds what is missing. To compile the Worker takes longest, and at its end one core: it begins at once, and all
 * else is done beside it.
 */
export async function build() {
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
  // cargo would let it wait for the Worker.
  const hash = Promise.all([compiled, installed]).then(() => buildArgon2(signal));
  return [worker, hash, installed.then(buildConsole)];
}

/** @param {Promise<unknown>} ready when it is compiled, and what is needed besides is there */
async function buildWorker(ready) {
  await step("Building the Worker", "1 min, the first time 2 min", async () => {
    await ready;
    await finish();
  });
  const size = gzipSync(readFileSync(WASM)).length;
  say(`  wasm: ${Math.round(size / 1000)} kB gzipped`);
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
      // Until the last of them is new, they are not taken for current.
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
  // cargo lets a program be that is older than a folder, in which a file was only added that is none of its own.
  const now = new Date();
  utimesSync(TENANTS, now, now);
}

/** Builds only what passwords are hashed with. */
export async function buildPasswords() {
  await takeTurn(setUp);
  await takeTurn(() => buildArgon2());
}

/** @param {AbortSignal} signal */
function compile(signal) {
  // Built as a library for other crates, too, it weighs 4 kB more, and the password hash 5.
  return cargo("rustc", ["--lib", "--crate-type", "cdylib"], signal);
}

/** Generates the glue of what was compiled, optimises, and bundles. */
async function finish() {
  await run(BINDGEN, [COMPILED, "target/worker"], options);
  await optimise("target/worker/vestibule_bg.wasm", "target/worker/small.wasm", SMALL);
  const text = named(readFileSync(path.join(ROOT, "target/worker/small.wasm")));
  writeFileSync(path.join(ROOT, "target/worker/named.wasm"), text);
  await optimise("target/worker/named.wasm", WASM, IN_ORDER);
  await bundle(ENTRY, "target/worker/vestibule.js", SCRIPT);
}

/**
 * Bundles what calls the wasm module.
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
      "--external:./console/*.bin",
      "--external:cloudflare:workers",
      "--minify",
      "--log-level=warning",
      `--outfile=${script}`,
    ],
    options,
  );
}

/**
 * The rest would gain nothing by SIMD; a hash is a tenth faster.
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

/** Whether the lock is ours now. One whose owner is gone is taken over. */
function claim() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    if (isAbandoned()) rmSync(LOCK, { force: true });
    return false;
  }
}

/** Whether the lock's owner is gone, or went before it wrote who it is. */
function isAbandoned() {
  try {
    const owner = Number(readFileSync(LOCK, "utf8"));
    return owner > 0 ? !isAlive(owner) : Date.now() - statSync(LOCK).mtimeMs > 5_000;
  } catch {
    // It was given back meanwhile.
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

if (import.meta.filename === process.argv[1]) await main(build);
