/** Compiles the kit for Node servers: its examples, and the tests of its types, use what is compiled. */
import { rmSync } from "node:fs";
import path from "node:path";
import { isCurrent } from "./current.mjs";
import { run } from "./run.mjs";
import { ROOT } from "./setup.mjs";

/** The kit's folder. */
export const NODE_KIT = path.join(ROOT, "kits/node");

const COMPILED = path.join(NODE_KIT, "dist");
const SOURCES = ["src", "tsconfig.json", "tsconfig.build.json"].map((file) => `kits/node/${file}`);

export async function buildNodeKit() {
  if (isCurrent([path.join(COMPILED, "index.js")], SOURCES)) return;
  rmSync(COMPILED, { recursive: true, force: true });
  const tsc = path.join(ROOT, "node_modules/.bin/tsc");
  await run(tsc, ["--project", "kits/node/tsconfig.build.json"], { cwd: ROOT });
}
