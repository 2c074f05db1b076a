/**
 * Reads and writes keys of this machine's development server. wrangler's command line would start a runtime for
 * each key; here one runtime serves a whole command.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault } from "./progress.mjs";

/** @typedef {import("wrangler").PlatformProxy<any>} Proxy */

/** @implements {Pick<import("./tenant-store.mjs").Place, keyof LocalPlace>} */
export class LocalPlace {
  #state;
  #date;
  /** @type {Promise<Proxy> | undefined} */
  #proxy;

  /**
   * @param {string} state the folder of the development server's storage
   * @param {string | undefined} date the deployment's compatibility date
   */
  constructor(state, date) {
    this.#state = state;
    this.#date = date;
  }

  /** @param {{ binding: string, id?: string }} settings */
  namespace({ binding, id }) {
    return new LocalNamespace(() => this.#bound(binding, { kv_namespaces: [{ binding, id }] }));
  }

  /** Runs statements. @param {{ binding: string }} settings */
  database(settings) {
    return async (/** @type {string} */ statement) => {
      const database = await this.#bound(settings.binding, { d1_databases: [settings] });
      const { results } = await database.prepare(statement).all();
      return results;
    };
  }

  async close() {
    await (await this.#proxy)?.dispose();
  }

  /**
   * Starts the runtime with this binding alone; otherwise it would create all bindings of the deployment.
   * @param {string} binding
   * @param {object} bindings
   * @returns {Promise<any>}
   */
  async #bound(binding, bindings) {
    this.#proxy ??= start(this.#state, { compatibility_date: this.#date, ...bindings });
    return (await this.#proxy).env[binding];
  }
}

/**
 * Loads wrangler once it is installed. An `import` would parse it twice, first for the names of its
 * exports.
 * @returns {typeof import("wrangler")}
 */
export function wrangler() {
  return createRequire(import.meta.url)("wrangler");
}

/**
 * @param {string} state
 * @param {object} settings
 * @returns {Promise<Proxy>}
 */
async function start(state, settings) {
  // Otherwise it would fetch a sample `cf` object from the network.
  process.env.CLOUDFLARE_CF_FETCH_ENABLED ??= "false";
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenant-"));
  try {
    const configPath = path.join(folder, "wrangler.json");
    writeFileSync(configPath, JSON.stringify({ name: "vestibule", ...settings }));
    const persist = { path: path.join(state, "v3") };
    return await wrangler().getPlatformProxy({
      configPath,
      persist,
      envFiles: [],
      remoteBindings: false,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @implements {Pick<import("./tenant-store.mjs").Keys, keyof LocalNamespace>} */
class LocalNamespace {
  #namespace;

  /** @param {() => Promise<any>} namespace */
  constructor(namespace) {
    this.#namespace = namespace;
  }

  /** @param {string} key @returns {Promise<string | null>} */
  async get(key) {
    return this.#ask((namespace) => namespace.get(key), `${key} could not be read`);
  }

  /** @param {string} key @param {string} value */
  async put(key, value) {
    await this.#ask((namespace) => namespace.put(key, value), `${key} could not be stored`);
  }

  /** @param {string} key */
  async delete(key) {
    await this.#ask((namespace) => namespace.delete(key), `${key} could not be deleted`);
  }

  /** @param {string} prefix */
  async names(prefix) {
    /** @type {string[]} */
    const names = [];
    /** @type {string | undefined} */
    let cursor;
    do {
      const list = (/** @type {any} */ namespace) => namespace.list({ prefix, cursor });
      const page = await this.#ask(list, "The namespace could not be listed");
      names.push(...page.keys.map((/** @type {{ name: string }} */ { name }) => name));
      cursor = page.cursor;
    } while (cursor);
    return names;
  }

  /**
   * @param {(namespace: any) => Promise<any>} act
   * @param {string} failure
   */
  async #ask(act, failure) {
    try {
      return await act(await this.#namespace());
    } catch (error) {
      throw new Fault(`${failure}: ${/** @type {Error} */ (error).message}`);
    }
  }
}
