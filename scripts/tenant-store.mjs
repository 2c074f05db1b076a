/** Opens the store of tenants' documents and users' accounts: a KV namespace or D1 table, local or deployed. */
import path from "node:path";
import { LocalPlace, wrangler } from "./local-store.mjs";
import { Fault } from "./progress.mjs";
import { RemotePlace } from "./remote-store.mjs";
import { ROOT } from "./setup.mjs";

/** D1 accepts statements of up to 100 KB; longer texts are concatenated in the database. */
const LONGEST_PIECE = 90_000;

/** A key of the right form, which signs nothing. */
export const STAND_IN = "A".repeat(43);

/** Options that select the store, the same for every command. @type {import("node:util").ParseArgsConfig["options"] & {}} */
export const STORE_OPTIONS = {
  remote: { type: "boolean", default: false },
  "persist-to": { type: "string" },
  config: { type: "string", default: path.join(ROOT, "wrangler.toml") },
};

/** The part of wrangler.toml that matters here.
 * @typedef {object} Config
 * @property {string} [compatibility_date]
 * @property {Record<string, unknown>} vars
 * @property {{ binding: string, id?: string }[]} kv_namespaces
 * @property {{ binding: string }[]} d1_databases
 * @property {{ bindings: { name: string }[] }} durable_objects
 */

/**
 * Keys and their values.
 * @typedef {object} Keys
 * @property {(key: string) => Promise<string | null>} get
 * @property {(key: string, value: string) => Promise<void>} put
 * @property {(key: string) => Promise<void>} delete
 * @property {(prefix: string) => Promise<string[]>} names
 */

/**
 * A machine with namespaces and databases.
 * @typedef {object} Place
 * @property {(settings: { binding: string, id?: string }) => Keys} namespace
 * @property {(settings: { binding: string }) => Execute} database
 * @property {() => Promise<void>} close
 */

/** @typedef {(statement: string) => Promise<Record<string, string>[]>} Execute the rows of a statement */

/** @typedef {Keys & { bindings: () => Record<string, unknown>, close: () => Promise<void> }} Store */

/**
 * Opens the first of these bindings that the deployment has. If it has none, every call fails with the name of
 * the first. Starts no runtime before the first call.
 * @param {Record<string, unknown>} options by `STORE_OPTIONS`
 * @param {string[]} bindings
 * @returns {Store}
 */
export function openStore(options, bindings) {
  const file = String(options.config);
  /** @type {Config} */
  const config = wrangler().unstable_readConfig({ config: file });
  const state = String(options["persist-to"] ?? path.join(path.dirname(file), ".wrangler/state"));
  const place = options.remote
    ? new RemotePlace(file)
    : new LocalPlace(state, config.compatibility_date);
  return {
    ...keysOf(config, place, bindings),
    bindings: () => bindingsOf(config),
    close: () => place.close(),
  };
}

/**
 * @param {Config} config
 * @param {Place} place
 * @param {string[]} bindings
 * @returns {Keys}
 */
function keysOf(config, place, bindings) {
  for (const name of bindings) {
    const named = (/** @type {{ binding: string }} */ { binding }) => binding === name;
    const namespace = config.kv_namespaces.find(named);
    if (namespace) return methodsOf(place.namespace(namespace));
    const database = config.d1_databases.find(named);
    if (database) return methodsOf(new Table(name, place.database(database)));
  }
  const missing = async () => {
    throw new Fault(
      `The namespace ${bindings[0]} is not bound. Create it with "npx wrangler kv namespace create ${bindings[0]}" and put its id into wrangler.toml.`,
    );
  };
  return { get: missing, put: missing, delete: missing, names: missing };
}

/** @param {Keys} keys @returns {Keys} */
function methodsOf(keys) {
  return {
    get: (key) => keys.get(key),
    put: (key, value) => keys.put(key, value),
    delete: (key) => keys.delete(key),
    names: (prefix) => keys.names(prefix),
  };
}

/**
 * Returns variables with their values, and other bindings as `true`.
 * @param {Config} config
 * @returns {Record<string, unknown>}
 */
function bindingsOf({ vars, kv_namespaces, durable_objects }) {
  const names = [
    ...kv_namespaces.map(({ binding }) => binding),
    ...durable_objects.bindings.map(({ name }) => name),
  ];
  return {
    ...vars,
    SESSION_KEYS: STAND_IN,
    TENANTS: true,
    ...Object.fromEntries(names.map((name) => [name, true])),
  };
}

/** Keys in a table. wrangler supports no bound parameters, so values are in the statement. */
class Table {
  #binding;
  #database;

  /**
   * @param {string} binding
   * @param {Execute} database
   */
  constructor(binding, database) {
    this.#binding = binding;
    this.#database = database;
  }

  /** @param {string} statement */
  async #execute(statement) {
    try {
      return await this.#database(statement);
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      if (!/no such table/.test(message)) {
        throw new Fault(`The database failed: ${message}`);
      }
      const table = "CREATE TABLE tenants (key TEXT PRIMARY KEY, value TEXT NOT NULL)";
      throw new Fault(
        `The database has no table yet. Create it with: npx wrangler d1 execute ${this.#binding} --command "${table}"`,
      );
    }
  }

  /**
   * @param {string} key
   * @returns {Promise<string | null>}
   */
  async get(key) {
    const rows = await this.#execute(`SELECT value FROM tenants WHERE key = ${quoted(key)}`);
    return rows.length > 0 ? rows[0].value : null;
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async put(key, value) {
    const pieces = value.match(new RegExp(`.{1,${LONGEST_PIECE}}`, "gsu")) ?? [""];
    const [first, ...more] = pieces.map(quoted);
    await this.#execute(
      `INSERT OR REPLACE INTO tenants (key, value) VALUES (${quoted(key)}, ${first})`,
    );
    for (const piece of more) {
      await this.#execute(
        `UPDATE tenants SET value = value || ${piece} WHERE key = ${quoted(key)}`,
      );
    }
  }

  /** @param {string} key */
  async delete(key) {
    await this.#execute(`DELETE FROM tenants WHERE key = ${quoted(key)}`);
  }

  /** @param {string} prefix */
  async names(prefix) {
    const begins = `substr(key, 1, ${prefix.length}) = ${quoted(prefix)}`;
    const rows = await this.#execute(`SELECT key FROM tenants WHERE ${begins} ORDER BY key`);
    return rows.map(({ key }) => key);
  }
}

/** Quotes a text for SQL. @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}
