/** The kit's own tests, types and lints. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ensureKit, KIT, PYTHON } from "./venv.mjs";

/** Maximum number of lines of a file. */
const MAX_LINES = 300;

/** @param {string[]} args */
async function passes(args) {
  await ensureKit();
  const { status, stdout, stderr } = spawnSync(PYTHON, ["-m", ...args], {
    cwd: KIT,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

test("the kit's own tests pass", async () => {
  const printed = await passes(["pytest", "--quiet", "--hypothesis-seed=0"]);
  assert.match(printed, /^\d+ passed/m);
});

test("the kit is fully typed", async () => {
  await passes(["mypy"]);
});

test("the kit is formatted and has no lints", async () => {
  await passes(["ruff", "check"]);
  await passes(["ruff", "format", "--check"]);
});

test(`no file of the kit has more than ${MAX_LINES} lines`, () => {
  const files = readdirSync(KIT, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".py"),
  );
  const lines = (/** @type {string} */ file) =>
    readFileSync(path.join(KIT, file), "utf8").split("\n").length;
  assert.ok(files.length > 10);
  assert.deepEqual(
    files.filter((file) => lines(file) > MAX_LINES),
    [],
  );
});
