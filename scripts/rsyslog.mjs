/**
 * Finds rsyslog for a test of log lines: that of Debian's packages, unpacked into target/. The machine's own may lack the
 * module for Elasticsearch.
 */
import "./node-version.mjs";
import { existsSync, readdirSync, renameSync } from "node:fs";
import path from "node:path";
import { Fault, print, step } from "./progress.mjs";
import { output } from "./run.mjs";
import { whenStarted } from "./started.mjs";
import { hasPackages, unpack, unpackedAt } from "./unpacked.mjs";

/** Packages of the program, its module for Elasticsearch, and the libraries that few machines have. */
const PACKAGES = ["rsyslog", "rsyslog-elasticsearch", "libestr0", "libfastjson4", "liblognorm5"];

/** Instruction for machines without apt. */
export const MISSING = "rsyslog is missing: it is taken from the packages of Debian 12 or newer";

/** @typedef {{ program: string, modules: string, libraries: string }} Rsyslog */

/** Returns where it is. @param {string} [root] @returns {Rsyslog | undefined} */
export function findRsyslog(root = unpackedAt("rsyslog")) {
  const program = path.join(root, "usr/sbin/rsyslogd");
  if (!existsSync(program)) return undefined;
  const lib = path.join(root, "usr/lib");
  const libraries = readdirSync(lib).find((name) => existsSync(path.join(lib, name, "rsyslog")));
  if (!libraries) return undefined;
  const folder = path.join(lib, libraries);
  return { program, libraries: folder, modules: path.join(folder, "rsyslog") };
}

/** Fetches rsyslog if it is missing. Without it the test that needs it is skipped. */
export async function ensureRsyslog() {
  if (findRsyslog()) return;
  if (!hasPackages()) return print(`• ${MISSING}. The test that needs it is skipped.`);
  try {
    await step("Fetching rsyslog for the tests", "10 s", () =>
      unpack("rsyslog", PACKAGES, (root, folder) => {
        const found = findRsyslog(root);
        if (!found || !starts(found)) throw new Fault("rsyslog does not start on this machine.");
        renameSync(path.join(root, "usr"), path.join(folder, "usr"));
      }),
    );
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    print(`  ${error.message}\n  ${MISSING}. The test that needs it is skipped.`);
  }
}

/** Returns whether it starts with the libraries there are. @param {Rsyslog} rsyslog */
function starts({ program, libraries }) {
  return output("env", [`LD_LIBRARY_PATH=${libraries}`, program, "-v"]) !== null;
}

await whenStarted(
  import.meta.filename,
  { does: "Fetches rsyslog for the tests, if it is missing." },
  ensureRsyslog,
);
