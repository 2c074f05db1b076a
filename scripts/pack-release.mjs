/**
 * `node scripts/pack-release.mjs FOLDER`: writes what a release publishes: the built Worker, a wrangler.toml that uses it
 * without a build, and the commands that serve and deploy it. They need no Rust.
 */
import "./node-version.mjs";
import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "./build.mjs";
import { readCommandLine } from "./command-line.mjs";
import { ROOT } from "./places.mjs";
import { Fault, main, print } from "./progress.mjs";
import { builtConfiguration, copyBuild } from "./release.mjs";

const SHAPE = {
  name: "node scripts/pack-release.mjs",
  usage: `Usage: node scripts/pack-release.mjs FOLDER
Writes what a release publishes into FOLDER: the built Worker, and a wrangler.toml that uses it without a build.
  --help   prints this text`,
  words: "FOLDER",
};

/** Files and folders that a release carries beside the Worker. */
const CARRIED = [
  "serve",
  "scripts",
  "demo",
  "www/demo",
  "www/tenant.schema.json",
  "package.json",
  "package-lock.json",
  ".dev.vars.example",
  "README.md",
  "CHANGELOG.md",
  "LICENSE-MIT",
  "LICENSE-APACHE",
];

await main(async () => {
  const { words } = readCommandLine(SHAPE);
  if (words.length !== 1) throw new Fault(`Name one folder.\n\nHelp: ${SHAPE.name} --help`);
  const folder = path.resolve(words[0]);
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Fault(`${folder} is not empty.`);
  await build();
  copyBuild(folder);
  for (const name of CARRIED) {
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  // Where it was in earlier releases.
  cpSync(path.join(ROOT, "www/tenant.schema.json"), path.join(folder, "tenant.schema.json"));
  writeFileSync(path.join(folder, "wrangler.toml"), builtConfiguration());
  print(`${folder} has the release.`);
});
