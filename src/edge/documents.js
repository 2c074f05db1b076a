/**
 * Where tenants' documents are kept: a KV namespace (`TENANTS`), a D1 table (`TENANTS_DB`), or a service
 * of your own (`TENANTS_URL`). All are asked for a text under a key, `tenant:<id>` or `host:<pattern>`.
 */
import { report } from "./log.js";
import { shared, within } from "./waiting.js";

/** How long to wait for a document, in milliseconds. */
const DEADLINE = 2_000;

/** The shortest time KV may serve a read from its location's cache, in seconds. */
const CACHE_TTL = 30;

/** How many documents of a service are remembered, for when it says that nothing has changed. */
const MOST_REMEMBERED = 1_000;

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
      within(DEADLINE, find(env, key)),
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
 * @param {Env} env
 * @param {string} key
 * @returns {Promise<string | null>}
 */
function find(env, key) {
  if (env.TENANTS) return env.TENANTS.get(key, { cacheTtl: CACHE_TTL });
  if (env.TENANTS_DB) return findInTable(env.TENANTS_DB, key);
  return findAtService(String(env.TENANTS_URL), key);
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
 * is none. Anything else is no answer; what is known counts on then.
 * @param {string} base
 * @param {string} key
 */
async function findAtService(base, key) {
  const url = `${base.replace(/\/+$/, "")}/${encodeURIComponent(key)}`;
  const known = remembered.get(url);
  /** @type {Record<string, string>} */
  const headers = known ? { "if-none-match": known.etag } : {};
  const response = await fetch(url, { headers, redirect: "manual" });
  if (response.status === 304 && known) return known.text;
  if (response.status === 404) {
    remembered.delete(url);
    return null;
  }
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const text = await response.text();
  const etag = response.headers.get("etag");
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  if (etag) remembered.set(url, { etag, text });
  return text;
}
