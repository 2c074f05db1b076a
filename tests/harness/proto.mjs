/**
 * Parses message definitions: the part of protobuf's language that those of OTLP use. Anything else
 * is an error and never ignored.
 *
 * <https://protobuf.dev/reference/protobuf/proto3-spec/>
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/**
 * @typedef {object} Field
 * @property {string} name its JSON name
 * @property {string} type a scalar's, or the full name of a message or an enum
 * @property {boolean} repeated
 * @property {string | undefined} oneof at most one field of its group may be set
 */
/** @typedef {Map<string, Field>} Message its fields by their JSON names */
/** @typedef {{ messages: Map<string, Message>, enums: Map<string, Set<number>> }} Definitions */

const SCALARS = new Set(
  "bool bytes double fixed32 fixed64 int32 int64 string uint32 uint64".split(" "),
);

const BLOCKS = new Set(["message", "enum", "oneof", "service"]);

/** Statements that define no field of a message. */
const PASSED_OVER = new Set(["", "syntax", "import", "option", "reserved"]);

/**
 * Reads every definition below a folder.
 * @param {string} folder
 * @returns {Definitions}
 */
export function definitions(folder) {
  /** @type {Definitions} */
  const all = { messages: new Map(), enums: new Map() };
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".proto")) read(readFileSync(path.join(folder, name), "utf8"), all);
  }
  for (const [name, message] of all.messages) {
    for (const field of message.values()) field.type = resolve(field.type, name, all);
  }
  return all;
}

/**
 * @param {string} text of one file
 * @param {Definitions} all
 */
function read(text, all) {
  const statements = text
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
    .match(/[^;{}]+[;{]|}/g)
    ?.map((statement) => statement.trim().replaceAll(/\s+/g, " "));
  let scope = "";
  /** @type {{ kind: string, scope: string }[]} open blocks */
  const open = [];
  for (const statement of statements ?? []) {
    const [kind, name = ""] = statement.split(/[ ;{]/);
    if (statement === "}") scope = open.pop()?.scope ?? "";
    else if (kind === "package") scope = name;
    else if (BLOCKS.has(kind)) {
      open.push({ kind: kind === "oneof" ? name : kind, scope });
      if (kind !== "oneof") scope = `${scope}.${name}`;
      if (kind === "message") all.messages.set(scope, new Map());
      if (kind === "enum") all.enums.set(scope, new Set());
    } else if (kind === "rpc") open.push({ kind, scope });
    else if (!PASSED_OVER.has(kind)) member(statement, scope, open.at(-1)?.kind ?? "", all);
  }
}

/**
 * @param {string} statement
 * @param {string} scope the scope that it belongs to
 * @param {string} block kind of the block, or the name of the oneof
 * @param {Definitions} all
 */
function member(statement, scope, block, all) {
  const value = /^\w+ = (\d+|0x[0-9A-F]+);$/.exec(statement);
  const field = /^(repeated |optional )?([\w.]+) (\w+) = \d+( \[.*\])?;$/.exec(statement);
  if (value && block === "enum") all.enums.get(scope)?.add(Number(value[1]));
  else if (field) {
    const [, label, type, name] = field;
    const jsonName = name.replaceAll(/_(.)/g, (_, letter) => letter.toUpperCase());
    const oneof = block === "message" ? undefined : block;
    all.messages.get(scope)?.set(jsonName, {
      name: jsonName,
      type,
      repeated: label === "repeated ",
      oneof,
    });
  } else throw new Error(`${scope}: cannot read "${statement}"`);
}

/**
 * Returns a type's full name: the innermost one with that name.
 * @param {string} type
 * @param {string} scope
 * @param {Definitions} all
 */
function resolve(type, scope, all) {
  if (SCALARS.has(type)) return type;
  for (const parts = scope.split("."); ; parts.pop()) {
    const name = [...parts, type].join(".");
    if (all.messages.has(name) || all.enums.has(name)) return name;
    if (parts.length === 0) throw new Error(`${scope}: ${type} is nowhere defined`);
  }
}
