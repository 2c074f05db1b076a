/** Installs the benchmark's programs that npm does not have, from Debian. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { Fault, step } from "./progress.mjs";
import { output, run } from "./run.mjs";

/** The Debian package of each program. */
const PACKAGES = { wrk: "wrk", nginx: "nginx-light", haproxy: "haproxy", valgrind: "valgrind" };

/** While this file forbids it, installing a package starts no service. */
const POLICY = "/usr/sbin/policy-rc.d";

/** @param {(keyof typeof PACKAGES)[]} tools */
export async function ensureTools(tools) {
  const missing = tools.filter((tool) => output("which", [tool]) === null);
  if (missing.length === 0) return;
  const packages = missing.map((tool) => PACKAGES[tool]);
  if (process.getuid?.() !== 0 || output("apt-get", ["--version"]) === null) {
    throw new Fault(`The benchmark needs ${missing.join(" and ")}; install: ${packages.join(" ")}`);
  }
  await step(`Installing ${packages.join(" and ")}`, "20 s", () =>
    withoutServices(async () => {
      await run("apt-get", ["update", "-qq"]);
      await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], {
        stdio: ["ignore", "ignore", "inherit"],
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
    }),
  );
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
