/**
 * Writes the template of `npm create vestibule`: the built Worker, the commands that deploy it and manage its tenants, and
 * its configuration without a build.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./places.mjs";

/** Commands that need no sources. */
const COMMANDS = ["deploy.mjs", "users.mjs", "tenants.mjs"];

/** Files of the build that are deployed. */
const DEPLOYED = /\.(?:js|wasm|bin)$/;

/** Packages of these commands. */
const PACKAGES = ["@clack/prompts", "wrangler"];

/**
 * Writes the files into a folder, which it empties first.
 * @param {string} folder
 */
export function writeRelease(folder) {
  rmSync(folder, { recursive: true, force: true });
  copyBuild(folder);
  mkdirSync(path.join(folder, "scripts"));
  for (const name of imported(COMMANDS)) {
    cpSync(path.join(ROOT, "scripts", name), path.join(folder, "scripts", name));
  }
  writeFileSync(path.join(folder, "wrangler.toml"), builtConfiguration());
  writeFileSync(path.join(folder, "release.json"), `${JSON.stringify(about(), null, 2)}\n`);
}

/**
 * Copies what is deployed, and the schema of tenants' documents.
 * @param {string} folder
 */
export function copyBuild(folder) {
  const built = path.join(ROOT, "build");
  const files = readdirSync(built, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => DEPLOYED.test(name))) {
    cpSync(path.join(built, file), path.join(folder, "build", file));
  }
  cpSync(path.join(ROOT, "www/tenant.schema.json"), path.join(folder, "build/tenant.schema.json"));
}

/** Returns wrangler.toml without the build. */
export function builtConfiguration() {
  return readFileSync(path.join(ROOT, "wrangler.toml"), "utf8")
    .replace(/^\[build\]\n(?:[^\n]+\n)+\n/m, "")
    .replace(/^# The build below bundles already\.$/m, "# build/ is bundled.");
}

/** Returns scripts with all that they import when they start. @param {string[]} names */
function imported(names) {
  const all = new Set(names);
  for (const name of all) {
    const source = readFileSync(path.join(ROOT, "scripts", name), "utf8");
    for (const [, found] of source.matchAll(/^(?:import|\}) .*?"\.\/([\w-]+\.mjs)";$/gm))
      all.add(found);
  }
  return [...all];
}

function about() {
  const { version, devDependencies } = read("package.json");
  // The commands run in wrangler's Node, which is newer than what a build needs.
  const { engines } = read("node_modules/wrangler/package.json");
  return {
    release: version,
    engines: { node: engines.node },
    dependencies: Object.fromEntries(PACKAGES.map((name) => [name, devDependencies[name]])),
  };
}

/** @param {string} file */
function read(file) {
  return JSON.parse(readFileSync(path.join(ROOT, file), "utf8"));
}
