/** Passwords in the Worker: what the core asks about them. */
import module from "./argon2.wasm";
import { Argon2id, DECOY } from "./argon2id.js";
import { report } from "./log.js";

export { DECOY };

/** @typedef {import("./core.js").Answer} Answer */

const argon2id = new Argon2id(module);

/**
 * What is to be stored of a password, a PHC string. Throws if it has more than 1024 bytes.
 * @param {string} password
 */
export function hashPassword(password) {
  return argon2id.hash(password);
}

/**
 * @param {string} password
 * @param {string} phc what is stored; with anything else no password is right
 */
export function verifyPassword(password, phc) {
  return argon2id.verify(password, phc);
}

/**
 * Whether a password is right: `1` or `0`. Without a hash, because nobody knows the user, it is wrong
 * after the same time.
 * @param {string} text `{"key": …, "password": …, "hash": … or null}`
 * @returns {Answer}
 */
export function check(text) {
  return answer(text, "password_not_checked", ({ password, hash }) => {
    const isRight = verifyPassword(password, hash ?? DECOY);
    return isRight && hash !== null ? "1" : "0";
  });
}

/**
 * What is to be stored of a password.
 * @param {string} text `{"key": …, "password": …}`
 * @returns {Answer}
 */
export function make(text) {
  return answer(text, "password_not_hashed", ({ password }) => hashPassword(password));
}

/**
 * @param {string} text
 * @param {string} event what is logged if it fails
 * @param {(order: { key: string, password: string, hash: string | null }) => string} act
 * @returns {Answer}
 */
function answer(text, event, act) {
  const asked = Date.now();
  let key = "";
  try {
    const order = read(text);
    key = String(order.key);
    return { kind: "found", key, bytes: new TextEncoder().encode(act(order)), asked };
  } catch (error) {
    report(event, error);
    return { kind: "unavailable", key, asked };
  }
}

/** @param {string} text */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the password may be in it.
    throw new Error("the order is not JSON");
  }
}
