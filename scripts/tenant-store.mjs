/** Where tenants' documents are kept, by wrangler: a KV namespace, or a D1 table. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

/** A key of the right form; nothing is signed with it. */
export const STAND_IN = "A".repeat(43);

/** D1 takes statements of up to 100 KB; a longer text is put together there. */
const LONGEST_PIECE = 90_000;

/**
 * What is bound: the namespace TENANTS, or else the database TENANTS_DB.
 * @param {string} config
 * @param {boolean} remote
 * @param {string} [folder] where the development server keeps its state, if not where it always does
 * @returns {Promise<Store>}
 */
export async function openStore(config, remote, folder) {
  const { unstable_readConfig } = await import("wrangler");
  const { kv_namespaces, d1_databases } = unstable_readConfig({ config });
  const isBound = (/** @type {{ binding: string }[]} */ list, /** @type {string} */ name) =>
    list.some(({ binding }) => binding === name);
  const isTable = !isBound(kv_namespaces, "TENANTS") && isBound(d1_databases, "TENANTS_DB");
  return new (isTable ? Table : Store)(config, remote, folder);
}

export class Store {
  #config;
  #where;

  /**
   * @param {string} config
   * @param {boolean} remote
   * @param {string} [folder] where the development server keeps its state, if not where it always does
   */
  constructor(config, remote, folder) {
    this.#config = config;
    this.#where = remote ? ["--remote"] : ["--local"];
    if (folder) this.#where.push("--persist-to", folder);
  }

  /**
   * Variables as they are, and that everything else is bound.
   * @returns {Promise<Record<string, unknown>>}
   */
  async bindings() {
    const { unstable_readConfig } = await import("wrangler");
    /** @type {{ vars: Record<string, unknown>, kv_namespaces: { binding: string }[], durable_objects: { bindings: { name: string }[] } }} */
    const config = unstable_readConfig({ config: this.#config });
    const names = [
      ...config.kv_namespaces.map(({ binding }) => binding),
      ...config.durable_objects.bindings.map(({ name }) => name),
    ];
    return {
      ...config.vars,
      SESSION_KEYS: STAND_IN,
      TENANTS: true,
      ...Object.fromEntries(names.map((name) => [name, true])),
    };
  }

  /** @param {string[]} args */
  wrangler(args) {
    const all = [WRANGLER, ...args, ...this.#where, "--config", this.#config];
    const options = { cwd: ROOT, encoding: /** @type {const} */ ("utf8"), maxBuffer: 64 * 2 ** 20 };
    const { status, stdout, stderr } = spawnSync(NODE, all, options);
    return { isGood: status === 0, stdout, said: stdout + stderr };
  }

  /** @param {string[]} args */
  #kv(args) {
    const { isGood, stdout, said } = this.wrangler(["kv", "key", ...args, "--binding", "TENANTS"]);
    if (/No KV namespace with binding/.test(said)) {
      throw new Fault(
        "The namespace TENANTS is not bound. Make one with: npx wrangler kv namespace create TENANTS — and put it into wrangler.toml.",
      );
    }
    return { isGood, stdout, said };
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

/** The same in a D1 table; see docs/tenants.md. */
class Table extends Store {
  /**
   * @param {string[]} args
   * @returns {Record<string, string>[]} rows of the first statement
   */
  #execute(args) {
    const all = ["d1", "execute", "TENANTS_DB", "--json", "--yes", ...args];
    const { isGood, stdout, said } = this.wrangler(all);
    if (!isGood) throw new Fault(`The database TENANTS_DB refused: ${said}`);
    return JSON.parse(stdout.slice(stdout.indexOf("[")))[0].results;
  }

  /**
   * @override
   * @param {string} key
   */
  get(key) {
    const query = `SELECT value FROM tenants WHERE key = ${quoted(key)}`;
    return this.#execute(["--command", query])[0]?.value ?? null;
  }

  /**
   * @override
   * @param {string} key
   * @param {string} value
   */
  put(key, value) {
    const pieces = value.match(new RegExp(`.{1,${LONGEST_PIECE}}`, "gsu")) ?? [""];
    const [first, ...more] = pieces.map(quoted);
    const place = quoted(key);
    const statements = [
      `INSERT OR REPLACE INTO tenants (key, value) VALUES (${place}, ${first});`,
      ...more.map((piece) => `UPDATE tenants SET value = value || ${piece} WHERE key = ${place};`),
    ];
    withFile(statements.join("\n"), (file) => void this.#execute(["--file", file]));
  }

  /**
   * @override
   * @param {string} key
   */
  delete(key) {
    this.#execute(["--command", `DELETE FROM tenants WHERE key = ${quoted(key)}`]);
  }

  /**
   * @override
   * @param {string} prefix
   */
  names(prefix) {
    const begins = `substr(key, 1, ${prefix.length}) = ${quoted(prefix)}`;
    const query = `SELECT key FROM tenants WHERE ${begins} ORDER BY key`;
    return this.#execute(["--command", query]).map(({ key }) => key);
  }
}

/** @param {string} text */
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
    const file = path.join(folder, "value.sql");
    writeFileSync(file, text);
    act(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
