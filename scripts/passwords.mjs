/**
 * Passwords on the command line: the module that the Worker runs (`tools/argon2`) hashes them and decides what is
 * stored.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { ARGON2, buildPasswords } from "./build.mjs";

/**
 * @typedef {object} Exports what `tools/argon2/src/exports.rs` exports
 * @property {WebAssembly.Memory} memory
 * @property {() => number} password where a password goes
 * @property {() => number} salt where the salt of a new hash goes
 * @property {() => number} stored where what is stored goes, and comes
 * @property {(storedLength: number) => number} memory_for
 * @property {(storedLength: number) => number} passes_for
 * @property {(passwordLength: number, storedLength: number) => number} check
 * @property {(passwordLength: number) => number} make
 */

/** In bytes; the module has places of these sizes. */
export const LONGEST_PASSWORD = 1024;
const LONGEST_STORED = 192;
const SALT_LENGTH = 16;

/** The bytes of a password, in the form in which the Worker takes it (`src/worker/io/password.rs`). @param {string} password */
export function passwordBytes(password) {
  return Buffer.from(password.normalize("NFC"));
}

/** The module, built if need be. */
export async function openPasswords() {
  await buildPasswords();
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
   * What is to be stored of a password, a PHC string. Throws if it is too long.
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
   * Whether it is the password that was stored; with anything but a PHC string that the Worker can afford no password
   * is right.
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
   * What checking a password costs, memory in KiB; `null` if no password is right.
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
