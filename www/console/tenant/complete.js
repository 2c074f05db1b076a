/** Completes keys and values of a document by its schema, also while the text is incomplete. */
import { example, kindOf, schemaAt } from "./schema.js";

/** @import { Schema } from "../backend.d.ts" */

/** @typedef {{ label: string, displayLabel: string, detail?: string, info?: string, apply: string }} Option */

/**
 * @typedef {object} Place an object or a list, or what is outside of both
 * @property {"object" | "array" | "outside"} kind
 * @property {(string | number)[]} keys
 * @property {Set<string>} names its keys
 * @property {string} name the last key
 * @property {number} index the current entry of a list
 */

/** A string, closed or not: it ends with its line. */
const STRING = /"(?:[^"\\\n]|\\.)*"?/y;

/**
 * Returns what may be at an offset: keys of the object around it, or values of its key.
 * @param {Schema | null} schema
 * @param {string} text
 * @param {number} offset
 * @returns {{ from: number, to: number, options: Option[] } | null}
 */
export function completion(schema, text, offset) {
  if (!schema) return null;
  const before = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
  const word = /"?[\w.-]*$/.exec(before)?.[0] ?? "";
  const from = offset - word.length;
  // A closing quote after the caret belongs to the word.
  const to = word.startsWith('"') && text[offset] === '"' ? offset + 1 : offset;
  const around = placeAt(text, from);
  const here = schemaAt(schema, around.keys);
  const key = /"((?:[^"\\]|\\.)*)"\s*:\s*$/.exec(text.slice(0, from));
  if (key) return { from, to, options: values(schemaAt(schema, [...around.keys, key[1]])) };
  // Elsewhere a comma is missing first.
  if (around.kind === "outside" || !/[{[,]\s*$/.test(text.slice(0, from))) return null;
  if (around.kind === "array") return { from, to, options: values(here?.items) };
  const options = Object.entries(here?.properties ?? {})
    .filter(([name]) => !around.names.has(name))
    .map(([name, inner]) => keyOption(name, inner));
  return { from, to, options };
}

/**
 * Returns the innermost object or list around an offset, with all of its keys.
 * @param {string} text
 * @param {number} offset
 * @returns {Place}
 */
function placeAt(text, offset) {
  /** @type {Place[]} */
  const open = [{ kind: "outside", keys: [], names: new Set(), name: "", index: 0 }];
  /** @type {Place | undefined} */
  let found;
  let at = 0;
  while (at < text.length) {
    const top = /** @type {Place} */ (open.at(-1));
    if (at >= offset) found ??= top;
    const char = text[at];
    if (char === '"') {
      STRING.lastIndex = at;
      const string = STRING.exec(text)?.[0] ?? char;
      at += string.length;
      if (top.kind === "object" && /^\s*:/.test(text.slice(at, at + 20))) {
        top.name = string.slice(1, -1);
        top.names.add(top.name);
      }
      continue;
    }
    if (char === "{" || char === "[") {
      const last = top.kind === "array" ? top.index : top.name;
      open.push({
        kind: char === "{" ? "object" : "array",
        keys: top.kind === "outside" ? [] : [...top.keys, last],
        names: new Set(),
        name: "",
        index: 0,
      });
    } else if (char === "}" || char === "]") {
      if (top === found) break;
      if (open.length > 1) open.pop();
    } else if (char === ",") top.index += 1;
    at += 1;
  }
  return found ?? /** @type {Place} */ (open.at(-1));
}

/**
 * @param {string} key
 * @param {Schema} schema
 * @returns {Option}
 */
function keyOption(key, schema) {
  const value = JSON.stringify(example(schema));
  return {
    // With the quotes that may be typed already.
    label: JSON.stringify(key),
    displayLabel: key,
    detail: kindOf(schema),
    info: schema.description,
    apply: `${JSON.stringify(key)}: ${value}`,
  };
}

/** @param {Schema | undefined} schema @returns {Option[]} */
function values(schema) {
  if (!schema) return [];
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : []);
  return choices.map((choice) => {
    const text = JSON.stringify(choice);
    return { label: text, displayLabel: String(choice), apply: text };
  });
}
