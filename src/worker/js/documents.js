/**
 * Where tenants' documents are kept: a KV namespace (`TENANTS`), a D1 table (`TENANTS_DB`), or a service
 * of your own (`TENANTS_URL`). All are asked for a text under a key, `tenant:<id>` or `host:<pattern>`.
 */
import { ask } from "./asking.js";
import { bytesOf } from "./bytes.js";
import { report } from "./log.js";
import { counted } from "./tally.js";
import { UNCACHED } from "./uncached.js";
import { shared, within } from "./waiting.js";

/** How long to wait for a document, in milliseconds. */
const DEADLINE = 2_000;

/** The shortest time KV may serve a read from its location's cache, in seconds. */
const CACHE_TTL = 30;

/** How many documents of a service are remembered, for when it says that nothing has changed. */
const MOST_REMEMBERED = 1_000;

/** What the keys of users' accounts begin with; they may have a namespace of their own, `USERS`. */
const ACCOUNT = "user:";

/** The longest that is: a file is not, its caches are others. */
const LONGEST_REMEMBERED = 64 * 1024;

/** The most bytes of a service's answer: of a document, and of a file, which is kept as base64. */
const MOST_BYTES = 1024 * 1024;
const MOST_BYTES_OF_FILE = 7 * 1024 * 1024;

/** @typedef {import("./core.js").Answer} Answer */

/** What the service answered last, by URL. @type {Map<string, { etag: string, text: string }>} */
const remembered = new Map();

/**
 * @param {Env} env
 * @param {string} key
 * @returns {Promise<Answer>}
 */
export async function document(env, key) {
  const began = Date.now();
  try {
    const { value: text, asked } = await shared(`document ${key}`, () =>
      counted("document", () => within(DEADLINE, find(env, key))),
    );
    return text === null
      ? { kind: "absent", key, asked }
      : { kind: "found", key, bytes: new TextEncoder().encode(text), asked };
  } catch (error) {
    report("document_not_read", error);
    return { kind: "unavailable", key, asked: began };
  }
}

/**
 * The text under a key; files are kept there too, under `asset:<tenant>:<name>`.
 * @param {Env} env
 * @param {string} key
 * @returns {Promise<string | null>}
 */
export function find(env, key) {
  if (key.startsWith(ACCOUNT) && env.USERS) return env.USERS.get(key, { cacheTtl: CACHE_TTL });
  if (env.TENANTS) return env.TENANTS.get(key, { cacheTtl: CACHE_TTL });
  if (env.TENANTS_DB) return findInTable(env.TENANTS_DB, key);
  if (env.TENANTS_URL) return findAtService(env, key);
  throw new Error("no namespace is bound: USERS, or TENANTS");
}

/**
 * The keys that begin so, a line each.
 * @param {Env} env
 * @param {string} prefix
 * @returns {Promise<Answer>}
 */
export async function documents(env, prefix) {
  const asked = Date.now();
  const namespace = (prefix.startsWith(ACCOUNT) && env.USERS) || env.TENANTS;
  try {
    const keys = await counted("document", () =>
      within(DEADLINE, namespace ? listed(namespace, prefix) : rows(env, prefix)),
    );
    return { kind: "found", key: prefix, bytes: new TextEncoder().encode(keys.join("\n")), asked };
  } catch (error) {
    report("documents_not_listed", error);
    return { kind: "unavailable", key: prefix, asked };
  }
}

/**
 * @param {KVNamespace} namespace
 * @param {string} prefix
 */
async function listed(namespace, prefix) {
  /** @type {string[]} */
  const keys = [];
  /** @type {string | undefined} */
  let cursor;
  do {
    const page = /** @type {any} */ (await namespace.list({ prefix, cursor }));
    keys.push(...page.keys.map((/** @type {{ name: string }} */ { name }) => name));
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor !== undefined);
  return keys;
}

/**
 * @param {Env} env
 * @param {string} prefix
 */
async function rows(env, prefix) {
  const query = "SELECT key FROM tenants WHERE substr(key, 1, ?) = ? ORDER BY key";
  const { results } = await table(env).prepare(query).bind(prefix.length, prefix).all();
  return results.map(({ key }) => String(key));
}

/**
 * Keeps texts, then deletes keys, one after the other: a host never leads to nobody.
 * @param {Env} env
 * @param {string} text `[[key, text], …]` and `[key, …]` as JSON
 * @returns {Promise<Answer>}
 */
export async function keep(env, text) {
  /** @type {[[string, string][], string[]]} */
  const [puts, deletes] = JSON.parse(text);
  try {
    const areAccounts = [...puts.map(([key]) => key), ...deletes].every((key) =>
      key.startsWith(ACCOUNT),
    );
    const namespace = (areAccounts && env.USERS) || env.TENANTS;
    if (namespace) {
      for (const [key, value] of puts) await namespace.put(key, value);
      for (const key of deletes) await namespace.delete(key);
    } else {
      const database = table(env);
      const put = database.prepare("INSERT OR REPLACE INTO tenants (key, value) VALUES (?, ?)");
      const remove = database.prepare("DELETE FROM tenants WHERE key = ?");
      await database.batch([
        ...puts.map(([key, value]) => put.bind(key, value)),
        ...deletes.map((key) => remove.bind(key)),
      ]);
    }
    return { kind: "written", acknowledged: true };
  } catch (error) {
    report("document_not_kept", error);
    return { kind: "written", acknowledged: false };
  }
}

/** @param {Env} env */
function table(env) {
  if (!env.TENANTS_DB) throw new Error("a service keeps its documents itself");
  return env.TENANTS_DB;
}

/**
 * @param {D1Database} database
 * @param {string} key
 */
async function findInTable(database, key) {
  const row = await database
    .prepare("SELECT value FROM tenants WHERE key = ?")
    .bind(key)
    .first("value");
  return row === null ? null : String(row);
}

/**
 * `GET <TENANTS_URL>/<key>`: 200 with the text, 304 if it is the one that was given last, 404 if there
 * is none. Anything else, and what is too long or takes too long, is no answer; what is known counts on
 * then, and the connection is cut.
 * @param {Env} env
 * @param {string} key
 */
async function findAtService({ TENANTS_URL, TENANTS_TOKEN }, key) {
  const url = `${String(TENANTS_URL).replace(/\/+$/, "")}/${encodeURIComponent(key)}`;
  const known = remembered.get(url);
  /** @type {Record<string, string>} */
  const headers = known ? { "if-none-match": known.etag } : {};
  if (TENANTS_TOKEN) headers.authorization = `Bearer ${String(TENANTS_TOKEN).trim()}`;
  const signal = AbortSignal.timeout(DEADLINE);
  const response = await ask(url, { headers, cf: UNCACHED, signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    if (response.status === 304 && known) return known.text;
    if (response.status !== 404) throw new Error(`status ${response.status}`);
    remembered.delete(url);
    return null;
  }
  const most = key.startsWith("asset:") ? MOST_BYTES_OF_FILE : MOST_BYTES;
  const bytes = await bytesOf(response.body, most);
  if (!bytes) throw new Error(`more than ${most} bytes`);
  const text = new TextDecoder().decode(bytes);
  const etag = response.headers.get("etag");
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  if (etag && text.length <= LONGEST_REMEMBERED) remembered.set(url, { etag, text });
  return text;
}
