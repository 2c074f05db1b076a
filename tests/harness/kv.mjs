/**
 * Implements Workers KV in workerd's HTTP protocol, in the test's process. It logs every operation,
 * and can fail on demand.
 */
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { listen } from "./ports.mjs";
import { until } from "./until.mjs";

/** @typedef {{ value: Buffer, ttl: number | null, expires: number }} Stored */
/** @typedef {{ op: "get" | "put" | "delete" | "list", key: string, at: number }} Operation */
/** @typedef {"fine" | "hang" | "held" | "reset" | number} Mood held: until the mood changes; a number is a status */

/** @typedef {{ value: Buffer | null, at: number, port: number }} Past a former value of a key, its time, and the port of its write */

export class KvServer {
  /** @type {Map<string, Stored>} */
  stored = new Map();
  /** @type {Map<string, Past[]>} */
  #past = new Map();
  /** @type {import("node:http").Server[]} */
  #places = [];
  /** @type {Operation[]} */
  operations = [];
  /** @type {{ get: Mood, put: Mood }} */
  mood = { get: "fine", put: "fine" };
  /** Whether a list never ends. */
  endless = false;
  /** Delay of a write, in milliseconds. */
  putDelay = 0;
  #server = createServer((request, response) => void this.#serve(request, response));
  /** @type {Promise<number> | undefined} */
  #port;

  /** @returns {Promise<number>} the port */
  listening() {
    this.#port ??= listen(this.#server);
    return this.#port;
  }

  /**
   * Starts another location, which sees writes of others after a lag.
   * @param {number} lagMs
   * @returns {Promise<number>} its port
   */
  place(lagMs) {
    const server = createServer((request, response) => void this.#serve(request, response, lagMs));
    this.#places.push(server);
    return listen(server);
  }

  async stop() {
    for (const place of this.#places) {
      place.closeAllConnections();
      place.close();
    }
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** @param {"get" | "put" | "delete" | "list"} op */
  count(op) {
    return this.operations.filter((operation) => operation.op === op).length;
  }

  /** Returns the only record and its key. */
  only() {
    const records = [...this.stored].filter(([key]) => key.startsWith("s:"));
    if (records.length !== 1) throw new Error(`${records.length} records, not one`);
    const [[key, { value, ttl }]] = records;
    return { key, value, ttl };
  }

  /**
   * @param {string} key
   * @param {Buffer | string} value
   */
  plant(key, value) {
    this.stored.set(key, {
      value: Buffer.from(value),
      ttl: null,
      expires: Number.POSITIVE_INFINITY,
    });
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   * @param {number} [lagMs]
   */
  async #serve(request, response, lagMs = 0) {
    const url = new URL(request.url ?? "/", "http://kv");
    const key = decodeURIComponent(url.pathname.slice(1));
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const op = operation(request.method ?? "", key);
    this.operations.push({ op, key, at: Date.now() });
    const mood = op === "get" || op === "list" ? this.mood.get : this.mood.put;
    if (mood === "hang") return;
    if (mood === "held") await until(() => this.mood.get !== "held").catch(() => {});
    if (mood === "reset") return void request.socket.resetAndDestroy();
    if (typeof mood === "number") return void response.writeHead(mood).end();
    const port = request.socket.localPort ?? 0;
    if (this.putDelay > 0 && op === "put") await pause(this.putDelay);
    if (op === "put") return this.#put(key, body, url.searchParams, response, port);
    if (op === "delete") return this.#delete(key, response);
    if (op === "list") return this.#list(url.searchParams, response);
    const found = lagMs ? this.#seen(key, Date.now() - lagMs, port) : this.stored.get(key);
    if (!found || found.expires <= Date.now()) return void response.writeHead(404).end();
    response.writeHead(200).end(found.value);
  }

  /**
   * @param {string} key
   * @param {Buffer} value
   * @param {URLSearchParams} parameters
   * @param {import("node:http").ServerResponse} response
   * @param {number} port of the location
   */
  #put(key, value, parameters, response, port) {
    const text = parameters.get("expiration_ttl");
    const ttl = text === null ? null : Number(text);
    if (ttl !== null && !(Number.isInteger(ttl) && ttl >= 60)) {
      return void response.writeHead(400, `Invalid expiration_ttl of ${text}`).end();
    }
    const expires = ttl === null ? Number.POSITIVE_INFINITY : Date.now() + ttl * 1000;
    this.stored.set(key, { value, ttl, expires });
    const past = this.#past.get(key) ?? [];
    this.#past.set(key, [...past, { value, at: Date.now(), port }]);
    response.writeHead(200).end();
  }

  /**
   * Returns what a location sees of a key: writes up to that time, and its own writes.
   * @param {string} key
   * @param {number} then
   * @param {number} port
   * @returns {Stored | undefined}
   */
  #seen(key, then, port) {
    const past = this.#past.get(key) ?? [];
    const seen = past.findLast((one) => one.at <= then || one.port === port);
    if (!seen?.value) return undefined;
    return { value: seen.value, ttl: null, expires: Number.POSITIVE_INFINITY };
  }

  /**
   * @param {string} key
   * @param {import("node:http").ServerResponse} response
   */
  #delete(key, response) {
    this.stored.delete(key);
    response.writeHead(200).end();
  }

  /**
   * @param {URLSearchParams} parameters
   * @param {import("node:http").ServerResponse} response
   */
  #list(parameters, response) {
    const prefix = parameters.get("prefix") ?? "";
    const keys = [...this.stored.keys()].filter((key) => key.startsWith(prefix)).sort();
    response.writeHead(200, { "content-type": "application/json" });
    const more = this.endless ? { list_complete: false, cursor: "again" } : { list_complete: true };
    response.end(JSON.stringify({ keys: keys.map((name) => ({ name })), ...more }));
  }
}

/**
 * @param {string} method
 * @param {string} key
 * @returns {Operation["op"]}
 */
function operation(method, key) {
  if (method === "PUT") return "put";
  if (method === "DELETE") return "delete";
  return key === "" ? "list" : "get";
}
