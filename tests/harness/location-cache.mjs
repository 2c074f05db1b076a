/**
 * Implements a location's cache in workerd's HTTP protocol (`caches.default`): a put carries a whole
 * response, and a look-up learns whether it hit.
 */
import { createServer } from "node:http";
import { listen } from "./ports.mjs";

/** Headers of a connection, not of a stored response. */
const OF_CONNECTION = /^(content-length|transfer-encoding|connection)$/i;

export class LocationCache {
  /** @type {Map<string, Buffer>} */
  stored = new Map();
  #server = createServer((request, response) => void this.#serve(request, response));

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static async start(t) {
    const cache = new LocationCache();
    const port = await listen(cache.#server);
    t.after(async () => {
      cache.#server.closeAllConnections();
      await new Promise((resolve) => cache.#server.close(resolve));
    });
    return Object.assign(cache, { port });
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async #serve(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The Worker disconnected in the middle of a file.
    }
    const address = `${request.headers.host}${request.url}`;
    if (request.method === "PUT") {
      this.stored.set(address, Buffer.concat(chunks));
      return void response.writeHead(204).end();
    }
    if (request.method === "PURGE") {
      return void response.writeHead(this.stored.delete(address) ? 200 : 404).end();
    }
    const kept = this.stored.get(address);
    if (!kept) return void response.writeHead(504, { "cf-cache-status": "MISS" }).end();
    const end = kept.indexOf("\r\n\r\n");
    const [, ...lines] = kept.subarray(0, end).toString("latin1").split("\r\n");
    const pairs = lines.map((line) => line.split(/: ?(.*)/s).slice(0, 2));
    const headers = pairs.filter(([name]) => !OF_CONNECTION.test(name));
    response.writeHead(200, Object.fromEntries([...headers, ["cf-cache-status", "HIT"]]));
    response.end(kept.subarray(end + 4));
  }
}
