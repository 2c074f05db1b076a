/**
 * Finds Prometheus and promtool for the tests: the machine's own, or those of Debian's package,
 * unpacked into target/. Installing the package would start a service.
 */
import "./node-version.mjs";
import { existsSync, renameSync } from "node:fs";
import path from "node:path";
import { Fault, print, step } from "./progress.mjs";
import { output } from "./run.mjs";
import { whenStarted } from "./started.mjs";
import { hasPackages, unpack, unpackedAt } from "./unpacked.mjs";

const PLACES = [unpackedAt("prometheus"), "/usr/bin", "/usr/local/bin"];

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
  if (!hasPackages()) {
    return print(`• ${MISSING}. Tests that need it are skipped.`);
  }
  try {
    await step("Fetching Prometheus for the tests", "10 s", unpackPrograms);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    print(`  ${error.message}\n  ${MISSING}. Tests that need it are skipped.`);
  }
}

/** Unpacks the programs alone: other files of the package link to packages that are not installed. */
function unpackPrograms() {
  return unpack("prometheus", ["prometheus"], (root, folder) => {
    for (const name of ["prometheus", "promtool"]) {
      const program = path.join(folder, name);
      renameSync(path.join(root, "usr/bin", name), program);
      if (output(program, ["--version"]) === null)
        throw new Fault(`${name} does not start on this machine.`);
    }
  });
}

await whenStarted(
  import.meta.filename,
  { does: "Fetches Prometheus for the tests, if it is missing." },
  ensurePrometheus,
);
