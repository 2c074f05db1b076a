/**
 * Builds the console into build/console/, bundled and compressed. The Worker contains the compressed
 * files and sends them unchanged.
 */
import "./node-version.mjs";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { constants, gzipSync } from "node:zlib";
import { isCurrent } from "./current.mjs";
import { Fault, print } from "./progress.mjs";
import { ROOT } from "./setup.mjs";
import { whenStarted } from "./started.mjs";

const FOLDER = path.join(ROOT, "build/console");
const FILES = ["index.html", "console.js", "console.css", "tenant.schema.json", "openapi.json"];
const SOURCES = [
  "www/console",
  "www/tenant.schema.json",
  "www/openapi.json",
  "scripts/console.mjs",
  "package-lock.json",
];

/** Maximum gzipped size of a first visit: the page, the script and the style. */
const BUDGET = 64 * 1024;

const NOTICE = "/*! Preact (c) Jason Miller, uPlot (c) Leon Sorokin: MIT licence. */";

const product = (/** @type {string} */ file) => path.join(FOLDER, `${file}.bin`);

export async function buildConsole() {
  if (isCurrent(FILES.map(product), SOURCES)) return;
  // It may have been installed by this very run.
  const { build: bundle } = await import("esbuild");
  const { outputFiles } = await bundle({
    absWorkingDir: ROOT,
    entryPoints: ["www/console/console.jsx"],
    outfile: path.join(FOLDER, "console.js"),
    bundle: true,
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
  const made = outputFiles.map(({ path: file, contents }) => [path.basename(file), contents]);
  const copied = [
    ["index.html", readFileSync(path.join(ROOT, "www/console/index.html"))],
    ["tenant.schema.json", readFileSync(path.join(ROOT, "www/tenant.schema.json"))],
    ["openapi.json", minified("www/openapi.json")],
  ];
  mkdirSync(FOLDER, { recursive: true });
  const sizes = /** @type {[string, Uint8Array][]} */ ([...made, ...copied]).map(
    ([file, contents]) => {
      const packed = gzipSync(contents, { level: constants.Z_BEST_COMPRESSION });
      writeFileSync(product(file), packed);
      return file.endsWith(".json") ? 0 : packed.length;
    },
  );
  const size = sizes.reduce((sum, one) => sum + one, 0);
  print(`  console: ${Math.round(size / 1024)} KiB gzipped`);
  if (size > BUDGET)
    throw new Fault(`The console has ${size} bytes gzipped; at most ${BUDGET} are allowed.`);
}

/** Returns a JSON file without blanks. @param {string} file */
function minified(file) {
  return Buffer.from(JSON.stringify(JSON.parse(readFileSync(path.join(ROOT, file), "utf8"))));
}

await whenStarted(
  import.meta.filename,
  { does: "Builds the console into build/console/, if its sources changed." },
  buildConsole,
);
