/** Unpacks the release deployed before this one; see `tests/fixtures/releases/README.md`. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { brotliDecompressSync } from "node:zlib";

const RELEASES = path.resolve(import.meta.dirname, "../fixtures/releases");

/** Folder with the build of this release. */
export const CURRENT = path.resolve(import.meta.dirname, "../../build");

/**
 * Unpacks the last kept release.
 * @param {{ after: (fn: () => void) => void }} t
 * @returns {string} a folder like `build/`, until the test ends
 */
export function releaseBefore(t) {
  const kept = path.join(RELEASES, lastOf(readdirSync(RELEASES)));
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-release-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = readdirSync(kept, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => name.endsWith(".br"))) {
    const target = path.join(folder, file.slice(0, -".br".length));
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, brotliDecompressSync(readFileSync(path.join(kept, file))));
  }
  return folder;
}

/** Returns the highest version. @param {string[]} names */
function lastOf(names) {
  const versions = names.filter((name) => /^\d+\.\d+\.\d+$/.test(name));
  const last = versions
    .sort((one, other) => one.localeCompare(other, "en", { numeric: true }))
    .at(-1);
  if (!last) throw new Error(`no release is kept in ${RELEASES}`);
  return last;
}
