/**
 * Hashes and checks passwords on the command line with the Worker's own module (`tools/argon2`), which defines the
 * stored form.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { hasSources, ROOT } from "./places.mjs";

/**
 * @typedef {object} Exports the exports of `tools/argon2/src/exports.rs`
 * @property {WebAssembly.Memory} memory
 * @property {() => number} password address of the password
 * @property {() => number} salt address of the salt for a new hash
 * @property {() => number} stored address of the stored hash, in and out
 * @property {(storedLength: number) => number} memory_for
 * @property {(storedLength: number) => number} passes_for
 * @property {(passwordLength: number, storedLength: number) => number} check
 * @property {(passwordLength: number) => number} make
 */

/** In bytes; the module has buffers of these sizes. */
export const LONGEST_PASSWORD = 1024;
const LONGEST_STORED = 192;
const SALT_LENGTH = 16;

/** The built module. */
const ARGON2 = path.join(ROOT, "build/argon2.wasm");

/** Returns a password's bytes in the Worker's form (`src/worker/io/password.rs`). @param {string} password */
export function passwordBytes(password) {
  return Buffer.from(password.normalize("NFC"));
}

/** Opens the module, and builds it if necessary. */
export async function openPasswords() {
  if (hasSources()) await (await import("./build.mjs")).buildPasswords();
  const module = new WebAssembly.Module(readFileSync(ARGON2));
  const { exports } = new WebAssembly.Instance(module);
  return new Passwords(/** @type {Exports} */ (/** @type {unknown} */ (exports)));
}

class Passwords {
  #wasm;

  /** @param {Exports} wasm */
  constructor(wasm) {
    this.#wasm = wasm;
  }

  /**
   * Returns the hash of a password to store, a PHC string. Throws if the password is too long.
   * @param {string} password
   */
  hash(password) {
    const bytes = passwordBytes(password);
    if (bytes.length > LONGEST_PASSWORD) throw new Error("the password is too long");
    this.#place(this.#wasm.password(), bytes);
    this.#place(this.#wasm.salt(), randomBytes(SALT_LENGTH));
    const length = this.#wasm.make(bytes.length);
    if (length < 0) throw new Error(`argon2: fault ${length}`);
    return Buffer.from(this.#wasm.memory.buffer, this.#wasm.stored(), length).toString();
  }

  /**
   * Returns whether a password matches a stored hash. No password matches an invalid PHC string, or one that is too
   * expensive for the Worker.
   * @param {string} password
   * @param {string} stored
   */
  verify(password, stored) {
    const bytes = passwordBytes(password);
    if (bytes.length > LONGEST_PASSWORD || this.cost(stored) === null) return false;
    this.#place(this.#wasm.password(), bytes);
    return this.#wasm.check(bytes.length, this.#placeStored(stored)) === 1;
  }

  /**
   * Returns the cost of checking a password, memory in KiB; `null` if no password can match.
   * @param {string} stored
   */
  cost(stored) {
    if (Buffer.byteLength(stored) > LONGEST_STORED) return null;
    const length = this.#placeStored(stored);
    const memory = this.#wasm.memory_for(length);
    return memory > 0 ? { memory, passes: this.#wasm.passes_for(length) } : null;
  }

  /** @param {string} stored */
  #placeStored(stored) {
    return this.#place(this.#wasm.stored(), Buffer.from(stored));
  }

  /**
   * @param {number} at
   * @param {Uint8Array} bytes
   */
  #place(at, bytes) {
    new Uint8Array(this.#wasm.memory.buffer, at, bytes.length).set(bytes);
    return bytes.length;
  }
}
