/**
 * Implements the zone's cache as Cloudflare documents it, which workerd lacks: every subrequest of a Worker passes
 * through it. Its key is the URL alone, for every visitor and any cookies.
 *
 * - URLs that end like static files are kept for two hours if the origin sets no lifetime
 *   (https://developers.cloudflare.com/cache/concepts/default-cache-behavior/).
 * - `private`, `no-store`, `no-cache`, `max-age=0` and `Set-Cookie` prevent storing; so does a
 *   client's `Authorization`, unless the response allows sharing (RFC 9111 section 3.5).
 * - A negative `cf.cacheTtl` or the level `bypass` (the effect of `cache: "no-store"`) prevents looking up the request
 *   and storing its response; `cacheEverything` also stores URLs with other endings.
 */
import { request as ask, createServer } from "node:http";
import { connect } from "node:net";
import { listen } from "./ports.mjs";

/** Header in which workerd passes on the `cf` options of `fetch`. */
export const CF_BLOB = "x-test-cf";

/** Endings of stored files; Cloudflare has more. */
const STATIC =
  /\.(?:7z|avi|bin|bmp|css|csv|docx?|eot|gif|gz|ico|jar|jpe?g|js|mid|mp[34]|ogg|otf|pdf|png|pptx?|svgz?|tar|tiff?|ttf|webm|webp|woff2?|xlsx?|zip)$/i;

/** @typedef {{ status: number, headers: string[], body: Buffer }} Kept */
/** @typedef {{ method: string, url: string, cf: Record<string, unknown>, outcome: "HIT" | "MISS" | "BYPASS" | "DYNAMIC" }} Passed */

export class ZoneCache {
  /** @type {Map<string, Kept>} by URL */
  kept = new Map();
  /** @type {Passed[]} every request that passed */
  passed = [];
  /** Whether a rule of the zone makes everything cacheable. */
  cachesEverything = false;
  port = 0;
  // The runtime sends no Host header to a proxy.
  #server = createServer({ requireHostHeader: false, maxHeaderSize: 256 * 1024 });

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static async start(t) {
    const cache = new ZoneCache();
    cache.#server.on("request", (request, reply) => void cache.#serve(request, reply));
    cache.#server.on("upgrade", (request, socket) => cache.#tunnel(request, socket));
    cache.port = await listen(cache.#server);
    t.after(async () => {
      cache.#server.closeAllConnections();
      await new Promise((resolve) => cache.#server.close(resolve));
    });
    return cache;
  }

  /** Returns the outcomes of requests for that path, in order. @param {string} path */
  outcomes(path) {
    const alike = this.passed.filter(({ url }) => new URL(url).pathname === path);
    return alike.map(({ outcome }) => outcome);
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} reply
   */
  async #serve(request, reply) {
    const { url = "", method = "GET" } = request;
    const blob = request.headers[CF_BLOB];
    const cf = typeof blob === "string" ? JSON.parse(blob) : {};
    /** @type {Passed} */
    const passed = { method, url, cf, outcome: this.#eligible(method, url, cf) };
    this.passed.push(passed);
    const kept = this.kept.get(url);
    if (passed.outcome === "MISS" && kept) {
      passed.outcome = "HIT";
      reply.writeHead(kept.status, ["cf-cache-status", "HIT", ...kept.headers]);
      return void reply.end(method === "HEAD" ? undefined : kept.body);
    }
    const { body, ...answer } = await answerOf(request);
    if (passed.outcome === "MISS" && method === "GET" && mayBeKept(request, answer)) {
      this.kept.set(url, { ...answer, body });
    }
    reply.writeHead(answer.status, answer.headers).end(body);
  }

  /**
   * @param {string} method
   * @param {string} url
   * @param {Record<string, unknown>} cf
   */
  #eligible(method, url, cf) {
    if (cf.cacheLevel === "bypass" || Number(cf.cacheTtl) < 0) return "BYPASS";
    const isKept = STATIC.test(new URL(url).pathname) || this.cachesEverything;
    return (method === "GET" || method === "HEAD") && (isKept || cf.cacheEverything)
      ? "MISS"
      : "DYNAMIC";
  }

  /**
   * Forwards a WebSocket as bytes.
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:stream").Duplex} socket
   */
  #tunnel(request, socket) {
    const { hostname, port, pathname, search } = new URL(request.url ?? "");
    const origin = connect(Number(port || 80), hostname);
    const lines = pairs(request).map(([name, value]) => `${name}: ${value}`);
    origin.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    for (const end of [socket, origin]) end.on("error", () => {});
    socket.pipe(origin).pipe(socket);
  }
}

/**
 * Requests the resource from the origin.
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<Kept>}
 */
function answerOf(request) {
  const { method, url = "" } = request;
  const headers = Object.fromEntries([["host", new URL(url).host], ...pairs(request)]);
  return new Promise((resolve) => {
    const failed = () => resolve({ status: 502, headers: [], body: Buffer.from("") });
    const outgoing = ask(url, { method, headers, agent: false }, async (answer) => {
      const chunks = [];
      for await (const chunk of answer) chunks.push(chunk);
      const { statusCode = 0, rawHeaders } = answer;
      const own = [];
      for (let at = 0; at < rawHeaders.length; at += 2) {
        if (!/^(?:connection|keep-alive|transfer-encoding)$/i.test(rawHeaders[at])) {
          own.push(rawHeaders[at], rawHeaders[at + 1]);
        }
      }
      resolve({ status: statusCode, headers: own, body: Buffer.concat(chunks) });
    });
    outgoing.on("error", failed);
    request.pipe(outgoing);
  });
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {{ status: number, headers: string[] }} answer
 */
function mayBeKept(request, { status, headers }) {
  const value = (/** @type {string} */ name) =>
    headers.find((_, at) => at % 2 === 1 && headers[at - 1].toLowerCase() === name) ?? "";
  const control = value("cache-control");
  if (status !== 200 || value("set-cookie") !== "") return false;
  if (/private|no-store|no-cache|max-age=0/i.test(control)) return false;
  return !request.headers.authorization || /public|s-maxage|must-revalidate/i.test(control);
}

/** Returns the headers that the Worker sent. @param {import("node:http").IncomingMessage} request */
function pairs({ rawHeaders }) {
  /** @type {[string, string][]} */
  const list = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at].toLowerCase() !== CF_BLOB) list.push([rawHeaders[at], rawHeaders[at + 1]]);
  }
  return list;
}
