/**
 * Prepares create/ to be packed: `npm pack` and `npm publish` call it. The package has no dependencies, so that
 * `npm create vestibule` downloads one file.
 */
import "./node-version.mjs";
import path from "node:path";
import { build } from "./build.mjs";
import { ROOT } from "./places.mjs";
import { writeRelease } from "./release.mjs";
import { whenStarted } from "./started.mjs";

const CREATE = path.join(ROOT, "create");

const NOTICE = "/*! @clack/prompts and @clack/core (c) Nate Moore: MIT licence. */";

export async function packCreate() {
  await build();
  writeRelease(path.join(CREATE, "template"));
  const { build: bundle } = await import("esbuild");
  await bundle({
    absWorkingDir: CREATE,
    entryPoints: ["src/index.mjs"],
    outdir: "dist",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // Questions are loaded when they are asked: they need a newer Node than the one that is told to be too old.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    legalComments: "none",
    banner: { js: NOTICE },
    logLevel: "warning",
  });
}

await whenStarted(
  import.meta.filename,
  {
    does: "Writes create/dist/ and create/template/, which the package create-vestibule consists of.",
  },
  packCreate,
);
