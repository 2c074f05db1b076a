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
 * @property {string} [project] a folder of this repository that is installed as it is, with its extra `test`
 */

/**
 * Returns the command that starts it, or another one of its environment.
 * @param {Application} application
 * @param {string} [command]
 */
export function commandOf({ name }, command = name) {
  return path.join(TARGET, `${name}-venv/bin`, command);
}

/** @param {Application} application */
export async function ensureVenv({ name, title, requirements, project }) {
  const venv = path.join(TARGET, `${name}-venv`);
  const hash = createHash("sha256").update(readFileSync(requirements));
  if (project) hash.update(readFileSync(path.join(project, "pyproject.toml")));
  const wanted = hash.digest("hex");
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
      ...(project ? ["--editable", `${project}[test]`] : []),
    ]);
  });
  writeFileSync(stamp, wanted);
}
