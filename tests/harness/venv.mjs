/** Creates Python environments with real applications, once each, in target/. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Fault, step } from "../../scripts/progress.mjs";
import { output, run } from "../../scripts/run.mjs";

const TARGET = path.resolve(import.meta.dirname, "../../target");

/**
 * An application from PyPI.
 * @typedef {object} Application
 * @property {string} name also its command
 * @property {string} title
 * @property {string} requirements the file that pins it
 */

/**
 * Returns the command that starts it.
 * @param {Application} application
 */
export function commandOf({ name }) {
  return path.join(TARGET, `${name}-venv/bin`, name);
}

/** @param {Application} application */
export async function ensureVenv({ name, title, requirements }) {
  const venv = path.join(TARGET, `${name}-venv`);
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  const stamp = path.join(venv, "installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (output("python3", ["--version"]) === null) {
    throw new Fault(
      `python3 is missing; the tests run a real ${title}. Install Python 3.10 or newer.`,
    );
  }
  await step(`Installing ${title} from PyPI for the tests`, "1 min", async () => {
    await run("python3", ["-m", "venv", venv]);
    await run(path.join(venv, "bin/pip"), [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "-r",
      requirements,
    ]);
  });
  writeFileSync(stamp, wanted);
}
