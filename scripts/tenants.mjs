/**
 * `npm run tenants -- COMMAND`: manages tenants' documents.
 *
 *   validate FILE…     lists the faults of documents, with their fixes
 *   put FILE…          validates documents, then stores them with their hosts
 *   get ID             prints the stored document
 *   list               lists the tenants and their hosts
 *   diff FILE          shows what `put` would change
 *   delete ID          deletes the document and its hosts
 *   explain HOST PATH  shows the tenant, the access rule, and every setting with its source
 *   schema             prints the JSON Schema of a document
 *   asset put TENANT NAME FILE, asset list TENANT, asset delete TENANT NAME
 *                      manages files that a document names as kv:NAME
 *
 * Documents are in the KV namespace TENANTS or the D1 database TENANTS_DB: of this machine's development
 * server, or with --remote of the deployment.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildTenants, TENANTS } from "./build.mjs";
import { Fault, main, print } from "./progress.mjs";
import { setUp } from "./setup.mjs";
import { asset, removeAll } from "./tenant-assets.mjs";
import { openStore, STAND_IN, STORE_OPTIONS } from "./tenant-store.mjs";

/** @typedef {import("./tenant-store.mjs").Store} Store */

await main(async () => {
  const { values, positionals } = parseArgs({ options: STORE_OPTIONS, allowPositionals: true });
  await setUp();
  await buildTenants();
  const store = openStore(values, ["TENANTS", "TENANTS_DB"]);
  const [command, ...rest] = positionals;
  const commands = /** @type {Record<string, () => number | Promise<number>>} */ ({
    validate: () => validate(store, rest),
    put: () => put(store, rest),
    get: () => get(store, rest[0]),
    list: () => list(store),
    diff: () => diff(store, rest[0]),
    delete: () => remove(store, rest[0]),
    explain: () => explain(store, rest[0], rest[1] ?? "/"),
    schema: () => report(ask({ do: "schema" })),
    asset: () => asset(store, rest),
  });
  const act = commands[command];
  if (!act) throw new Fault(`Use one of: ${Object.keys(commands).join(", ")}.`);
  try {
    return await act();
  } finally {
    await store.close();
  }
});

/**
 * Reads a document with the Worker's own code.
 * @param {object} order
 */
function ask(order) {
  const { status, stdout } = spawnSync(TENANTS, { input: JSON.stringify(order), encoding: "utf8" });
  return { isGood: status === 0, text: stdout.trimEnd() };
}

/** @param {{ isGood: boolean, text: string }} answer */
function report({ isGood, text }) {
  print(text);
  return isGood ? 0 : 1;
}

/**
 * Reads a document; assumes that the secrets it names exist, and returns their names.
 * @param {Store} store
 * @param {string} text
 * @param {Record<string, string>} order
 */
function read(store, text, order) {
  const named = secrets(text);
  const bindings = store.bindings();
  for (const name of named) bindings[name] = STAND_IN;
  return { ...ask({ ...order, document: text, bindings }), named };
}

/**
 * Returns the Worker's secrets that a document names, in its environment or for a provider.
 * @param {string} text
 */
function secrets(text) {
  const named = /** @type {Set<string>} */ (new Set());
  const note = (/** @type {string} */ _, /** @type {unknown} */ value) => {
    if (typeof value === "string" && value.startsWith("secret:")) {
      named.add(value.slice("secret:".length));
    }
    return value;
  };
  try {
    const { id } = JSON.parse(text, note);
    const tenant = String(id).toUpperCase().replaceAll("-", "_");
    return [...named].map((name) => `${tenant}__${name}`);
  } catch {
    return [];
  }
}

/**
 * @param {Store} store
 * @param {string[]} files
 */
function validate(store, files) {
  if (files.length === 0) throw new Fault("Name the files with the documents, such as acme.json.");
  let isAllGood = true;
  for (const file of files) {
    const { isGood, text, named } = read(store, contents(file), { do: "validate" });
    const needs = named.map(
      (name) => `\n  needs the secret ${name}: npx wrangler secret put ${name}`,
    );
    print(
      isGood ? `${file}: ${text}${needs.join("")}` : `${file}:\n  ${text.replaceAll("\n", "\n  ")}`,
    );
    isAllGood &&= isGood;
  }
  return isAllGood ? 0 : 1;
}

