/** Reads and writes keys of the deployment by Cloudflare's API. */
import { CloudflareAccount } from "./cloudflare-account.mjs";
import { Fault } from "./progress.mjs";

/** Maximum number of names in a page of a list. */
const PAGE = 1000;

/** @implements {Pick<import("./tenant-store.mjs").Place, keyof RemotePlace>} */
export class RemotePlace {
  #account;

  /** @param {import("./tenant-store.mjs").Config} config */
  constructor(config) {
    this.#account = new CloudflareAccount(config);
  }

  /** @param {{ binding: string, id?: string }} settings */
  namespace({ binding, id }) {
    return new RemoteNamespace(this.#account, async () => {
      const found = id ?? (await this.#account.binding(binding))?.namespace_id;
      return idOf(found, `the namespace ${binding}`);
    });
  }

  /**
   * Runs statements, one call each: while the platform imports a file, the database is unavailable.
   * @param {{ binding: string, database_id?: string }} settings
   */
  database({ binding, database_id: id }) {
    return async (/** @type {string} */ sql) => {
      const found = id ?? (await this.#account.binding(binding))?.id;
      const path = `/d1/database/${idOf(found, `the database ${binding}`)}/query`;
      const response = await this.#account.call("POST", path, { json: { sql } });
      const { result } = /** @type {any} */ (await response.json());
      return result[0].results;
    };
  }

  async close() {}
}

/**
 * @param {string | undefined} id
 * @param {string} what
 */
function idOf(id, what) {
  if (id === undefined)
    throw new Fault(`The deployment has not created ${what} yet. Run npm run deploy first.`);
  return id;
}

/** @implements {Pick<import("./tenant-store.mjs").Keys, keyof RemoteNamespace>} */
class RemoteNamespace {
  #account;
  #find;
  /** @type {Promise<string> | undefined} */
  #id;

  /**
   * @param {CloudflareAccount} account
   * @param {() => Promise<string>} find returns the namespace's id
   */
  constructor(account, find) {
    this.#account = account;
    this.#find = find;
  }

  /**
   * @param {string} key
   * @returns {Promise<string | null>}
   */
  async get(key) {
    return this.#account.textOrNull(await this.#value(key));
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async put(key, value) {
    await this.#account.call("PUT", await this.#value(key), { body: value });
  }

  /** @param {string} key */
  async delete(key) {
    await this.#account.call("DELETE", await this.#value(key));
  }

  /** @param {string} prefix */
  async names(prefix) {
    /** @type {string[]} */
    const names = [];
    let cursor = "";
    do {
      const query = new URLSearchParams({ prefix, limit: String(PAGE), ...(cursor && { cursor }) });
      const response = await this.#account.call("GET", `${await this.#path()}/keys?${query}`);
      const { result, result_info: info } = /** @type {any} */ (await response.json());
      names.push(...result.map((/** @type {{ name: string }} */ { name }) => name));
      cursor = info?.cursor ?? "";
    } while (cursor);
    return names;
  }

  async #path() {
    this.#id ??= this.#find();
    return `/storage/kv/namespaces/${await this.#id}`;
  }

  /** @param {string} key */
  async #value(key) {
    return `${await this.#path()}/values/${encodeURIComponent(key)}`;
  }
}
