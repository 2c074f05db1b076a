/** JSON of sessions: read without surprises from prototypes, written as one line of ASCII. */

import { ChangeRefused } from "./errors.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [member: string]: Json | undefined;
}

/**
 * Reads an object. It is frozen to its depth, and members named `__proto__` are left out: copying them
 * with `Object.assign` or a loop would replace a prototype.
 *
 * Throws `SyntaxError` for anything else.
 */
export function parseObject(text: string): JsonObject {
  const value: unknown = JSON.parse(text, sealed);
  if (!isObject(value)) throw new SyntaxError("JSON data is not an object");
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Writes one line of ASCII, as a header requires. Throws `ChangeRefused` for what is no JSON. */
export function writeJson(value: object): string {
  try {
    const text = JSON.stringify(value, strict);
    return text.replaceAll(/[\u007f-\uffff]/g, (unit) => {
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ChangeRefused(`The change cannot be written as JSON: ${why}.`, "", { cause: error });
  }
}

/** A reviver: leaves out what could pass for a prototype, and freezes the rest. */
function sealed(name: string, value: unknown): unknown {
  return name === "__proto__" ? undefined : Object.freeze(value);
}

/** A replacer: refuses what `JSON.stringify` would silently turn into something else. */
function strict(name: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value}`);
  if (typeof value === "function" || typeof value === "symbol" || value instanceof Map)
    throw new TypeError(`${name} is no value of JSON`);
  if (value instanceof Set) throw new TypeError(`${name} is a set`);
  if (typeof value === "string" && !value.isWellFormed())
    throw new TypeError(`${name} has half of a surrogate pair`);
  if (!name.isWellFormed()) throw new TypeError("a name has half of a surrogate pair");
  return value;
}
