/** Stores, lists and deletes files of tenants, which documents name as `kv:NAME`. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Fault, print } from "./progress.mjs";

/** @typedef {import("./tenant-store.mjs").Store} Store */

/** Maximum size of a file that the Worker serves. */
const MOST_BYTES = 5 * 1024 * 1024;

const NAME = /^[A-Za-z0-9._-]{1,128}$/;

/** @type {Record<string, string>} */
const TYPES = {
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".webp": "image/webp",
  ".gif": "image/gif",
  ".avif": "image/avif",
  ".ico": "image/x-icon",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
  ".ttf": "font/ttf",
};

/**
 * @param {Store} store
 * @param {string[]} order
 */
export async function asset(store, [command, tenant = "", ...rest]) {
  const commands = /** @type {Record<string, () => Promise<number>>} */ ({
    put: () => put(store, tenant, rest[0] ?? "", rest[1] ?? ""),
    list: () => list(store, tenant),
    delete: () => remove(store, tenant, rest[0] ?? ""),
  });
  const act = commands[command];
  if (!act)
    throw new Fault(
      "Use asset put TENANT NAME FILE, asset list TENANT or asset delete TENANT NAME.",
    );
  if (!/^[a-z0-9-]{1,63}$/.test(tenant))
    throw new Fault("Name the tenant: 1 to 63 of a-z, 0-9 and -.");
  return act();
}

/**
 * @param {Store} store
 * @param {string} tenant
 */
export async function removeAll(store, tenant) {
  for (const key of await store.names(`asset:${tenant}:`)) await store.delete(key);
}

/**
 * @param {Store} store
 * @param {string} tenant
 * @param {string} name
 * @param {string} file
 */
async function put(store, tenant, name, file) {
  if (!NAME.test(name)) throw new Fault("A name must have 1 to 128 letters, digits, ., _ or -.");
  const type = TYPES[path.extname(file).toLowerCase()];
  if (!type)
    throw new Fault(`${file}: use a file that ends with ${Object.keys(TYPES).join(", ")}.`);
  const bytes = contents(file);
  if (bytes.length > MOST_BYTES) throw new Fault(`${file} is larger than 5 MiB, the maximum.`);
  await store.put(
    `asset:${tenant}:${name}`,
    JSON.stringify({ type, base64: bytes.toString("base64") }),
  );
  print(
    `${tenant}: kv:${name} is stored, ${bytes.length} bytes of ${type}; served within six minutes.`,
  );
  return 0;
}

/**
 * @param {Store} store
 * @param {string} tenant
 */
async function list(store, tenant) {
  const beginning = `asset:${tenant}:`;
  for (const key of await store.names(beginning)) print(`kv:${key.slice(beginning.length)}`);
  return 0;
}

/**
 * @param {Store} store
 * @param {string} tenant
 * @param {string} name
 */
async function remove(store, tenant, name) {
  const key = `asset:${tenant}:${name}`;
  if (!(await store.names(key)).includes(key)) throw new Fault(`${tenant} has no kv:${name}.`);
  await store.delete(key);
  print(`${tenant}: kv:${name} is deleted; served for six minutes at most.`);
  return 0;
}

/** @param {string} file */
function contents(file) {
  try {
    return readFileSync(file);
  } catch {
    throw new Fault(`${file} cannot be read.`);
  }
}
