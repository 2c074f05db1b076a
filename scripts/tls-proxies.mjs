/** Finds nginx and Caddy for tests: those of Debian's packages, unpacked into target/. Installing them would start services. */
import { existsSync, renameSync } from "node:fs";
import path from "node:path";
import { Fault, print, step } from "./progress.mjs";
import { output } from "./run.mjs";
import { isStarted } from "./started.mjs";
import { hasPackages, unpack, unpackedAt } from "./unpacked.mjs";

/** Where each program is in its package, and the argument with which it prints its version. */
const PROGRAMS = { nginx: ["usr/sbin/nginx", "-v"], caddy: ["usr/bin/caddy", "version"] };

/** @typedef {keyof typeof PROGRAMS} Proxy */

/** Instruction for machines without apt. */
export const MISSING = "nginx and Caddy are missing: they are taken from the packages of Debian 12";

/** Returns a proxy's program. @param {Proxy} name */
export function findProxy(name) {
  const program = path.join(unpackedAt(name), name);
  return existsSync(program) ? program : undefined;
}

/** Fetches both if they are missing. Without them the tests that need them are skipped. */
export async function ensureProxies() {
  const missing = /** @type {Proxy[]} */ (Object.keys(PROGRAMS)).filter((name) => !findProxy(name));
  if (missing.length === 0) return;
  if (!hasPackages()) return print(`• ${MISSING}. Tests that need them are skipped.`);
  try {
    await step(`Fetching ${missing.join(" and ")} for the tests`, "10 s", async () => {
      for (const name of missing) await unpackProgram(name);
    });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    print(`  ${error.message}\n  ${MISSING}. Tests that need them are skipped.`);
  }
}

/** @param {Proxy} name */
function unpackProgram(name) {
  const [file, version] = PROGRAMS[name];
  return unpack(name, [name], (root, folder) => {
    const program = path.join(folder, name);
    renameSync(path.join(root, file), program);
    if (output(program, [version]) === null)
      throw new Fault(`${name} does not start on this machine.`);
  });
}

if (isStarted(import.meta.filename)) await ensureProxies();
