/** Looks up a place of a document in the schema, and creates text for it. */

/** @import { Schema } from "../backend.d.ts" */
/** @import { Node } from "./json-text.js" */

/**
 * @param {Schema} schema
 * @param {(string | number)[]} keys
 * @returns {Schema | undefined}
 */
export function schemaAt(schema, keys) {
  /** @type {Schema | undefined} */
  let here = schema;
  for (const key of keys) {
    if (!here) return undefined;
    /** @type {Schema | undefined} */
    const named = typeof key === "string" ? here.properties?.[key] : here.items;
    /** @type {boolean | Schema | undefined} */
    const other = here.additionalProperties;
    here = named ?? (typeof other === "object" ? other : undefined);
  }
  return here;
}

/**
 * Describes the allowed values briefly.
 * @param {Schema} schema
 * @returns {string}
 */
export function kindOf(schema) {
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `list of ${schema.items ? kindOf(schema.items) : "anything"}`;
  if (schema.type === "integer" && schema.maximum !== undefined && schema.maximum < 1e6)
    return `${schema.minimum ?? 0} to ${schema.maximum}`;
  if (schema.pattern?.includes("[smhd]")) return "duration, such as 30m";
  return (
    { integer: "number", string: "text", boolean: "true | false" }[schema.type ?? ""] ?? "object"
  );
}

/**
 * Returns an initial value.
 * @param {Schema} schema
 * @returns {unknown}
 */
export function example(schema) {
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.type === "array") return [];
  if (schema.type === "integer") return schema.minimum ?? 0;
  if (schema.type === "boolean") return false;
  if (schema.type !== "object") return "";
  const required = schema.required ?? [];
  return Object.fromEntries(required.map((key) => [key, example(schema.properties?.[key] ?? {})]));
}

/**
 * Returns the text and offset that add a key to an object, or an entry to a list.
 * @param {string} text
 * @param {Node} node
 * @param {string | null} key null in a list
 * @param {Schema} schema of the inserted value
 * @returns {{ from: number, to: number, text: string }}
 */
export function addition(text, node, key, schema) {
  const outer = "  ".repeat(node.keys.length);
  const value = JSON.stringify(example(schema), null, 2).replaceAll("\n", `\n${outer}  `);
  const added = `${outer}  ${key === null ? "" : `${JSON.stringify(key)}: `}${value}`;
  const last = node.inside.at(-1);
  if (last) {
    const isInLine = !text.slice(node.start, last.from).includes("\n");
    const before = isInLine ? ", " : ",\n";
    return { from: last.end, to: last.end, text: before + (isInLine ? added.trimStart() : added) };
  }
  return { from: node.start + 1, to: node.end - 1, text: `\n${added}\n${outer}` };
}
