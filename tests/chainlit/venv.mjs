/** A Python environment with the real Chainlit, made once and kept in target/. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Fault, step } from "../../scripts/progress.mjs";
import { output, run } from "../../scripts/run.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");
const REQUIREMENTS = path.join(import.meta.dirname, "requirements.txt");
const VENV = path.join(ROOT, "target/chainlit-venv");

/** The command that starts Chainlit. */
export const CHAINLIT = path.join(VENV, "bin/chainlit");

export async function ensureChainlit() {
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  const stamp = path.join(VENV, "installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (output("python3", ["--version"]) === null) {
    throw new Fault(
      "python3 is missing; the tests run a real Chainlit. Install Python 3.10 or newer.",
    );
  }
  await step("Installing Chainlit from PyPI for the tests", "1 min", async () => {
    await run("python3", ["-m", "venv", VENV]);
    await run(path.join(VENV, "bin/pip"), [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "-r",
      REQUIREMENTS,
    ]);
  });
  writeFileSync(stamp, wanted);
}
