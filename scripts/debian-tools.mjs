/** Installs programs that npm does not have, from Debian's packages. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { Fault, step } from "./progress.mjs";
import { output, run } from "./run.mjs";

/** The Debian package of each program. */
const PACKAGES = { wrk: "wrk", nginx: "nginx-light", haproxy: "haproxy", valgrind: "valgrind" };

/** @typedef {keyof typeof PACKAGES} Tool */

/** While this file forbids it, installing a package starts no service. */
const POLICY = "/usr/sbin/policy-rc.d";

/** @param {Tool[]} tools of the benchmark */
export async function ensureTools(tools) {
  const missing = tools.filter((tool) => output("which", [tool]) === null);
  if (missing.length === 0) return;
  const packages = missing.map((tool) => PACKAGES[tool]);
  if (!canInstall()) {
    throw new Fault(`The benchmark needs ${missing.join(" and ")}; install: ${packages.join(" ")}`);
  }
  await step(`Installing ${packages.join(" and ")}`, "20 s", () => install(packages));
}

/** Returns whether this machine installs Debian's packages without a password. */
export function canInstall() {
  return process.getuid?.() === 0 && output("apt-get", ["--version"]) !== null;
}

/**
 * @param {string[]} packages
 * @param {{ recommended?: boolean }} [options] whether to install the packages that they recommend
 */
export function install(packages, { recommended = false } = {}) {
  const extent = recommended ? [] : ["--no-install-recommends"];
  return withoutServices(async () => {
    await run("apt-get", ["update", "-qq"]);
    await run("apt-get", ["install", "-y", "-qq", ...extent, ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  });
}

/** @param {() => Promise<void>} install */
async function withoutServices(install) {
  if (existsSync(POLICY)) return install();
  writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    rmSync(POLICY, { force: true });
  }
}
