/** Tests what all experiments of bench/ share: options, help, and that they write nothing unless asked. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { pages, ROOT, read } from "./harness/pages.mjs";

const execute = promisify(execFile);

/** Scripts that compute tables from recorded figures, and measure nothing. */
const CALCULATIONS = ["money", "scale-model"];

const EXPERIMENTS = readdirSync(path.join(ROOT, "bench"))
  .filter((file) => file.endsWith(".mjs") && /^await experiment\($/m.test(read(`bench/${file}`)))
  .map((file) => path.basename(file, ".mjs"));

/**
 * @param {string} name
 * @param {string[]} args
 */
function start(name, ...args) {
  return execute(process.execPath, [`bench/${name}.mjs`, ...args], { cwd: ROOT });
}

/** Returns what is changed in the folders of figures. */
async function changes() {
  const git = async (/** @type {string[]} */ ...args) =>
    (await execute("git", [...args, "--", "bench", "docs"], { cwd: ROOT, maxBuffer: 2 ** 26 }))
      .stdout;
  return [await git("status", "--porcelain"), await git("diff", "HEAD")].join("\n");
}

test("every script that a page starts is an experiment or a calculation", () => {
  const started = pages().flatMap((page) =>
    Array.from(read(page).matchAll(/\bnode bench\/([\w-]+)\.mjs/g), ([, name]) => name),
  );
  const known = [...EXPERIMENTS, ...CALCULATIONS];
  assert.ok(EXPERIMENTS.length >= 7);
  assert.deepEqual(
    started.filter((name) => !known.includes(name)),
    [],
  );
});

test("only the frame of the experiments records figures", () => {
  const others = EXPERIMENTS.filter((name) =>
    /\b(?:record|writeDocuments)\(/.test(read(`bench/${name}.mjs`)),
  );
  assert.deepEqual(others, []);
});

test("every experiment explains itself, and refuses an option that it does not have", async () => {
  const shown = EXPERIMENTS.map(async (name) => {
    const { stdout } = await start(name, "--help");
    for (const option of ["--quick", "--record", "Takes "]) {
      assert.ok(stdout.includes(option), `${name}: ${stdout}`);
    }
    await assert.rejects(start(name, "--hepl"), ({ code, stderr }) => {
      assert.equal(code, 1);
      return stderr.includes("--hepl") && stderr.includes(`Usage: node bench/${name}.mjs`);
    });
  });
  await Promise.all(shown);
});

test("the figures of a quick run are not recorded", async () => {
  await assert.rejects(start("encodings", "--quick", "--record"), ({ stderr }) =>
    stderr.includes("A quick run is not recorded"),
  );
});

test("a quick run prints its figures and leaves the repository as it was", async () => {
  const before = await changes();
  const { stdout } = await start("encodings", "--quick");
  assert.match(stdout, /chat of 24 messages +\d+/);
  assert.equal(await changes(), before);
});
