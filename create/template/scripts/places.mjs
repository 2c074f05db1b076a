/** Paths of this checkout, or of a folder that contains the built Worker without its sources. */
import { existsSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "..");

/** The Node of the npm packages: wrangler needs a newer one than many machines have. */
export const NODE = path.join(ROOT, "node_modules/.bin/node");

export const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

/** The program that reads tenants' documents on the command line. */
export const TENANTS = path.join(ROOT, "target/debug/tenants");

/** Returns whether the Worker's sources are here. Without them there is nothing to build. */
export function hasSources() {
  return existsSync(path.join(ROOT, "Cargo.toml"));
}

/** Returns the Node that runs wrangler: that of the packages, or this one. */
export function nodeForWrangler() {
  return existsSync(NODE) ? NODE : process.execPath;
}
