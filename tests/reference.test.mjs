/** Checks that the pages of docs/reference/ match the code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeIn, filesBelow, read, rowsOf } from "./harness/pages.mjs";

/** The shipped sources: without tests and simulation. */
const SOURCES = filesBelow("src")
  .filter((file) => /\.(?:rs|js)$/.test(file))
  .filter((file) => !/(?:^|\/)(?:tests?|simulation|golden)(?:\/|\.rs$)/.test(file))
  .map((file) => read(file).split(/^#\[cfg\(test\)\]\nmod /m)[0]);
const CODE = SOURCES.join("\n");

const SCHEMA = JSON.parse(read("www/tenant.schema.json"));

/** @param {RegExp} pattern with one group @returns {string[]} its distinct matches in the code */
function inCode(pattern) {
  return [...new Set(Array.from(CODE.matchAll(pattern), ([, found]) => found))].sort();
}

/** @param {string} page @returns {string[][]} */
function rows(page) {
  return rowsOf(read(`docs/reference/${page}.md`));
}

/** @param {Iterable<string>} list */
function sorted(list) {
  return [...new Set(list)].sort();
}

test("settings: every variable of a tenant document is listed with key and default", () => {
  const variables = CODE.matchAll(/\(\s*"([A-Z_]+)",\s*Kind::\w+,\s*"([a-z_.]+)",?\s*\)/g);
  const wanted = Array.from(variables, ([, name, key]) => [
    name,
    key,
    // A document must name its tenant; a deployment without documents need not.
    key === "id" ? "default" : defaultOf(key),
  ]).sort();
  assert.ok(wanted.length > 30, "the table of variables in the code");
  const listed = rows("settings")
    .filter(([, key]) => /^`[a-z_.]+`$/.test(key ?? ""))
    .map(([name, key, value]) => [...codeIn(name), ...codeIn(key), plain(value)])
    .filter(([name]) => /^[A-Z_]+$/.test(name));
  assert.deepEqual(listed.sort(), wanted);
});

test("settings: every other variable the code reads is listed, and no more", () => {
  const listed = sorted(rows("settings").flatMap(([name]) => codeIn(name).filter(isSetting)));
  const inUse = sorted([
    ...inCode(/\(\s*"([A-Z_]+)",\s*Kind::/g),
    ...inCode(/\benv\.([A-Z][A-Z_]+)/g),
    ...inCode(
      /\b(?:of_deployment|of_tenant|of_tenants|is_set_for_any|has|setting|var|secret|kv|analytics_engine)\((?:[^()"]*,\s*)?"([A-Z][A-Z_]+)"/g,
    ),
    ...inCode(/"([A-Z]+_(?:OBJECTS|URL|DB|KEYS?|TOKEN|HOST|LIMITER))"/g),
    ...inCode(/^const (?:[A-Z_]+): &str = "([A-Z]+(?:_[A-Z]+)*_(?:HOST|LIMITER|OBJECTS))"/gm),
  ]);
  assert.deepEqual(
    inUse.filter((name) => !listed.includes(name)),
    [],
  );
  assert.deepEqual(
    listed.filter((name) => !new RegExp(`[".]${name}\\b`).test(CODE)),
    [],
  );
});

test("tenant document: every key of the schema is listed with its default, and no more", () => {
  const keys = leavesOf(SCHEMA, "");
  const listed = new Map(
    rows("tenant-document").flatMap(([names, value]) =>
      codeIn(names).map((key) => /** @type {[string, string]} */ ([key, plain(value)])),
    ),
  );
  const isIn = (/** @type {string} */ key) =>
    keys.some((one) => one === key || one.startsWith(`${key}[`));
  assert.deepEqual(
    keys.filter((key) => !listed.has(key)),
    [],
  );
  assert.deepEqual(
    [...listed.keys()].filter((key) => !isIn(key)),
    [],
  );
  const wrong = keys.filter((key) => defaultOf(key) !== "–" && defaultOf(key) !== listed.get(key));
  assert.deepEqual(wrong, []);
});

test("headers: every X-Session-… header is listed, and no more", () => {
  const inUse = inCode(/"(x-session-[a-z-]*[a-z])"/g);
  const listed = rows("headers").flatMap(([names]) =>
    codeIn(names).map((name) => name.toLowerCase()),
  );
  assert.deepEqual(sorted(listed.filter((name) => name.startsWith("x-session-"))), inUse);
  const unknown = listed.filter((name) => !CODE.includes(`"${name}"`));
  assert.deepEqual(unknown, []);
});

test("paths: every reserved path is listed with its methods, and no more", () => {
  const routes = read("src/api/routes.rs")
    .split("];")[0]
    .matchAll(/\("(\/[^"]+)", "([A-Z, ]+)"\),/g);
  const wanted = Array.from(routes, ([, path, methods]) => [
    path,
    methods.split(", ").filter((method) => method !== "HEAD"),
  ]);
  assert.ok(wanted.length > 35, "the routes in the code");
  const listed = rows("paths").flatMap(([names, methods]) =>
    codeIn(names).map((name) => [name.replace("/_session", ""), methods.split(", ")]),
  );
  // The console's page stands for its files.
  const isListed = (/** @type {(string | string[])[]} */ [path]) =>
    !/^\/console(?:$|\/.)/.test(String(path));
  const reserved = listed.filter(([path]) => String(path).startsWith("/"));
  assert.deepEqual(reserved.sort(), wanted.filter(isListed).sort());
});

test("problems: every code is listed with its status, and no more", () => {
  const kinds = CODE.matchAll(/\(\s*(\d{3}),\s*"([a-z_]+)",\s*"[A-Z]/g);
  const wanted = sorted(Array.from(kinds, ([, status, code]) => `${code} ${status}`));
  assert.ok(wanted.length > 40, "the problems in the code");
  assert.deepEqual(
    sorted(rows("problems").map(([code, status]) => `${codeIn(code)} ${status}`)),
    wanted,
  );
});

/** Returns whether a name is a setting, not an attribute, placeholder or tenant's secret. @param {string} name */
function isSetting(name) {
  return /^[A-Z][A-Z_]*$/.test(name);
}

/**
 * Returns the default of a document's key as a cell has it; a dash if there is none.
 * @param {string} key
 */
function defaultOf(key) {
  let schema = SCHEMA;
  for (const part of key.split(".")) {
    const name = part.replace("[]", "");
    schema = schema?.properties?.[name];
    if (part.endsWith("[]")) schema = schema?.items;
  }
  return schema?.default === undefined ? "–" : String(schema.default);
}

/** Returns a cell without backticks. @param {string} cell */
function plain(cell) {
  return cell.replaceAll("`", "");
}

/**
 * Returns the paths of all keys that hold a value.
 * @param {any} schema
 * @param {string} within
 * @returns {string[]}
 */
function leavesOf(schema, within) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = within + name;
    if (value.properties) return leavesOf(value, `${key}.`);
    if (value.items?.properties) return leavesOf(value.items, `${key}[].`);
    return [key];
  });
}
