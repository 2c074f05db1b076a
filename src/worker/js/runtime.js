/**
 * Exports functions of the data plane to the control plane: see `worker/runtime.rs`. The glue imports this module, and
 * the instance imports the glue. So all exports are functions, which exist before any module has run.
 */
import argon2 from "./argon2.wasm";
import style from "./console/console.css.bin";
import script from "./console/console.js.bin";
import page from "./console/index.html.bin";
import openapi from "./console/openapi.json.bin";
import schema from "./console/tenant.schema.json.bin";

export { waitUntil } from "cloudflare:workers";
export { storeLater, superseded } from "./background_writes.js";
export { attribute, guard, send, stateChanged } from "./instance.js";
export { recorder } from "./telemetry/window.js";

/** @type {Record<string, ArrayBuffer>} */
const BUILT_FILES = { openapi, page, schema, script, style };

/** Returns the module that hashes passwords. */
export function argon2Module() {
  return argon2;
}

/** Returns a file, compressed by the build; the core chooses its headers. @param {string} name */
export function builtFile(name) {
  return Object.hasOwn(BUILT_FILES, name) ? new Uint8Array(BUILT_FILES[name]) : undefined;
}
