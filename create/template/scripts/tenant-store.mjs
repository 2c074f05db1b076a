/** Opens the store of tenants' documents and users' accounts: a KV namespace or D1 table, local or deployed. */
import { existsSync } from "node:fs";
import path from "node:path";
import { LocalPlace, wrangler } from "./local-store.mjs";
import { near } from "./nearest.mjs";
import { ROOT } from "./places.mjs";
import { Fault } from "./progress.mjs";
import { RemotePlace } from "./remote-store.mjs";

/** D1 accepts statements of up to 100 KB; longer texts are concatenated in the database. */
const LONGEST_PIECE = 90_000;

/** A key of the right form, which signs nothing. */
export const STAND_IN = "A".repeat(43);

/** Options that select the store, the same for every command. @type {Record<string, import("./command-line.mjs").Option>} */
export const STORE_OPTIONS = {
  remote: {
    type: "boolean",
    orValue: /^https?:\/\//,
    takes: "a URL, such as https://chat.example, or nothing",
    read: (text) => (URL.canParse(text) ? text : undefined),
  },
  env: { type: "string", takes: "the name of an environment in wrangler.toml" },
  "persist-to": { type: "string", takes: "the folder of the development server's storage" },
  config: { type: "string", takes: "a file like wrangler.toml" },
};

/** Describes these options. */
export const STORE_USAGE = `  --remote         the deployment's store, with wrangler's sign-in, in place of this machine's
  --remote URL     the Worker at this URL, by its admin API, with its ADMIN_TOKEN from the environment or asked for
  --env NAME       an environment of wrangler.toml, such as staging
  --config FILE    a file in place of wrangler.toml
  --persist-to DIR the development server's storage, .wrangler/state by default
  --help           prints this text`;

/** The part of wrangler.toml that matters here.
 * @typedef {object} Config
 * @property {string} [name]
 * @property {string} [account_id]
 * @property {string} [compatibility_date]
 * @property {Record<string, unknown>} vars
 * @property {{ binding: string, id?: string }[]} kv_namespaces
 * @property {{ binding: string, database_id?: string }[]} d1_databases
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
 * @property {(settings: { binding: string, database_id?: string }) => Execute} database
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
  const file = path.resolve(String(options.config ?? path.join(ROOT, "wrangler.toml")));
  const config = readConfig(file, options.env);
  const state = String(options["persist-to"] ?? path.join(path.dirname(file), ".wrangler/state"));
  const place = options.remote
    ? new RemotePlace(config)
    : new LocalPlace(state, config.compatibility_date);
  return {
    ...keysOf(config, place, bindings),
    bindings: () => bindingsOf(config),
    close: () => place.close(),
  };
}

/**
 * Reads a file like wrangler.toml.
 * @param {string} file
 * @param {unknown} env
 * @returns {Config}
 */
export function readConfig(file, env) {
  if (!existsSync(file)) throw new Fault(`There is no file ${file}.`);
  const read = (/** @type {any} */ named) => {
    try {
      return /** @type {any} */ (wrangler().unstable_readConfig({ config: file, ...named }));
    } catch (error) {
      throw new Fault(`wrangler cannot read ${file}: ${/** @type {Error} */ (error).message}`);
    }
  };
  if (!env) return read({});
  mustBeKnown(String(env), file, read({}).definedEnvironments ?? []);
  return read({ env });
}

/**
 * @param {string} env
 * @param {string} file
 * @param {string[]} known
 */
function mustBeKnown(env, file, known) {
  if (known.includes(env)) return;
  const meant = near(env, known);
  const has = known.length > 0 ? `It has: ${known.join(", ")}.` : "It has none.";
  const cure = meant ? `Did you mean ${meant}?` : has;
  throw new Fault(`${path.basename(file)} has no environment ${env}. ${cure}`);
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
      `The namespace ${bindings[0]} is not bound. Add it to wrangler.toml: [[kv_namespaces]] with binding = "${bindings[0]}". The next deployment creates it.`,
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
