/**
 * What the data plane offers to the control plane: see `worker/runtime.rs`. The glue imports this module, and the
 * instance imports the glue, so all of it are functions, which are there before any module has run.
 */
import argon2 from "./argon2.wasm";
import style from "./console/console.css.bin";
import script from "./console/console.js.bin";
import page from "./console/index.html.bin";
import schema from "./console/tenant.schema.json.bin";

export { waitUntil } from "cloudflare:workers";
export { storeLater, superseded } from "./background_writes.js";
export { attribute, guard, stateChanged } from "./instance.js";
export { recorder } from "./telemetry/window.js";

/** @type {Record<string, ArrayBuffer>} */
const CONSOLE_FILES = {
  "index.html": page,
  "console.js": script,
  "console.css": style,
  "tenant.schema.json": schema,
};

/** The module that hashes passwords. */
export function argon2Module() {
  return argon2;
}

/** A file of the console, as the build has compressed it; the core says under which headers it is sent. @param {string} name */
export function consoleFile(name) {
  return Object.hasOwn(CONSOLE_FILES, name) ? new Uint8Array(CONSOLE_FILES[name]) : undefined;
}
