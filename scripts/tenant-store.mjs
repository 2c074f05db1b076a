/** The KV namespace in which tenants' documents are kept, by wrangler. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

/** A key of the right form; nothing is signed with it. */
export const STAND_IN = "A".repeat(43);

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
  #kv(args) {
    const all = [WRANGLER, "kv", "key", ...args];
    all.push("--binding", "TENANTS", ...this.#where, "--config", this.#config);
    const { status, stdout, stderr } = spawnSync(NODE, all, { cwd: ROOT, encoding: "utf8" });
    const said = stdout + stderr;
    if (/No KV namespace with binding/.test(said)) {
      throw new Fault(
        "The namespace TENANTS is not bound. Make one with: npx wrangler kv namespace create TENANTS — and put it into wrangler.toml.",
      );
    }
    return { isGood: status === 0, stdout, said };
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
    const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenant-"));
    try {
      const file = path.join(folder, "value");
      writeFileSync(file, value);
      const { isGood, said } = this.#kv(["put", key, "--path", file]);
      if (!isGood) throw new Fault(`${key} could not be stored: ${said}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
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
