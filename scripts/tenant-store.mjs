/** Where tenants' documents and users' accounts are kept: a KV namespace or a D1 table, by wrangler. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

/** D1 takes statements of up to 100 KB; a longer text is put together there. */
const LONGEST_PIECE = 90_000;

/** A key of the right form; nothing is signed with it. */
export const STAND_IN = "A".repeat(43);

/** Which store is meant, as it is said on every command line. @type {import("node:util").ParseArgsConfig["options"] & {}} */
export const STORE_OPTIONS = {
  remote: { type: "boolean", default: false },
  "persist-to": { type: "string" },
  config: { type: "string", default: path.join(ROOT, "wrangler.toml") },
};

/** What wrangler.toml says, as far as it matters here.
 * @typedef {object} Config
 * @property {Record<string, unknown>} vars
 * @property {{ binding: string }[]} kv_namespaces
 * @property {{ binding: string }[]} d1_databases
 * @property {{ bindings: { name: string }[] }} durable_objects
 */

/** @typedef {KvStore | TableStore} Store */

/**
 * Opens the first of these bindings that the deployment has. If it has none, the first is taken, and
 * whatever is asked of it says that it is missing.
 * @param {Record<string, unknown>} options by `STORE_OPTIONS`
 * @param {string[]} bindings
 * @returns {Promise<Store>}
 */
export async function openStore(options, bindings) {
  const { unstable_readConfig } = await import("wrangler");
  const file = String(options.config);
  /** @type {Config} */
  const config = unstable_readConfig({ config: file });
  const where = options.remote ? ["--remote"] : ["--local"];
  if (options["persist-to"]) where.push("--persist-to", String(options["persist-to"]));
  where.push("--config", file);
  const has = (/** @type {{ binding: string }[]} */ list, /** @type {string} */ name) =>
    list.some(({ binding }) => binding === name);
  for (const name of bindings) {
    if (has(config.kv_namespaces, name)) return new KvStore(name, where, config);
    if (has(config.d1_databases, name)) return new TableStore(name, where, config);
  }
  return new KvStore(bindings[0], where, config);
}

class Deployment {
  #config;
  #where;

  /**
   * @param {string} binding
   * @param {string[]} where
   * @param {Config} config
   */
  constructor(binding, where, config) {
    this.binding = binding;
    this.#where = where;
    this.#config = config;
  }

  /**
   * Variables as they are, and that everything else is bound.
   * @returns {Record<string, unknown>}
   */
  bindings() {
    const { vars, kv_namespaces, durable_objects } = this.#config;
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

  /** @param {string[]} args */
  wrangler(args) {
    const all = [WRANGLER, ...args, ...this.#where];
    const { status, stdout, stderr } = spawnSync(NODE, all, {
      cwd: ROOT,
      encoding: "utf8",
      maxBuffer: 64 * 2 ** 20,
    });
    return { isGood: status === 0, stdout, said: stdout + stderr };
  }
}

class KvStore extends Deployment {
  /** @param {string[]} args */
  #kv(args) {
    const answer = this.wrangler(["kv", "key", ...args, "--binding", this.binding]);
    if (/No KV namespace with binding/.test(answer.said)) {
      throw new Fault(
        `The namespace ${this.binding} is not bound. Make one with: npx wrangler kv namespace create ${this.binding} — and put it into wrangler.toml.`,
      );
    }
    return answer;
  }

  /**
   * @param {string} key
   * @returns {string | null}
   */
  get(key) {
    const { isGood, stdout, said } = this.#kv(["get", key, "--text"]);
    if (isGood && stdout.trim() !== "Value not found") return stdout.trimEnd();
    if (isGood || /not found|404/i.test(said)) return null;
    throw new Fault(`${key} could not be read: ${said}`);
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  put(key, value) {
    withFile(value, (file) => {
      const { isGood, said } = this.#kv(["put", key, "--path", file]);
      if (!isGood) throw new Fault(`${key} could not be stored: ${said}`);
    });
  }

  /** @param {string} key */
  delete(key) {
    const { isGood, said } = this.#kv(["delete", key]);
    if (!isGood) throw new Fault(`${key} could not be deleted: ${said}`);
  }

  /** @param {string} prefix */
  names(prefix) {
    const { isGood, stdout, said } = this.#kv(["list", "--prefix", prefix]);
    if (!isGood) throw new Fault(`The namespace could not be listed: ${said}`);
    /** @type {{ name: string }[]} */
    const listed = JSON.parse(stdout.slice(stdout.indexOf("[")));
    return listed.map(({ name }) => name);
  }
}

class TableStore extends Deployment {
  /**
   * wrangler binds no parameters, so values are in the statement. Not in a file: while the platform
   * imports one, the database answers nobody.
   * @param {string} statement
   * @returns {Record<string, string>[]}
   */
  #execute(statement) {
    const args = ["d1", "execute", this.binding, "--yes", "--json", "--command", statement];
    const { isGood, stdout, said } = this.wrangler(args);
    if (/no such table/.test(said)) {
      const table = "CREATE TABLE tenants (key TEXT PRIMARY KEY, value TEXT NOT NULL)";
      throw new Fault(
        `The database has no table yet: npx wrangler d1 execute ${this.binding} --command "${table}"`,
      );
    }
    if (!isGood) throw new Fault(`The database did not obey: ${said}`);
    return JSON.parse(stdout.slice(stdout.indexOf("[")))[0].results;
  }

  /**
   * @param {string} key
   * @returns {string | null}
   */
  get(key) {
    const rows = this.#execute(`SELECT value FROM tenants WHERE key = ${quoted(key)}`);
    return rows.length > 0 ? rows[0].value : null;
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  put(key, value) {
    const pieces = value.match(new RegExp(`.{1,${LONGEST_PIECE}}`, "gsu")) ?? [""];
    const [first, ...more] = pieces.map(quoted);
    this.#execute(`INSERT OR REPLACE INTO tenants (key, value) VALUES (${quoted(key)}, ${first})`);
    for (const piece of more) {
      this.#execute(`UPDATE tenants SET value = value || ${piece} WHERE key = ${quoted(key)}`);
    }
  }

  /** @param {string} key */
  delete(key) {
    this.#execute(`DELETE FROM tenants WHERE key = ${quoted(key)}`);
  }

  /** @param {string} prefix */
  names(prefix) {
    const begins = `substr(key, 1, ${prefix.length}) = ${quoted(prefix)}`;
    const rows = this.#execute(`SELECT key FROM tenants WHERE ${begins} ORDER BY key`);
    return rows.map(({ key }) => key);
  }
}

/** As SQL text. @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * What is long does not fit a command line.
 * @param {string} text
 * @param {(file: string) => void} act
 */
function withFile(text, act) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenant-"));
  try {
    const file = path.join(folder, "value");
    writeFileSync(file, text);
    act(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
