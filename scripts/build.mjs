/**
 * Builds the Worker into build/: compile, generate glue, optimise, bundle.
 *
 * Called by npm start, npm test and, through wrangler.toml, by wrangler itself. Does nothing when
 * nothing changed. Two builds at once take turns.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { main, say, step } from "./progress.mjs";
import { run } from "./run.mjs";
import { BINDGEN, ROOT, setUp } from "./setup.mjs";

export const WASM = path.join(ROOT, "build/index_bg.wasm");
const SCRIPT = path.join(ROOT, "build/index.js");
const LOCK = path.join(ROOT, "target/build.lock");

/** What rustc's wasm32 target emits by default and wasm-opt must be told about. */
const WASM_FEATURES = [
  "--enable-bulk-memory",
  "--enable-multivalue",
  "--enable-mutable-globals",
  "--enable-nontrapping-float-to-int",
  "--enable-reference-types",
  "--enable-sign-ext",
];

export async function build() {
  await setUp();
  await takeTurn(async () => {
    if (isCurrent()) return;
    await step("Building the Worker", "20 s, the first time 1 min", compile);
    const size = gzipSync(readFileSync(WASM)).length;
    say(`  wasm: ${Math.round(size / 1024)} KiB gzipped`);
  });
}

async function compile() {
  const bin = (/** @type {string} */ name) => path.join(ROOT, "node_modules/.bin", name);
  const options = { cwd: ROOT };
  const target = "wasm32-unknown-unknown";
  mkdirSync(path.join(ROOT, "build"), { recursive: true });
  await run(
    "cargo",
    ["build", "--quiet", "--release", "--locked", "--lib", "--target", target],
    options,
  );
  await run(BINDGEN, [`target/${target}/release/vestibule.wasm`, "target/edge"], options);
  await run(
    bin("wasm-opt"),
    ["-O3", ...WASM_FEATURES, "target/edge/vestibule_bg.wasm", "-o", WASM],
    options,
  );
  await run(
    bin("esbuild"),
    [
      "src/edge/entry.js",
      "--bundle",
      "--format=esm",
      "--platform=neutral",
      "--target=es2024",
      "--alias:vestibule-core=./target/edge/vestibule.js",
      "--external:./index_bg.wasm",
      "--external:cloudflare:workers",
      "--minify-syntax",
      "--log-level=warning",
      `--outfile=${SCRIPT}`,
    ],
    options,
  );
}

function isCurrent() {
  if (!existsSync(SCRIPT) || !existsSync(WASM)) return false;
  const built = Math.min(statSync(SCRIPT).mtimeMs, statSync(WASM).mtimeMs);
  const sources = ["src", "www/pages", "Cargo.toml", "Cargo.lock", "scripts/build.mjs"];
  return sources.every((source) => newest(path.join(ROOT, source)) < built);
}

/**
 * @param {string} place
 * @returns {number} when the newest file in there was changed
 */
function newest(place) {
  const stat = statSync(place);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(place).map((name) => newest(path.join(place, name)));
  return Math.max(stat.mtimeMs, ...inside);
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
    const owner = existsSync(LOCK) ? Number(readFileSync(LOCK, "utf8")) : 0;
    if (owner > 0 && !isAlive(owner)) rmSync(LOCK, { force: true });
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
