/**
 * Installs what a build needs: npm packages, the wasm target, the glue generator, development keys.
 * Each step is skipped if it is done already, and repeated if it was interrupted.
 *
 * Runs under the machine's own Node (20 or newer) before any package is installed, so it uses only
 * Node itself.
 */
import "./node-version.mjs";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { NODE, ROOT } from "./places.mjs";
import { Fault, step } from "./progress.mjs";
import { output, run, sideBySide } from "./run.mjs";
import { whenStarted } from "./started.mjs";

export { NODE, ROOT };

/** Build folder of the generator: cargo locks a folder, and the Worker is built at the same time. */
const GENERATOR = path.join(ROOT, "target/generator");

/** The generator of the JavaScript glue, built from this workspace. */
export const BINDGEN = path.join(GENERATOR, "release/bindgen");

/** File from which wrangler reads the development server's secrets. */
const SECRETS = path.join(ROOT, ".dev.vars");

/** The generator runs for a second or two and is built once, so compiling it unoptimised saves time. */
const QUICKLY = ["opt-level=0", 'lto="off"', "codegen-units=4"].flatMap((setting) => [
  "--config",
  `profile.release.${setting}`,
]);

export async function setUp() {
  await toolchain();
  // One waits for the network, the other for the compiler.
  await sideBySide((signal) => [packages(signal), generator(signal)]);
  developmentKeys();
}

/**
 * Installs the npm packages. npm keeps a copy of the lock file that it installed; if that differs from ours, packages
 * are missing.
 * @param {AbortSignal} signal
 */
export async function packages(signal) {
  const wanted = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")).packages;
  const stamp = path.join(ROOT, "node_modules/.package-lock.json");
  if (existsSync(stamp) && existsSync(NODE)) {
    const installed = JSON.parse(readFileSync(stamp, "utf8")).packages;
    const complete = Object.keys(wanted).every(
      (name) =>
        name === "" || wanted[name].optional || installed[name]?.version === wanted[name].version,
    );
    if (complete) return;
  }
  await step("Installing npm packages: wrangler, workerd, test tools", "30 s", () =>
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: ROOT, signal }),
  );
}

/** Checks the Rust compiler, and adds the target that the Worker is built for. */
export async function toolchain() {
  if (process.env.WORKERS_CI && output("rustc", ["--version"]) === null) await installRust();
  const version = output("rustc", ["--version"])?.match(/\d+\.(\d+)\.\d+/);
  const manifest = readFileSync(path.join(ROOT, "Cargo.toml"), "utf8");
  const needed = manifest.match(/rust-version = "(\d+\.(\d+))"/);
  if (!version)
    throw new Fault("Rust is missing. Install it from https://rustup.rs and run this again.");
  if (needed && Number(version[1]) < Number(needed[2])) {
    throw new Fault(
      `Rust ${needed[1]} or newer is needed, this is ${version[0]}. Run: rustup update`,
    );
  }
  const sysroot = output("rustc", ["--print", "sysroot"]) ?? "";
  if (existsSync(path.join(sysroot, "lib/rustlib/wasm32-unknown-unknown/lib"))) return;
  await step("Adding Rust's wasm32 target", "5 s", () =>
    run("rustup", ["target", "add", "wasm32-unknown-unknown"], { cwd: ROOT }),
  );
}

/** Installs Rust in Cloudflare's own builds, which have none. Their machine is used once. */
async function installRust() {
  const script =
    "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y -q --profile minimal";
  await step("Installing Rust", "20 s", () => run("sh", ["-c", script]));
  process.env.PATH = `${path.join(homedir(), ".cargo/bin")}:${process.env.PATH}`;
}

/**
 * Builds the generator of the glue. It is needed only after the Worker is compiled, so it runs at a lower priority.
 * @param {AbortSignal} signal
 */
export async function generator(signal) {
  const lock = path.join(ROOT, "Cargo.lock");
  const version = readFileSync(lock, "utf8").match(
    /name = "wasm-bindgen-cli-support"\nversion = "(.+)"/,
  )?.[1];
  const source = readFileSync(path.join(ROOT, "tools/bindgen/src/main.rs"));
  const wanted = `${version} ${createHash("sha256").update(source).digest("hex").slice(0, 16)}`;
  const stamp = `${BINDGEN}.version`;
  if (existsSync(BINDGEN) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const args = ["build", "--quiet", "--release", "--locked", "--package", "bindgen"];
  await step(`Building the wasm-bindgen ${version} generator`, "1 min", () =>
    run("cargo", [...args, "--target-dir", GENERATOR, ...QUICKLY], {
      cwd: ROOT,
      signal,
      stepsBack: true,
    }),
  );
  writeFileSync(stamp, wanted);
}

/** Creates keys for this checkout's development server. There is no default secret. */
export function developmentKeys() {
  if (existsSync(SECRETS)) return;
  const note = "# Made for local development. Never use in production.";
  writeFileSync(SECRETS, `${note}\nSESSION_KEYS=${freshSecret()}\n`, { mode: 0o600 });
}

/**
 * Returns the development server's ADMIN_TOKEN, and creates it if there is none. An empty one stays
 * empty: then the admin API is closed.
 * @returns {string}
 */
export function developmentAdminToken() {
  const set = /^[ \t]*ADMIN_TOKEN[ \t]*=(.*)$/m.exec(readFileSync(SECRETS, "utf8"));
  if (set) return set[1].replace(/["']/g, "").split(",")[0].trim();
  const token = freshSecret();
  appendFileSync(
    SECRETS,
    `\n# Opens the admin API and the console of the development server.\nADMIN_TOKEN=${token}\n`,
  );
  return token;
}

function freshSecret() {
  return randomBytes(32).toString("base64url");
}

await whenStarted(
  import.meta.filename,
  {
    does: "Installs what a build needs: npm packages, Rust's wasm32 target, the generator of the glue, development keys.",
  },
  setUp,
);
