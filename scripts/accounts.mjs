/** What an account may be called and hold. `docs/passwords.md` says the same to people. */

import { LONGEST_PASSWORD, passwordBytes } from "../src/edge/argon2id.js";
import { foldedName } from "../src/edge/names.js";
import { Fault } from "./progress.mjs";

/**
 * @typedef {object} Account as it is stored, JSON
 * @property {string} user the name, as it is in the key
 * @property {string} [email]
 * @property {string} [name] for people to read
 * @property {string[]} [groups]
 * @property {string} password a PHC string
 * @property {true} [disabled]
 * @property {number} changed in seconds since 1970
 */

/** In bytes. */
const LONGEST_NAME = 128;
/** In characters. */
const SHORTEST_PASSWORD = 8;

const CONTROL = /\p{Cc}/u;

/**
 * The beginning of the keys of a tenant's accounts.
 * @param {string | undefined} tenant
 */
export function accountPrefix(tenant) {
  if (!/^[a-z0-9-]{1,63}$/.test(tenant ?? "")) {
    throw new Fault("Name the tenant: up to 63 of a-z, 0-9 and -.");
  }
  return `user:${tenant}:`;
}

/**
 * A user's name as it is stored: who types it otherwise, in capitals or with accents apart, means the
 * same user.
 * @param {string | undefined} text
 */
export function userName(text) {
  const name = foldedName(text ?? "");
  const length = Buffer.byteLength(name);
  if (length === 0 || length > LONGEST_NAME || CONTROL.test(name) || name.includes(":")) {
    throw new Fault(
      `Name the user: up to ${LONGEST_NAME} bytes without control characters and colons.`,
    );
  }
  return name;
}

/**
 * What an account says of its user beside the password.
 * @param {Record<string, unknown>} options `email`, `name` and `groups`, as they were written
 * @returns {Pick<Account, "email" | "name" | "groups">}
 */
export function profile({ email, name, groups }) {
  const texts = [email, name, groups].map((value) => String(value ?? ""));
  // They are told to origins in headers.
  if (texts.some((text) => CONTROL.test(text))) {
    throw new Fault("Control characters are in none of --email, --name and --groups.");
  }
  const listed = texts[2].split(",").map((group) => group.trim());
  const given = listed.filter((group) => group !== "");
  return {
    ...(texts[0] !== "" && { email: texts[0] }),
    ...(texts[1] !== "" && { name: texts[1] }),
    ...(given.length > 0 && { groups: given }),
  };
}

/**
 * Lets only passwords pass that can be typed and are worth hashing.
 * @param {string} password
 */
export function mustBePassword(password) {
  const { length } = passwordBytes(password);
  if ([...password].length < SHORTEST_PASSWORD || length > LONGEST_PASSWORD) {
    throw new Fault(
      `A password has at least ${SHORTEST_PASSWORD} characters and at most ${LONGEST_PASSWORD} bytes.`,
    );
  }
  if (CONTROL.test(password)) throw new Fault("A password is one line without control characters.");
}
