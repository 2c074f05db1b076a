/**
 * Tenants' files: remembered by this isolate and by its location's cache, renewed at their source
 * when they are five minutes old. One whose source is in trouble is good for a day, unless the source
 * says that it is gone.
 *
 * What is remembered is remembered under the tenant, so that none is shown another's.
 */
import { waitUntil } from "cloudflare:workers";
import { obtain } from "./asset-sources.js";
import { bytesOf } from "./bytes.js";
import { shared } from "./waiting.js";

/** So long a file is shown without asking its source, in milliseconds. */
const FRESH = 5 * 60_000;

/** So long it is shown while its source gives nothing. */
const USABLE = 24 * 60 * 60_000;

/** A source in trouble is left alone for so long. */
const RESPITE = 10_000;

/** So many bytes an isolate remembers; those not shown for longest go first. */
const ROOM = 16 * 1024 * 1024;

/** So many troubles it remembers; then all are forgotten. */
const MOST_TROUBLES = 1_000;

/** @typedef {import("./core.js").Answer} Answer */
/** @typedef {{ type: string, hash: string, bytes: Uint8Array<ArrayBuffer>, fetched: number }} File */

/** By tenant and source, those shown last at the end. @type {Map<string, File>} */
const files = new Map();
let held = 0;

/** @type {Map<string, import("./asset-sources.js").Trouble & { since: number }>} */
const troubles = new Map();

/**
 * @param {Env} env
 * @param {string} tenant
 * @param {string} source a URL, or a key as of a document
 * @returns {Promise<Answer>}
 */
export async function asset(env, tenant, source) {
  const name = `${tenant}/${source}`;
  const known = files.get(name);
  const { file, trouble } =
    known && isFresh(known)
      ? { file: known, trouble: "" }
      : (await shared(`asset ${name}`, () => renewed(env, name, source))).value;
  if (!file) return { kind: "no-asset", source, trouble };
  remember(name, file);
  const { type, hash, bytes } = file;
  return { kind: "asset", source, type, hash, bytes, trouble };
}

/**
 * @param {Env} env
 * @param {string} name
 * @param {string} source
 * @returns {Promise<{ file?: File, trouble: string }>}
 */
async function renewed(env, name, source) {
  const own = files.get(name);
  const near = await inLocation(name);
  const known = near && near.fetched > (own?.fetched ?? 0) ? near : own;
  if (known && isFresh(known)) return { file: known, trouble: "" };

  const usable = known && Date.now() - known.fetched < USABLE ? known : undefined;
  const lately = troubles.get(name);
  if (lately && Date.now() - lately.since < RESPITE) {
    return { file: lately.isGone ? undefined : usable, trouble: lately.trouble };
  }
  const found = await obtain(env, source);
  if ("trouble" in found) {
    if (troubles.size >= MOST_TROUBLES) troubles.clear();
    troubles.set(name, { ...found, since: Date.now() });
    if (found.isGone) forget(name);
    return { file: found.isGone ? undefined : usable, trouble: found.trouble };
  }
  troubles.delete(name);
  const file = { ...found, hash: await hashed(found.bytes), fetched: Date.now() };
  waitUntil(leaveInLocation(name, file));
  return { file, trouble: "" };
}

/** @param {File} file */
function isFresh(file) {
  return Date.now() - file.fetched < FRESH;
}

/**
 * @param {string} name
 * @param {File} file
 */
function remember(name, file) {
  held += file.bytes.length - (files.get(name)?.bytes.length ?? 0);
  files.delete(name);
  files.set(name, file);
  for (const [oldest, { bytes }] of files) {
    if (held <= ROOM) break;
    files.delete(oldest);
    held -= bytes.length;
  }
}

/** @param {string} name */
function forget(name) {
  held -= files.get(name)?.bytes.length ?? 0;
  files.delete(name);
  waitUntil(leaveLocation(name));
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function hashed(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Where the location's cache has a file. Nobody is reached there.
 * @param {string} name
 */
function address(name) {
  return `https://assets.invalid/${encodeURIComponent(name)}`;
}

/** When a file was fetched, beside it in the cache. */
const FETCHED = "x-fetched";

/**
 * A runtime without such a cache throws; nothing depends on there being one.
 * @param {string} name
 * @returns {Promise<File | undefined>}
 */
async function inLocation(name) {
  try {
    const { body, headers } = (await caches.default.match(address(name))) ?? {};
    if (!body || !headers) return undefined;
    const type = headers.get("content-type") ?? "";
    const hash = JSON.parse(headers.get("etag") ?? '""');
    return { type, hash, bytes: await bytesOf(body), fetched: Number(headers.get(FETCHED)) };
  } catch {
    return undefined;
  }
}

/**
 * @param {string} name
 * @param {File} file
 */
async function leaveInLocation(name, { type, hash, bytes, fetched }) {
  const headers = {
    "content-type": type,
    etag: `"${hash}"`,
    [FETCHED]: String(fetched),
    "cache-control": `public, max-age=${USABLE / 1_000}`,
  };
  await caches.default.put(address(name), new Response(bytes, { headers })).catch(() => {});
}

/** @param {string} name */
async function leaveLocation(name) {
  await caches.default.delete(address(name)).catch(() => {});
}
