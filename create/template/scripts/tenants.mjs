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
 * server, or with --remote of the deployment; or they are those of the Worker at a URL.
 */
import "./node-version.mjs";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { readCommandLine } from "./command-line.mjs";
import { hasSources, ROOT, TENANTS } from "./places.mjs";
import { Fault, main, print } from "./progress.mjs";
import { packages, setUp } from "./setup.mjs";
import { asset, removeAll } from "./tenant-assets.mjs";
import { contents, idOf, printDifference } from "./tenant-files.mjs";
import { openStore, STAND_IN, STORE_OPTIONS, STORE_USAGE } from "./tenant-store.mjs";
import { tenantsByApi } from "./tenants-by-api.mjs";

/** @typedef {import("./tenant-store.mjs").Store} Store */

const SHAPE = {
  name: "npm run tenants",
  usage: `Usage: npm run tenants -- COMMAND [options]
  validate FILE…      lists the faults of documents, with their fixes
  put FILE…           validates documents, then stores them with their hosts
  get ID               prints the stored document
  list                 lists the tenants and their hosts
  diff FILE            shows what put would change
  delete ID            deletes the document and its hosts
  explain HOST [PATH]  shows the tenant, the access rule, and every setting with its source
  schema               prints the JSON Schema of a document
  asset put TENANT NAME FILE, asset list TENANT, asset delete TENANT NAME
                       manages files that a document names as kv:NAME
Options:
${STORE_USAGE}`,
  options: STORE_OPTIONS,
  commands: {
    validate: "FILE…",
    put: "FILE…",
    get: "ID",
    list: "",
    diff: "FILE",
    delete: "ID",
    explain: "HOST [PATH]",
    schema: "",
    asset: "put|list|delete [TENANT] [NAME] [FILE]",
  },
};

await main(async () => {
  const { values, words } = readCommandLine(SHAPE);
  const [command, ...rest] = words;
  if (command === "schema") return schema();
  const isByApi = typeof values.remote === "string";
  await prepare(isByApi);
  if (isByApi) return (await tenantsByApi(values.remote))[command](rest);
  const store = openStore(values, ["TENANTS", "TENANTS_DB"]);
  const commands = /** @type {Record<string, () => number | Promise<number>>} */ ({
    validate: () => validate(store, rest),
    put: () => put(store, rest),
    get: () => get(store, rest[0]),
    list: () => list(store),
    diff: () => diff(store, rest[0]),
    delete: () => remove(store, rest[0]),
    explain: () => explain(store, rest[0], rest[1] ?? "/"),
    asset: () => asset(store, rest),
  });
  try {
    return await commands[command]();
  } finally {
    await store.close();
  }
});

/**
 * Installs and builds what a command needs. A Worker that is asked by its API validates documents itself.
 * @param {boolean} isByApi
 */
async function prepare(isByApi) {
  if (!hasSources()) {
    if (isByApi) return;
    throw new Fault(
      "The program that validates documents is built from Vestibule's sources, which are not here. Use --remote with the URL of a Worker, such as http://localhost:8787 of npm start.",
    );
  }
  if (isByApi) return packages(new AbortController().signal);
  await buildProgram();
}

async function schema() {
  if (!hasSources()) {
    print(readFileSync(path.join(ROOT, "build/tenant.schema.json"), "utf8").trimEnd());
    return 0;
  }
  await buildProgram();
  return report(ask({ do: "schema" }));
}

async function buildProgram() {
  await setUp();
  const { buildTenants } = await import("./build.mjs");
  await buildTenants();
}

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
  const before = await store.get(`tenant:${idOf(file)}`);
  return printDifference(before ?? "", contents(file));
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
