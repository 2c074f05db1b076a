/**
 * Passwords: hashed with Argon2id in wasm, and compared with what is stored of them.
 *
 * A password is its UTF-8 bytes in Unicode's normal form C, so that it does not matter how a keyboard
 * composes an accent. That is what remains of RFC 8265's OpaqueString: spaces stay as they are, and
 * nothing is refused but by length.
 *
 * One instance of the module does all hashes of an isolate. An instance for each would leave its 19 MiB
 * to the garbage collector, which takes its time: after thirty sign-ins 400 MB were waiting for it, and
 * an isolate has 128 MB. One instance has 19 MiB for good, and hashes a fifth faster, in memory it has
 * already.
 */
import { formatPhc, parsePhc } from "./phc.js";

/**
 * @typedef {object} Exports what `tools/argon2` exports
 * @property {WebAssembly.Memory} memory
 * @property {() => number} password where the password goes
 * @property {() => number} salt where the salt goes
 * @property {() => number} output where the hash comes
 * @property {(passwordLength: number, saltLength: number, memory: number, passes: number) => number} hash
 */

/** @typedef {import("./phc.js").Phc} Phc */

/** What a new hash costs: the OWASP's first choice that leaves room in an isolate. Memory is in KiB. */
const COST = { memory: 19_456, passes: 2 };

/** In bytes, as RFC 9106 recommends. */
const SALT_LENGTH = 16;

/** In bytes. */
const HASH_LENGTH = 32;

/** In bytes; the module has a place of this size. */
export const LONGEST_PASSWORD = 1024;

/** For users whom nobody knows: costs what others cost, and no password matches. */
export const DECOY =
  "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/** The bytes of a password. @param {string} password */
export function passwordBytes(password) {
  return new TextEncoder().encode(password.normalize("NFC"));
}

export class Argon2id {
  #module;
  /** @type {Exports | undefined} */
  #instance;
  /** The most a hash in this instance has taken, in KiB. */
  #most = 0;

  /** @param {WebAssembly.Module} module `build/argon2.wasm` */
  constructor(module) {
    this.#module = module;
  }

  /**
   * What is to be stored of a password. Throws if it is too long.
   * @param {string} password
   */
  hash(password) {
    const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH));
    return formatPhc({
      ...COST,
      salt,
      hash: this.#compute(passwordBytes(password), { ...COST, salt }),
    });
  }

  /**
   * Whether it is the password that was stored. What is stored says what it costs; if it is no such
   * text, no password is right.
   * @param {string} password
   * @param {string} stored
   */
  verify(password, stored) {
    const phc = parsePhc(stored);
    const bytes = passwordBytes(password);
    if (phc === null || bytes.length > LONGEST_PASSWORD) return false;
    return isSame(this.#compute(bytes, phc), phc.hash);
  }

  /**
   * @param {Uint8Array} password
   * @param {Pick<Phc, "memory" | "passes" | "salt">} cost
   */
  #compute(password, { memory, passes, salt }) {
    if (password.length > LONGEST_PASSWORD) throw new Error("the password is too long");
    const wasm = this.#running(memory);
    try {
      place(wasm, wasm.password(), password);
      place(wasm, wasm.salt(), salt);
      const fault = wasm.hash(password.length, salt.length, memory, passes);
      if (fault !== 0) throw new Error(`argon2: fault ${fault}`);
      // Looked up anew: the memory may have grown, and its buffer is another one then.
      return new Uint8Array(wasm.memory.buffer, wasm.output(), HASH_LENGTH).slice();
    } catch (error) {
      // It may have trapped; the next password gets a new one.
      this.#instance = undefined;
      throw error;
    }
  }

  /**
   * An instance for hashes of so much memory. One that has had less would add it to what it has.
   * @param {number} memory in KiB
   */
  #running(memory) {
    if (memory > this.#most || this.#instance === undefined) {
      const { exports } = new WebAssembly.Instance(this.#module);
      this.#instance = /** @type {Exports} */ (/** @type {unknown} */ (exports));
      this.#most = memory;
    }
    return this.#instance;
  }
}

/**
 * @param {Exports} wasm
 * @param {number} at
 * @param {Uint8Array} bytes
 */
function place(wasm, at, bytes) {
  new Uint8Array(wasm.memory.buffer, at, bytes.length).set(bytes);
}

/**
 * Takes as long wherever they differ.
 * @param {Uint8Array} one
 * @param {Uint8Array} other of the same length
 */
function isSame(one, other) {
  let difference = 0;
  for (let at = 0; at < one.length; at += 1) difference |= one[at] ^ other[at];
  return difference === 0;
}
