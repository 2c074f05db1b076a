/** Stores keys and values in an SQLite file, with Node's own SQLite. */
import { DatabaseSync } from "node:sqlite";

/** @import { Entry, Store } from "./service.mjs" */

/** Version of the file's format. */
const VERSION = 1;

/** Interval between two deletions of what has expired, in milliseconds. */
const SWEEP_EVERY_MS = 60_000;

/** Maximum number of rows deleted at once: reads wait meanwhile. */
const SWEEP_ROWS = 1_000;

/** Largest byte. No byte of UTF-8 is as large, so a prefix with it sorts after every key with that prefix. */
const LAST = Buffer.from([0xff]);

/** @typedef {{ key: Uint8Array, value: Uint8Array, metadata: string, expires: number | null }} Row */
/** @typedef {{ run: () => void, resolve: () => void, reject: (error: unknown) => void }} Write */

/** @implements {Store} */
export class SqliteStore {
  #database;
  #statements;
  /** @type {Write[]} writes of the next transaction */
  #waiting = [];
  #sweeper;

  /** @param {string} file created if it is missing */
  constructor(file) {
    const database = new DatabaseSync(file);
    // A write is on the disk before it is acknowledged.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    const { user_version: version } = /** @type {any} */ (
      database.prepare("PRAGMA user_version").get()
    );
    if (version > VERSION)
      throw new Error(`${file} was written by a newer release. Use that release, or another file.`);
    database.exec(`
      CREATE TABLE IF NOT EXISTS entries (
        namespace TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, metadata TEXT NOT NULL, expires INTEGER,
        PRIMARY KEY (namespace, key)
      );
      CREATE INDEX IF NOT EXISTS expiry ON entries (expires) WHERE expires IS NOT NULL;
      PRAGMA user_version = ${VERSION};
    `);
    this.#database = database;
    const live = "(expires IS NULL OR expires > :now)";
    this.#statements = {
      get: database.prepare(
        `SELECT value, metadata FROM entries WHERE namespace = :namespace AND key = :key AND ${live}`,
      ),
      put: database.prepare(
        "INSERT OR REPLACE INTO entries VALUES (:namespace, :key, :value, :metadata, :expires)",
      ),
      delete: database.prepare("DELETE FROM entries WHERE namespace = :namespace AND key = :key"),
      list: database.prepare(
        `SELECT key, metadata, expires FROM entries
         WHERE namespace = :namespace AND key >= :first AND key > :after AND key < :end AND ${live}
         ORDER BY key LIMIT :limit`,
      ),
      sweep: database.prepare(
        `DELETE FROM entries WHERE rowid IN
         (SELECT rowid FROM entries WHERE expires <= :now LIMIT ${SWEEP_ROWS})`,
      ),
    };
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref();
  }

  /** @param {string} namespace @param {string} key */
  async get(namespace, key) {
    const found = this.#statements.get.get({ namespace, key: Buffer.from(key), now: Date.now() });
    if (!found) return null;
    const { value, metadata } = /** @type {Row} */ (/** @type {unknown} */ (found));
    return { value: Buffer.from(value), metadata };
  }

  /** @param {string} namespace @param {string} key @param {Entry} entry */
  put(namespace, key, { value, metadata, expires }) {
    const row = { namespace, key: Buffer.from(key), value, metadata, expires };
    return this.#write(() => void this.#statements.put.run(row));
  }

  /** @param {string} namespace @param {string} key */
  delete(namespace, key) {
    const row = { namespace, key: Buffer.from(key) };
    return this.#write(() => void this.#statements.delete.run(row));
  }

  /** @param {string} namespace @param {string} prefix @param {string | null} after @param {number} limit */
  async list(namespace, prefix, after, limit) {
    const first = Buffer.from(prefix);
    const rows = /** @type {Row[]} */ (
      /** @type {unknown} */ (
        this.#statements.list.all({
          namespace,
          first,
          after: Buffer.from(after ?? ""),
          end: Buffer.concat([first, LAST]),
          now: Date.now(),
          limit: limit + 1,
        })
      )
    );
    const keys = rows.slice(0, limit).map(({ key, metadata, expires }) => ({
      name: Buffer.from(key).toString(),
      metadata,
      expires,
    }));
    return { keys, last: rows.length > limit ? (keys.at(-1)?.name ?? null) : null };
  }

  async close() {
    clearInterval(this.#sweeper);
    this.#commit();
    this.#database.close();
  }

  /**
   * Adds a write to the next transaction. Writes that arrive together share one flush of the disk.
   * @param {() => void} run
   * @returns {Promise<void>}
   */
  #write(run) {
    if (this.#waiting.length === 0) setImmediate(() => this.#commit());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run, resolve, reject });
    });
  }

  #commit() {
    const writes = this.#waiting;
    this.#waiting = [];
    if (writes.length === 0) return;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { run } of writes) run();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      for (const { reject } of writes) reject(error);
      return;
    }
    for (const { resolve } of writes) resolve();
  }

  #sweep() {
    try {
      const { changes } = this.#statements.sweep.run({ now: Date.now() });
      if (Number(changes) === SWEEP_ROWS)
        setImmediate(() => this.#database.isOpen && this.#sweep());
    } catch {
      // Expired entries are never returned, so the next sweep is early enough.
    }
  }
}
