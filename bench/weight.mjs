/** How much the deployed wasm weighs. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { ARGON2, WASM } from "../scripts/build.mjs";

/** Both modules, each compressed as it is when it is uploaded, in bytes. */
export function weight() {
  const [gateway, passwords] = [WASM, ARGON2].map((file) => gzipSync(readFileSync(file)).length);
  return { gateway, passwords };
}
