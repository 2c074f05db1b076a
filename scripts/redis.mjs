/** Finds Redis for tests: that of Debian's packages, unpacked into target/. Installing the package would start a service. */
import { existsSync, readdirSync, renameSync } from "node:fs";
import path from "node:path";
import { Fault, print, step } from "./progress.mjs";
import { output } from "./run.mjs";
import { isStarted } from "./started.mjs";
import { hasPackages, unpack, unpackedAt } from "./unpacked.mjs";

/** Packages of the program, and the libraries that few machines have. */
const PACKAGES = [
  "redis-server",
  "redis-tools",
  "libjemalloc2",
  "liblua5.1-0",
  "liblzf1",
  "lua-bitop",
  "lua-cjson",
];

/** Instruction for machines without apt. */
export const MISSING = "Redis is missing: it is taken from the packages of Debian 12 or newer";

/** @typedef {{ program: string, env: Record<string, string> }} Redis */

/** Returns its program, and the environment in which it starts. @param {string} [root] @returns {Redis | undefined} */
export function findRedis(root = unpackedAt("redis")) {
  const program = path.join(root, "usr/bin/redis-server");
  if (!existsSync(program)) return undefined;
  const lib = path.join(root, "usr/lib");
  const libraries = readdirSync(lib).find((name) => name.includes("-linux-"));
  return { program, env: { LD_LIBRARY_PATH: path.join(lib, libraries ?? ".") } };
}

/** Fetches Redis if it is missing. Without it the tests that need it are skipped. */
export async function ensureRedis() {
  if (findRedis()) return;
  if (!hasPackages()) return print(`• ${MISSING}. Tests that need it are skipped.`);
  try {
    await step("Fetching Redis for the tests", "10 s", () =>
      unpack("redis", PACKAGES, (root, folder) => {
        const found = findRedis(root);
        if (!found || !starts(found)) throw new Fault("Redis does not start on this machine.");
        renameSync(path.join(root, "usr"), path.join(folder, "usr"));
      }),
    );
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    print(`  ${error.message}\n  ${MISSING}. Tests that need it are skipped.`);
  }
}

/** @param {Redis} redis */
function starts({ program, env }) {
  const library = `LD_LIBRARY_PATH=${env.LD_LIBRARY_PATH}`;
  return output("env", [library, program, "--version"]) !== null;
}

if (isStarted(import.meta.filename)) await ensureRedis();
