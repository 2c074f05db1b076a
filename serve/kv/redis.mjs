/**
 * Stores keys and values in Redis or Valkey, for several machines.
 *
 * A value is a hash, which Redis deletes when it expires. A sorted set of each namespace has the names, for lists;
 * another one has their times, so that names of expired values are removed, too. A script changes all three at once.
 */
import { createHash } from "node:crypto";
import { createClient, RESP_TYPES } from "@redis/client";

/** @import { Entry, Page, Store } from "./service.mjs" */

/** Interval between two removals of names of expired values, in milliseconds. */
const SWEEP_EVERY_MS = 60_000;

/** Maximum number of names removed by one script: Redis serves nobody meanwhile. */
const SWEEP_NAMES = 500;

/** Time to connect, and time without an answer after which a connection counts as lost, in milliseconds. */
const CONNECT_MS = 5_000;
const SILENCE_MS = 5_000;

/** Maximum delay before a new attempt to connect, in milliseconds. */
const MAX_PAUSE_MS = 2_000;

/** Replies are bytes, because values are. */
const AS_BYTES = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

/** KEYS: value, names, times. ARGV: name, value, metadata, lifetime in milliseconds or "". */
const PUT = script(`
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'm', ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[3], ARGV[1])
else
  local now = redis.call('TIME')
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('ZADD', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[4], ARGV[1])
end`);

/** KEYS: value, names, times. ARGV: name. */
const DELETE = script(`
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])`);

/** KEYS: names, times. ARGV: beginning of the values' keys, first name, last name, number of names. */
const LIST = script(`
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local found = {}
for _, name in ipairs(names) do
  local key = ARGV[1] .. name
  local left = redis.call('PTTL', key)
  if left == -2 then
    redis.call('ZREM', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  else
    found[#found + 1] = {name, redis.call('HGET', key, 'm'), left}
  end
end
return {#names, names[#names] or '', found}`);

/** KEYS: names, times. ARGV: beginning of the values' keys, number of names. */
const SWEEP = script(`
local now = redis.call('TIME')
local names = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now[1] * 1000, 'LIMIT', 0, ARGV[2])
local removed = 0
for _, name in ipairs(names) do
  if redis.call('EXISTS', ARGV[1] .. name) == 0 then
    redis.call('ZREM', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
    removed = removed + 1
  end
end
return removed`);

/** @param {string} text */
function script(text) {
  return { text, hash: createHash("sha1").update(text).digest("hex") };
}

/** @implements {Store} */
export class RedisStore {
  #client;
  #prefix;
  #namespaces;
  /** @type {NodeJS.Timeout | undefined} */
  #sweeper;