/**
 * @param {Store} store
 * @param {string[]} files
 */
async function put(store, files) {
  if (validate(store, files) !== 0) return 1;
  for (const file of files) {
    const text = contents(file);
    const { id, hosts = [] } = JSON.parse(text);
    for (const host of hosts) {
      const owner = await store.get(`host:${host}`);
      if (owner !== null && owner !== id) {
        throw new Fault(`${host} belongs to ${owner}. Remove it from that tenant first.`);
      }
    }
    const before = await store.get(`tenant:${id}`);
    const former = before === null ? [] : (JSON.parse(before).hosts ?? []);
    // First the document, then its hosts: a host never leads to a missing document.
    await store.put(`tenant:${id}`, text);
    for (const host of hosts) if (!former.includes(host)) await store.put(`host:${host}`, id);
    for (const host of former) if (!hosts.includes(host)) await store.delete(`host:${host}`);
    print(`${id}: stored; takes effect everywhere within two minutes.`);
  }
  return 0;
}

/**
 * @param {Store} store
 * @param {string} id
 */
async function stored(store, id) {
  const text = await store.get(`tenant:${id}`);
  if (text === null) throw new Fault(`There is no tenant ${id}.`);
  return text;
}

/**
 * @param {Store} store
 * @param {string} id
 */
async function get(store, id) {
  print(await stored(store, id));
  return 0;
}

/** @param {Store} store */
async function list(store) {
  for (const name of await store.names("tenant:")) {
    const { id, hosts = [] } = JSON.parse(await stored(store, name.slice("tenant:".length)));
    print(`${id.padEnd(20)} ${hosts.join(", ")}`);
  }
  return 0;
}

/**
 * @param {Store} store
 * @param {string} file
 */
async function diff(store, file) {
  const after = contents(file);
  const before = (await store.get(`tenant:${JSON.parse(after).id}`)) ?? "";
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenant-"));
  try {
    writeFileSync(path.join(folder, "stored"), pretty(before));
    writeFileSync(path.join(folder, "file"), pretty(after));
    const { stdout } = spawnSync("diff", ["-u", "stored", "file"], {
      cwd: folder,
      encoding: "utf8",
    });
    print(stdout === "" ? "Nothing would change." : stdout.trimEnd());
    return 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} text */
function pretty(text) {
  return text === "" ? "" : `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
}

/**
 * @param {Store} store
 * @param {string} id
 */
async function remove(store, id) {
  const { hosts = [] } = JSON.parse(await stored(store, id));
  for (const host of hosts) await store.delete(`host:${host}`);
  await store.delete(`tenant:${id}`);
  await removeAll(store, id);
  print(`${id}: deleted; takes effect everywhere within two minutes.`);
  return 0;
}

/**
 * @param {Store} store
 * @param {string} host
 * @param {string} at
 */
async function explain(store, host, at) {
  const [authority, ...values] = host.toLowerCase().split(";");
  const name = authority.replace(/:\d+$/, "");
  const suffixes = [...name.matchAll(/\./g)].map(({ index }) => `*${name.slice(index)}`);
  const segment = at.match(/^\/[a-z0-9-]{1,63}(?=[/?]|$)/)?.[0] ?? "";
  const headers = values.map((value) => `;${value}`).join("");
  const qualifiers = new Set([segment + headers, segment, headers, ""]);
  const patterns = [name, ...suffixes].flatMap((one) => [...qualifiers].map((end) => one + end));
  for (const pattern of patterns) {
    const id = await store.get(`host:${pattern}`);
    if (id === null) continue;
    const order = { do: "explain", host: name, pattern, path: at };
    return report(read(store, await stored(store, id), order));
  }
  print(`No tenant has the host ${host}: requests get 421.`);
  return 1;
}

/** @param {string} file */
function contents(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new Fault(`${file} cannot be read.`);
  }
}
