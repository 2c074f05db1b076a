/** Checks the names and contents of accounts. `docs/guide/passwords.md` documents the rules. */

import { LONGEST_PASSWORD, passwordBytes } from "./passwords.mjs";
import { Fault } from "./progress.mjs";

/**
 * @typedef {object} Account as stored, JSON
 * @property {string} user the name, as in the key
 * @property {string} [email]
 * @property {string} [name] the display name
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
 * Applies the rule for names of `src/session/names.rs`: no invisible characters, and none that a header would change.
 */
const LONGEST_TEXT = 320;
const MOST_GROUPS = 64;
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const JOINS = /\u{200c}|\u{200d}|[\u{fe00}-\u{fe0f}]/gu;
const ODD_BLANK = /(?! )\p{White_Space}/u;
const BLANK_AT_AN_END = /^\p{White_Space}|\p{White_Space}$/u;

/** @param {string} text */
function isPresentable(text) {
  const plain = text.replace(JOINS, "");
  const length = Buffer.byteLength(text);
  const isOdd = CONTROL.test(plain) || INVISIBLE.test(plain) || BLANK_AT_AN_END.test(text);
  return length > 0 && length <= LONGEST_TEXT && !isOdd;
}

/** @param {string} text */
function isIdentifier(text) {
  return isPresentable(text) && !INVISIBLE.test(text) && !ODD_BLANK.test(text);
}

/**
 * Returns the prefix of the keys of a tenant's accounts.
 * @param {string | undefined} tenant
 */
export function accountPrefix(tenant) {
  if (!/^[a-z0-9-]{1,63}$/.test(tenant ?? "")) {
    throw new Fault("Name the tenant: 1 to 63 of a-z, 0-9 and -.");
  }
  return `user:${tenant}:`;
}

/**
 * Returns a user's name as stored. Spellings with capitals or decomposed accents name the same
 * user.
 * @param {string | undefined} text
 */
export function userName(text) {
  // The Worker looks it up in this form: `src/worker/io/names.rs`.
  const name = (text ?? "").trim().toLowerCase().normalize("NFC");
  const length = Buffer.byteLength(name);
  if (length > LONGEST_NAME || !isIdentifier(name) || name.includes(":")) {
    throw new Fault(
      `Name the user: 1 to ${LONGEST_NAME} bytes without colons, blanks, control characters or invisible characters.`,
    );
  }
  return name;
}

/**
 * Returns an account's fields except the password.
 * @param {Record<string, unknown>} options `email`, `name` and `groups`, as given
 * @returns {Pick<Account, "email" | "name" | "groups">}
 */
export function profile({ email, name, groups }) {
  const texts = [email, name, groups].map((value) => String(value ?? ""));
  const listed = texts[2].split(",").map((group) => group.replace(/^ +| +$/g, ""));
  const given = listed.filter((group) => group !== "");
  const isSound =
    (texts[0] === "" || isIdentifier(texts[0])) &&
    (texts[1] === "" || isPresentable(texts[1])) &&
    given.length <= MOST_GROUPS &&
    given.every(isIdentifier);
  // Origins receive them in headers.
  if (!isSound) {
    throw new Fault(
      `--email, --name and each of up to ${MOST_GROUPS} --groups may have at most ${LONGEST_TEXT} bytes, no blank at either end, and no control or invisible characters.`,
    );
  }
  return {
    ...(texts[0] !== "" && { email: texts[0] }),
    ...(texts[1] !== "" && { name: texts[1] }),
    ...(given.length > 0 && { groups: given }),
  };
}

/**
 * Rejects passwords that are too short, too long, or cannot be typed.
 * @param {string} password
 */
export function mustBePassword(password) {
  const { length } = passwordBytes(password);
  if ([...password].length < SHORTEST_PASSWORD || length > LONGEST_PASSWORD) {
    throw new Fault(
      `A password must have at least ${SHORTEST_PASSWORD} characters and at most ${LONGEST_PASSWORD} bytes.`,
    );
  }
  if (CONTROL.test(password))
    throw new Fault("A password must be one line without control characters.");
}
