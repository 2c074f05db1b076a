/**
 * Exports functions of the data plane to the control plane: see `worker/runtime.rs`. The glue imports this module, and
 * the instance imports the glue. So all exports are functions, which exist before any module has run.
 */
import argon2 from "./argon2.wasm";
import files from "./files.bin";

export { waitUntil } from "cloudflare:workers";
export { storeLater, superseded } from "./background_writes.js";
export { attribute, guard, send, stateChanged } from "./instance.js";
export { recorder } from "./telemetry/window.js";

/** Returns the module that hashes passwords. */
export function argon2Module() {
  return argon2;
}

/** Returns the files that the build packed: the console's, and the texts of pages. */
export function packedFiles() {
  return new Uint8Array(files);
}