  /**
   * @param {string} url as `redis://` or `rediss://`, with the number of the database as its path
   * @param {string[]} namespaces
   * @param {string} [prefix] of all keys
   */
  constructor(url, namespaces, prefix = "vestibule:") {
    this.#prefix = prefix;
    this.#namespaces = namespaces;
    this.#client = createClient({
      url,
      disableOfflineQueue: true,
      pingInterval: SILENCE_MS / 2,
      socket: {
        connectTimeout: CONNECT_MS,
        socketTimeout: SILENCE_MS,
        reconnectStrategy: (attempts) => Math.min(MAX_PAUSE_MS, 50 * 2 ** Math.min(attempts, 6)),
      },
    });
    // Requests report that it is unavailable.
    this.#client.on("error", () => {});
  }

  /** Connects. Fails if that is not possible now; later it connects again by itself. */
  async open() {
    const first = new Promise((_, reject) => this.#client.once("error", reject));
    try {
      await Promise.race([this.#client.connect(), first]);
      await this.#ask(["PING"]);
    } catch (error) {
      this.#client.destroy();
      throw error;
    }
    this.#sweeper = setInterval(() => void this.#sweep(), SWEEP_EVERY_MS).unref();
    return this;
  }

  /** Returns warnings about settings of Redis with which it loses sessions. */
  async warnings() {
    const policy = await this.#setting("maxmemory-policy");
    const [appends, saves] = [await this.#setting("appendonly"), await this.#setting("save")];
    return [
      policy !== undefined && policy !== "noeviction"
        ? `maxmemory-policy is ${policy}: Redis deletes sessions when its memory is full. Set noeviction.`
        : "",
      appends === "no" && saves === ""
        ? "Redis writes nothing to its disk: a restart ends all sessions. Set appendonly yes."
        : "",
    ].filter(Boolean);
  }

  /**
   * Notes that the objects of this storage are in a data folder, unless another one is noted.
   * @param {string} id of the folder
   * @param {string} place where it is, for people
   * @param {boolean} takesOver whether to replace another folder
   * @returns {Promise<string | null>} where the other folder is, if there is one
   */
  async claimObjects(id, place, takesOver) {
    const key = `${this.#prefix}objects`;
    if (takesOver) await this.#ask(["DEL", key]);
    await this.#ask(["HSETNX", key, "id", id]);
    if (String(await this.#ask(["HGET", key, "id"])) === id) {
      await this.#ask(["HSET", key, "place", place]);
      return null;
    }
    return String(await this.#ask(["HGET", key, "place"]));
  }

  /** @param {string} namespace @param {string} key */
  async get(namespace, key) {
    const record = this.#key(namespace, key);
    const [value, metadata] = await this.#ask(["HMGET", record, "v", "m"]);
    if (!value) return null;
    return { value, metadata: String(metadata) };
  }

  /** @param {string} namespace @param {string} key @param {Entry} entry */
  async put(namespace, key, { value, metadata, expires }) {
    // Lifetimes are relative, so that clocks may differ.
    const lifetime = expires === null ? "" : String(Math.max(1, expires - Date.now()));
    const keys = [this.#key(namespace, key), ...this.#sets(namespace)];
    await this.#run(PUT, keys, [key, value, metadata, lifetime]);
  }

  /** @param {string} namespace @param {string} key */
  async delete(namespace, key) {
    await this.#run(DELETE, [this.#key(namespace, key), ...this.#sets(namespace)], [key]);
  }

  /**
   * @param {string} namespace
   * @param {string} prefix
   * @param {string | null} after
   * @param {number} limit
   * @returns {Promise<Page>}
   */
  async list(namespace, prefix, after, limit) {
    const first = after === null ? `[${prefix}` : `(${after}`;
    const last = Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])]);
    const answer = await this.#run(LIST, this.#sets(namespace), [
      this.#key(namespace, ""),
      first,
      last,
      String(limit),
    ]);
    const [count, end, found] = /** @type {[number, Buffer, [Buffer, Buffer, number][]]} */ (
      answer
    );
    const keys = found.map(([name, metadata, left]) => ({
      name: String(name),
      metadata: String(metadata),
      expires: left < 0 ? null : Date.now() + left,
    }));
    return { keys, last: count === limit ? String(end) : null };
  }

  async close() {
    clearInterval(this.#sweeper);
    // An unanswered command would keep `close` waiting.
    this.#client.destroy();
  }

  /** @param {string} namespace @param {string} key */
  #key(namespace, key) {
    return `${this.#prefix}kv:${namespace}:${key}`;
  }

  /** Returns the keys of the sets with names and times. @param {string} namespace */
  #sets(namespace) {
    return [`${this.#prefix}names:${namespace}`, `${this.#prefix}times:${namespace}`];
  }

  /** @param {(string | Buffer)[]} command @returns {Promise<any>} */
  #ask(command) {
    return this.#client.sendCommand(command, AS_BYTES);
  }

  /**
   * Runs a script, which Redis may not know yet.
   * @param {{ text: string, hash: string }} script
   * @param {string[]} keys
   * @param {(string | Buffer)[]} values
   * @returns {Promise<unknown>}
   */
  async #run({ text, hash }, keys, values) {
    const given = [String(keys.length), ...keys, ...values];
    try {
      return await this.#ask(["EVALSHA", hash, ...given]);
    } catch (error) {
      if (!String(error).includes("NOSCRIPT")) throw error;
      return this.#ask(["EVAL", text, ...given]);
    }
  }

  /** Returns a setting of Redis; undefined if it is not shown to us. @param {string} name */
  async #setting(name) {
    const shown = this.#client.sendCommand(["CONFIG", "GET", name]).catch(() => []);
    const found = /** @type {unknown} */ (await shown);
    if (Array.isArray(found)) return found[1] === undefined ? undefined : String(found[1]);
    return Object.values(/** @type {Record<string, string>} */ (found))[0];
  }

  async #sweep() {
    for (const namespace of this.#namespaces) {
      const values = [this.#key(namespace, ""), String(SWEEP_NAMES)];
      let removed = SWEEP_NAMES;
      while (removed === SWEEP_NAMES) {
        // Names of expired values are never listed, so the next sweep is early enough.
        const swept = await this.#run(SWEEP, this.#sets(namespace), values).catch(() => 0);
        removed = Number(swept);
      }
    }
  }
}
