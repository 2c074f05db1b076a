/** Who a session belongs to, and the rule for names (docs/guide/sign-in.md#names-addresses-and-groups). */

import { ChangeRefused } from "./errors.ts";

/** Who a session belongs to, as your own sign-in found out. */
export interface Identity {
  readonly user: string;
  readonly email?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly groups?: readonly string[] | null | undefined;
  /** Keeps the session after the browser closes. */
  readonly remember?: boolean | undefined;
}

const MEMBERS = ["user", "email", "name", "groups", "remember"];
const MAX_BYTES = 320;
const MAX_GROUPS = 64;

const UNREADABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const JOINERS = /\u200c|\u200d|[\ufe00-\ufe0f]/gu;
const ODD_BLANK = /(?! )\p{White_Space}/u;
const BLANK_AT_AN_END = /^\p{White_Space}|\p{White_Space}$/u;

/** Throws `ChangeRefused` for an identity that Vestibule would ignore, so that the visitor stays who it was. */
export function checkIdentity(identity: Identity): void {
  const { user, email, name, groups, remember } = identity;
  const given = Object.entries(identity).filter(([, value]) => value !== undefined);
  const unknown = given.map(([member]) => member).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) {
    throw new ChangeRefused(
      `identify: \`${unknown}\` is unknown. Known are ${MEMBERS.map((one) => `\`${one}\``).join(", ")}.`,
    );
  }
  if (remember !== undefined && typeof remember !== "boolean")
    throw new ChangeRefused("identify: `remember` must be true or false.");
  const listed = groups ?? [];
  const faults = {
    user: !isIdentifier(user),
    email: email != null && !isIdentifier(email),
    name: name != null && !isPresentable(name),
    groups: !Array.isArray(listed) || listed.length > MAX_GROUPS || !listed.every(isGroup),
  };
  const faulty = Object.entries(faults).find(([, isFaulty]) => isFaulty)?.[0];
  if (faulty !== undefined) {
    throw new ChangeRefused(
      `identify: \`${faulty}\` breaks the rule for names: up to ${MAX_BYTES} bytes, without control and ` +
        `invisible characters and blanks at the ends; up to ${MAX_GROUPS} groups without commas.`,
    );
  }
}

function isPresentable(text: unknown): boolean {
  if (typeof text !== "string") return false;
  if (text === "" || Buffer.byteLength(text) > MAX_BYTES) return false;
  return !UNREADABLE.test(text.replace(JOINERS, "")) && !BLANK_AT_AN_END.test(text);
}

function isIdentifier(text: unknown): boolean {
  return isPresentable(text) && !UNREADABLE.test(String(text)) && !ODD_BLANK.test(String(text));
}

function isGroup(text: unknown): boolean {
  return isIdentifier(text) && !String(text).includes(",");
}
