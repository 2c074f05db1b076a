/**
 * Serves Workers KV to workerd, by the HTTP protocol of its bindings, over a store.
 *
 * Keys, values and lifetimes have KV's limits, so that a Worker behaves as on Cloudflare. In place of KV's delay, each
 * read sees the last write.
 */
import { createServer } from "node:http";
import { NAMESPACE } from "../config.mjs";

/** Limits of Workers KV, in bytes, keys and seconds. */
const MAX_KEY = 512;
const MAX_VALUE = 25 * 1024 * 1024;
const MAX_METADATA = 1024;
const MAX_KEYS = 1000;
const MIN_TTL = 60;

/** Header with a value's metadata. */
const METADATA = "CF-KV-Metadata";

/**
 * A stored value; `expires` in milliseconds since 1970.
 * @typedef {{ value: Buffer, metadata: string, expires: number | null }} Entry
 */

/**
 * Keys of a page in the order of their bytes, without expired ones.
 * @typedef {object} Page
 * @property {{ name: string, metadata: string, expires: number | null }[]} keys
 * @property {string | null} last the name after which the next page begins
 */

/**
 * A place for keys and values. A write is stored once its promise is resolved.
 * @typedef {object} Store
 * @property {(namespace: string, key: string) => Promise<Omit<Entry, "expires"> | null>} get
 * @property {(namespace: string, key: string, entry: Entry) => Promise<void>} put
 * @property {(namespace: string, key: string) => Promise<void>} delete
 * @property {(namespace: string, prefix: string, after: string | null, limit: number) => Promise<Page>} list
 * @property {() => Promise<void>} close
 */

/** A request that the protocol does not allow, with its HTTP status. */
class Refusal extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Serves a store on a Unix socket.
 * @param {Store} store
 * @param {string} socket
 * @param {(error: Error) => void} onFailure called with the store's errors
 * @returns {Promise<{ close: () => Promise<void> }>}
 */
export async function serveKv(store, socket, onFailure) {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
    answer(store, request)
      .catch((error) => failure(error, onFailure))
      .then(({ status, reason, headers = {}, body = "" }) => {
        response.writeHead(status, reason, headers);
        response.end(body);
      });
  });
  await new Promise((resolve, reject) => {
    server.on("error", reject).listen(socket, () => resolve(undefined));
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await store.close();
    },
  };
}

/** @typedef {{ status: number, reason?: string, headers?: Record<string, string>, body?: Buffer | string }} Answer */

/**
 * @param {unknown} error
 * @param {(error: Error) => void} onFailure
 * @returns {Answer}
 */
function failure(error, onFailure) {
  if (error instanceof Refusal) return { status: error.status, reason: error.message };
  onFailure(/** @type {Error} */ (error));
  return { status: 503, reason: "The store of the KV service is unavailable" };
}

/**
 * @param {Store} store
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<Answer>}
 */
async function answer(store, request) {
  const namespace = String(request.headers[NAMESPACE.toLowerCase()] ?? "");
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://kv");
  const key = decodeURIComponent(pathname.slice(1));
  // The client loses the connection if its body is not read before the answer.
  const body = await bodyOf(request);
  if (Buffer.byteLength(key) > MAX_KEY)
    throw new Refusal(414, `A key may have at most ${MAX_KEY} bytes`);
  if (request.method === "GET" && key === "") return list(store, namespace, searchParams);
  if (request.method === "GET") return get(store, namespace, key);
  if (request.method === "PUT") {
    await store.put(namespace, key, entryOf(request, searchParams, body));
    return { status: 200 };
  }
  if (request.method === "DELETE") {
    await store.delete(namespace, key);
    return { status: 200 };
  }
  throw new Refusal(405, "The KV service reads and writes single keys, and lists them");
}

/** @param {Store} store @param {string} namespace @param {string} key @returns {Promise<Answer>} */
async function get(store, namespace, key) {
  const entry = await store.get(namespace, key);
  if (entry === null) return { status: 404 };
  /** @type {Record<string, string>} */
  const headers = {};
  if (entry.metadata !== "") headers[METADATA] = Buffer.from(entry.metadata).toString("latin1");
  return { status: 200, headers, body: entry.value };
}

/** @param {Store} store @param {string} namespace @param {URLSearchParams} parameters @returns {Promise<Answer>} */
async function list(store, namespace, parameters) {
  const limit = Number(parameters.get("key_count_limit") ?? MAX_KEYS);
  if (!(limit >= 1 && limit <= MAX_KEYS))
    throw new Refusal(400, `A list may have 1 to ${MAX_KEYS} keys`);
  const cursor = parameters.get("cursor");
  const after = cursor ? Buffer.from(cursor, "base64url").toString() : null;
  const prefix = parameters.get("prefix") ?? "";
  const { keys, last } = await store.list(namespace, prefix, after, limit);
  const listed = keys.map(({ name, metadata, expires }) => ({
    name,
    ...(expires !== null && { expiration: seconds(expires) }),
    ...(metadata !== "" && { metadata }),
  }));
  const end = last === null ? {} : { cursor: Buffer.from(last).toString("base64url") };
  const page = { keys: listed, list_complete: last === null, ...end };
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(page),
  };
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {URLSearchParams} parameters
 * @param {Buffer} value
 * @returns {Entry}
 */
function entryOf(request, parameters, value) {
  const metadata = Buffer.from(String(request.headers["cf-kv-metadata"] ?? ""), "latin1");
  if (metadata.length > MAX_METADATA)
    throw new Refusal(413, `Metadata may have at most ${MAX_METADATA} bytes`);
  return { value, metadata: metadata.toString(), expires: expiryOf(parameters) };
}

/** @param {URLSearchParams} parameters */
function expiryOf(parameters) {
  const ttl = parameters.get("expiration_ttl");
  const time = parameters.get("expiration");
  if (ttl === null && time === null) return null;
  const expires = time === null ? Date.now() + Number(ttl) * 1000 : Number(time) * 1000;
  // A second is allowed for the way here.
  const isLate = expires >= Date.now() + (MIN_TTL - 1) * 1000;
  if (!(isLate && (time !== null || Number(ttl) >= MIN_TTL))) {
    throw new Refusal(400, `Values expire after ${MIN_TTL} seconds or later`);
  }
  return expires;
}

/** @param {import("node:http").IncomingMessage} request */
async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += chunk.length;
      if (size <= MAX_VALUE) chunks.push(chunk);
    }
  } catch {
    // The runtime crashed or gave up, so nobody reads the answer.
    throw new Refusal(400, "The value broke off");
  }
  if (size > MAX_VALUE) throw new Refusal(413, `A value may have at most ${MAX_VALUE} bytes`);
  return Buffer.concat(chunks);
}

/** @param {number} milliseconds */
function seconds(milliseconds) {
  return Math.floor(milliseconds / 1000);
}
