/** Reads tenants' documents from files, and compares them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault, print } from "./progress.mjs";

/** @param {string} file */
export function contents(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    throw new Fault(
      code === "ENOENT" ? `There is no file ${file}.` : `${file} cannot be read: ${code}.`,
    );
  }
}

/** Returns the tenant's id in a document. @param {string} file @returns {string} */
export function idOf(file) {
  const id = parsed(contents(file), file)?.id;
  if (typeof id !== "string") throw new Fault(`${file}: "id" is missing, the name of the tenant.`);
  return id;
}

/**
 * Prints the difference between a stored document and a new one.
 * @param {string} before empty if there is none
 * @param {string} after
 */
export function printDifference(before, after) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenant-"));
  try {
    writeFileSync(path.join(folder, "stored"), pretty(before, "The stored document"));
    writeFileSync(path.join(folder, "file"), pretty(after, "The file"));
    const { error, stdout } = spawnSync("diff", ["-u", "stored", "file"], {
      cwd: folder,
      encoding: "utf8",
    });
    if (error) throw new Fault(`The program diff is missing: ${error.message}`);
    print(stdout === "" ? "Nothing would change." : stdout.trimEnd());
    return 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param {string} text
 * @param {string} what
 */
function pretty(text, what) {
  return text === "" ? "" : `${JSON.stringify(parsed(text, what), null, 2)}\n`;
}

/**
 * @param {string} text
 * @param {string} what
 * @returns {any}
 */
function parsed(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault(`${what} is not JSON: ${/** @type {Error} */ (error).message}`);
  }
}
