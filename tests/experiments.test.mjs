/** Tests what all experiments of bench/ share: options, help, and that they write nothing unless asked. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { Run } from "../bench/experiment.mjs";
import { Checkout } from "./harness/checkout.mjs";
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

/** Returns each file in the folders of figures. @param {string} checkout */
function figures(checkout) {
  const places = ["bench", "docs"].flatMap((folder) =>
    readdirSync(path.join(checkout, folder), { recursive: true, withFileTypes: true }),
  );
  const files = places.filter((place) => place.isFile());
  return files.map(({ parentPath, name }) => {
    const file = path.join(parentPath, name);
    return [file, readFileSync(file, "latin1")];
  });
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
      return stderr.includes("--hepl") && stderr.includes(`Help: node bench/${name}.mjs --help`);
    });
  });
  await Promise.all(shown);
});

test("the figures of a quick run are not recorded", async () => {
  await assert.rejects(start("encodings", "--quick", "--record"), ({ stderr }) =>
    stderr.includes("A quick run is not recorded"),
  );
});

// The shortest one stands for all: only their frame records. In a copy, because others may edit the original.
test("a run without --record prints its figures and leaves the repository as it was", async (t) => {
  const checkout = Checkout.make(t);
  const before = figures(checkout.folder);
  assert.ok(before.length > 100);
  const { printed, code } = await checkout.run("node bench/encodings.mjs");
  assert.equal(code, 0, printed);
  assert.match(printed, /chat of 24 messages +\d+/);
  assert.deepEqual(figures(checkout.folder), before);
});

test("an experiment runs through a symbolic link, too", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "experiment-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const link = path.join(folder, "bench");
  symlinkSync(path.join(ROOT, "bench"), link);
  const { stdout } = await execute(process.execPath, [path.join(link, "encodings.mjs"), "--help"]);
  assert.match(stdout, /^Usage: node bench\/encodings\.mjs/);
});

test("what cannot be ended does not keep what was started before it", async () => {
  const run = new Run(true, {});
  /** @type {string[]} */
  const ended = [];
  run.after(() => ended.push("first"));
  run.after(async () => {
    throw new Error("does not end");
  });
  run.after(() => ended.push("last"));
  await assert.rejects(run.end(), /does not end/);
  assert.deepEqual(ended, ["last", "first"]);
});
