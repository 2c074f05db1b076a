/**
 * What is stored of a password: a PHC string, `$argon2id$v=19$m=<KiB>,t=<passes>,p=1$<salt>$<hash>`, in
 * base64 without padding. Other programs write and read the same.
 */

/**
 * @typedef {object} Phc
 * @property {number} memory in KiB
 * @property {number} passes
 * @property {Uint8Array} salt
 * @property {Uint8Array} hash 32 bytes
 */

/** The most that a stored hash may cost: half of an isolate's memory, and some tenths of a second. */
const MOST_MEMORY = 65_536;
const MOST_PASSES = 10;

/** What Argon2 needs at least for one lane, in KiB. */
const LEAST_MEMORY = 8;

/** In bytes; the bounds of the PHC string format. */
const SHORTEST_SALT = 8;
const LONGEST_SALT = 48;

const NUMBER = "([1-9]\\d{0,5})";
const BASE64 = "([A-Za-z0-9+/]+)";
const FORM = new RegExp(
  `^\\$argon2id\\$v=19\\$m=${NUMBER},t=${NUMBER},p=1\\$${BASE64}\\$${BASE64}$`,
);

/** In bytes. */
const HASH_LENGTH = 32;

/**
 * Reads a PHC string; `null` for anything that is none, is not Argon2id, or costs too much.
 * @param {string} text
 * @returns {Phc | null}
 */
export function parsePhc(text) {
  const parts = FORM.exec(text);
  if (!parts) return null;
  const [memory, passes] = [Number(parts[1]), Number(parts[2])];
  const [salt, hash] = [decode(parts[3]), decode(parts[4])];
  const isAffordable = memory >= LEAST_MEMORY && memory <= MOST_MEMORY && passes <= MOST_PASSES;
  if (!isAffordable || salt === null || hash === null) return null;
  if (salt.length < SHORTEST_SALT || salt.length > LONGEST_SALT) return null;
  return hash.length === HASH_LENGTH ? { memory, passes, salt, hash } : null;
}

/** @param {Phc} phc */
export function formatPhc({ memory, passes, salt, hash }) {
  return `$argon2id$v=19$m=${memory},t=${passes},p=1$${encode(salt)}$${encode(hash)}`;
}

/** @param {Uint8Array} bytes */
function encode(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

/**
 * `null` unless this is the one way to write those bytes.
 * @param {string} text
 */
function decode(text) {
  if (text.length % 4 === 1) return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return encode(bytes) === text ? bytes : null;
}
