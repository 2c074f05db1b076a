/**
 * `node scripts/keep-release.mjs`: keeps the build of this release for tests that run it together with the next one.
 * Run it once, at the deployed commit; see `tests/fixtures/releases/README.md`.
 */
import "./node-version.mjs";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "./build.mjs";
import { Fault, print } from "./progress.mjs";
import { output } from "./run.mjs";
import { ROOT } from "./setup.mjs";
import { whenStarted } from "./started.mjs";

/** Matches the files of a deployment. */
const DEPLOYED = /\.(?:js|wasm|bin)$/;

/**
 * Compresses the deployed files of a build.
 * @param {string} folder the build
 * @param {{ version: string, commit: string }} release
 */
export function keep(folder, release) {
  const kept = path.join(ROOT, "tests/fixtures/releases", release.version);
  rmSync(kept, { recursive: true, force: true });
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => DEPLOYED.test(name))) {
    const bytes = readFileSync(path.join(folder, file));
    const params = {
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    };
    const target = path.join(kept, `${file}.br`);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, brotliCompressSync(bytes, { params }));
  }
  writeFileSync(path.join(kept, "release.json"), `${JSON.stringify(release, null, 2)}\n`);
  return kept;
}

await whenStarted(
  import.meta.filename,
  {
    does: "Keeps the build of this commit in tests/fixtures/releases/, for tests that run it together with the next release.",
  },
  async () => {
    const commit = output("git", ["rev-parse", "HEAD"], { cwd: ROOT });
    if (!commit || output("git", ["status", "--porcelain"], { cwd: ROOT }) !== "") {
      throw new Fault("Commit your changes first: a kept release names the commit of its build.");
    }
    await build();
    const { version } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
    print(`Kept in ${path.relative(ROOT, keep(path.join(ROOT, "build"), { version, commit }))}.`);
  },
);
