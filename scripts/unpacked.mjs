/** Unpacks programs of Debian's packages into target/ for tests. Installing them would start services. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { Fault } from "./progress.mjs";
import { exitCode, output, run } from "./run.mjs";
import { ROOT } from "./setup.mjs";

const TOOLS = path.join(ROOT, "target/tools");

/** Returns the folder of a program. @param {string} name */
export function unpackedAt(name) {
  return path.join(TOOLS, name);
}

/** Returns whether this machine can download and unpack packages. */
export function hasPackages() {
  return output("apt-get", ["--version"]) !== null && output("dpkg", ["--version"]) !== null;
}

/**
 * Unpacks packages into the folder of that name: complete or not at all.
 * @param {string} name
 * @param {string[]} packages
 * @param {(root: string, folder: string) => void} arrange moves what is needed from the unpacked files to `folder`
 */
export async function unpack(name, packages, arrange) {
  mkdirSync(TOOLS, { recursive: true });
  const folder = mkdtempSync(path.join(TOOLS, "unpacking-"));
  try {
    await download(folder, packages);
    const archives = readdirSync(folder).filter((file) => file.endsWith(".deb"));
    if (archives.length < packages.length)
      throw new Fault(`apt-get did not download ${packages.join(" and ")}.`);
    for (const archive of archives) {
      await run("dpkg", ["-x", archive, "package"], { cwd: folder });
    }
    const arranged = path.join(folder, "arranged");
    mkdirSync(arranged);
    arrange(path.join(folder, "package"), arranged);
    rmSync(unpackedAt(name), { recursive: true, force: true });
    renameSync(arranged, unpackedAt(name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Downloads packages. apt's lists may be missing or too old; updating them requires root.
 * @param {string} folder
 * @param {string[]} packages
 */
async function download(folder, packages) {
  // apt's own user may not write here.
  const fetch = ["-qq", "-o", "APT::Sandbox::User=root", "download", ...packages];
  const quiet = { cwd: folder, stdio: /** @type {const} */ ("ignore") };
  if ((await exitCode("apt-get", fetch, quiet)) === 0) return;
  await run("apt-get", ["update", "-qq"]);
  await run("apt-get", fetch, { cwd: folder });
}
