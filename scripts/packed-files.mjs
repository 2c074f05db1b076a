/**
 * Packs files into build/files.bin, which the Worker contains: the console, and the texts of pages. A line `name length`
 * for each file, an empty line, and then the files.
 */
import "./node-version.mjs";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { constants, gzipSync } from "node:zlib";
import { bundledConsole, CONSOLE_SOURCES } from "./console.mjs";
import { isCurrent } from "./current.mjs";
import { ROOT } from "./setup.mjs";
import { whenStarted } from "./started.mjs";

/** The packed files. */
export const PACKED = path.join(ROOT, "build/files.bin");

const TEXTS = "www/texts";
const SOURCES = [...CONSOLE_SOURCES, TEXTS, "scripts/packed-files.mjs"];

export async function buildPackedFiles() {
  if (isCurrent([PACKED], SOURCES)) return;
  const console = await bundledConsole();
  const texts = readdirSync(path.join(ROOT, TEXTS));
  /** @type {[string, Uint8Array][]} */
  const files = [
    // The Worker sends them as they are.
    ...console.map(
      ([file, contents]) =>
        /** @type {[string, Uint8Array]} */ ([`files/${file}`, packed(contents)]),
    ),
    // The Worker reads them itself, and at once.
    ...texts.map((file) => /** @type {[string, Uint8Array]} */ ([`texts/${file}`, compact(file)])),
  ];
  const list = files.map(([name, contents]) => `${name} ${contents.length}\n`).join("");
  mkdirSync(path.dirname(PACKED), { recursive: true });
  writeFileSync(
    PACKED,
    Buffer.concat([Buffer.from(`${list}\n`), ...files.map(([, contents]) => contents)]),
  );
}

/** @param {Uint8Array} contents */
export function packed(contents) {
  return gzipSync(contents, { level: constants.Z_BEST_COMPRESSION });
}

/** @param {string} file */
function compact(file) {
  return Buffer.from(
    JSON.stringify(JSON.parse(readFileSync(path.join(ROOT, TEXTS, file), "utf8"))),
  );
}

await whenStarted(
  import.meta.filename,
  {
    does: "Packs the console and the texts of pages into build/files.bin, if their sources changed.",
  },
  buildPackedFiles,
);
