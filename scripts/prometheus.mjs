/**
 * Finds Prometheus and promtool for the tests: the machine's own, or those of Debian's package,
 * unpacked into target/. Installing the package would start a service.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { Fault, print, step } from "./progress.mjs";
import { exitCode, output, run } from "./run.mjs";
import { ROOT } from "./setup.mjs";

const TOOLS = path.join(ROOT, "target/tools");
const PLACES = [path.join(TOOLS, "prometheus"), "/usr/bin", "/usr/local/bin"];

/** Instruction for machines without apt. */
export const MISSING =
  "Prometheus is missing: install it (prometheus and promtool 2.42 or newer), or name its folder in PROMETHEUS";

/**
 * Returns the paths of both programs.
 * @returns {{ prometheus: string, promtool: string } | undefined}
 */
export function findPrometheus() {
  const folder = [process.env.PROMETHEUS ?? "", ...PLACES].find(
    (place) =>
      place && ["prometheus", "promtool"].every((name) => existsSync(path.join(place, name))),
  );
  if (!folder) return undefined;
  return { prometheus: path.join(folder, "prometheus"), promtool: path.join(folder, "promtool") };
}

/** Fetches Prometheus if it is missing. Without it the tests that need it are skipped. */
export async function ensurePrometheus() {
  if (findPrometheus()) return;
  if (output("apt-get", ["--version"]) === null || output("dpkg", ["--version"]) === null) {
    return print(`• ${MISSING}. Tests that need it are skipped.`);
  }
  try {
    await step("Fetching Prometheus for the tests", "10 s", unpack);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    print(`  ${error.message}\n  ${MISSING}. Tests that need it are skipped.`);
  }
}

/** Unpacks the programs: complete or not at all. */
async function unpack() {
  mkdirSync(TOOLS, { recursive: true });
  const folder = mkdtempSync(path.join(TOOLS, "unpacking-"));
  try {
    await download(folder);
    const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
    if (!archive) throw new Fault("apt-get did not download the package prometheus.");
    await run("dpkg", ["-x", archive, "package"], { cwd: folder });
    // Only the programs: other files of the package link to packages that are not installed.
    const programs = path.join(folder, "programs");
    mkdirSync(programs);
    for (const name of ["prometheus", "promtool"]) {
      const program = path.join(programs, name);
      renameSync(path.join(folder, "package/usr/bin", name), program);
      if (output(program, ["--version"]) === null)
        throw new Fault(`${name} does not start on this machine.`);
    }
    rmSync(path.join(TOOLS, "prometheus"), { recursive: true, force: true });
    renameSync(programs, path.join(TOOLS, "prometheus"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Downloads the package. apt's lists may be missing or too old; updating them requires root.
 * @param {string} folder
 */
async function download(folder) {
  // apt's own user may not write here.
  const fetch = ["-qq", "-o", "APT::Sandbox::User=root", "download", "prometheus"];
  const quiet = { cwd: folder, stdio: /** @type {const} */ ("ignore") };
  if ((await exitCode("apt-get", fetch, quiet)) === 0) return;
  await run("apt-get", ["update", "-qq"]);
  await run("apt-get", fetch, { cwd: folder });
}

if (import.meta.filename === process.argv[1]) await ensurePrometheus();
