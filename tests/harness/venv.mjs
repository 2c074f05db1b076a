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
 * @property {string[]} [pythons] commands of suitable versions of Python, best first; `python3` by default
 * @property {string} [needs] the versions that suit, for people; 3.10 or newer by default
 * @property {string} [takes] how long the installation takes; a minute by default
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
export async function ensureVenv(application) {
  const { name, title, requirements, project, takes = "1 min" } = application;
  const venv = path.join(TARGET, `${name}-venv`);
  const hash = createHash("sha256").update(readFileSync(requirements));
  if (project) hash.update(readFileSync(path.join(project, "pyproject.toml")));
  const wanted = hash.digest("hex");
  const stamp = path.join(venv, "installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const { pythons = ["python3"], needs = "3.10 or newer" } = application;
  const python = pythons.find((one) => output(one, ["--version"]) !== null);
  if (python === undefined) {
    throw new Fault(
      `${pythons.join(" and ")} are missing; the tests run a real ${title}. Install Python ${needs}.`,
    );
  }
  await step(`Installing ${title} from PyPI for the tests`, takes, async () => {
    await run(python, ["-m", "venv", venv]);
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
