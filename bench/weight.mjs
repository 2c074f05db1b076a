/** Measures the size of the deployed wasm. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { ARGON2, WASM } from "../scripts/build.mjs";

/** Returns the sizes of both modules in bytes, compressed as for an upload. */
export function weight() {
  const [gateway, passwords] = [WASM, ARGON2].map((file) => gzipSync(readFileSync(file)).length);
  return { gateway, passwords };
}
