/** Bundles the console: what a first visit loads, and what only the pages of a tenant's document load. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { constants, gzipSync } from "node:zlib";
import { Fault, print } from "./progress.mjs";
import { ROOT } from "./setup.mjs";

/** Files of a first visit. */
const FIRST = ["index.html", "console.js", "chunk.js", "console.css"];

export const CONSOLE_SOURCES = [
  "www/console",
  "www/tenant.schema.json",
  "www/openapi.json",
  "scripts/console.mjs",
  "package-lock.json",
];

/** Maximum gzipped size of a first visit: the page, the scripts and the style. */
const BUDGET = 64 * 1024;

/** Maximum gzipped size of the editor, which only the page of a tenant's document loads. */
const CODE_BUDGET = 128 * 1024;

const NOTICE =
  "/*! Preact (c) Jason Miller, uPlot (c) Leon Sorokin, CodeMirror and Lezer (c) Marijn Haverbeke and others: MIT licence. */";

/** @returns {Promise<[string, Uint8Array][]>} each file's name and contents */
export async function bundledConsole() {
  // It may have been installed by this very run.
  const { build: bundle } = await import("esbuild");
  const { outputFiles } = await bundle({
    absWorkingDir: ROOT,
    entryPoints: { console: "www/console/console.jsx" },
    outdir: "build/console",
    bundle: true,
    splitting: true,
    // Names without a hash: the Worker knows its files by name, and browsers ask whether they changed.
    chunkNames: "[name]",
    minify: true,
    write: false,
    format: "esm",
    target: ["es2024", "chrome120", "firefox121", "safari17.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    banner: { js: NOTICE },
    logLevel: "warning",
  });
  const made = outputFiles.map(
    ({ path: file, contents }) =>
      /** @type {[string, Uint8Array]} */ ([path.basename(file), contents]),
  );
  /** @type {[string, Uint8Array][]} */
  const files = [
    ["index.html", readFileSync(path.join(ROOT, "www/console/index.html"))],
    ["tenant.schema.json", readFileSync(path.join(ROOT, "www/tenant.schema.json"))],
    ["openapi", minified("www/openapi.json")],
    ...made,
  ];
  const sizes = files.map(([file, contents]) => ({ file, size: sizeOf(contents) }));
  checkSize(
    "first visit",
    sizes.filter(({ file }) => FIRST.includes(file)),
    BUDGET,
  );
  checkSize(
    "editor",
    sizes.filter(({ file }) => file === "code.js"),
    CODE_BUDGET,
  );
  return files;
}

/** Returns a JSON file without blanks. @param {string} file */
function minified(file) {
  return Buffer.from(JSON.stringify(JSON.parse(readFileSync(path.join(ROOT, file), "utf8"))));
}

/** @param {Uint8Array} contents */
function sizeOf(contents) {
  return gzipSync(contents, { level: constants.Z_BEST_COMPRESSION }).length;
}

/**
 * @param {string} what
 * @param {{ size: number }[]} files
 * @param {number} most
 */
function checkSize(what, files, most) {
  const size = files.reduce((sum, one) => sum + one.size, 0);
  print(`  console, ${what}: ${Math.round(size / 1024)} KiB gzipped`);
  if (size > most)
    throw new Fault(
      `The console's ${what} has ${size} bytes gzipped; at most ${most} are allowed.`,
    );
}
