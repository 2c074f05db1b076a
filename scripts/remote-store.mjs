/** Reads and writes keys of the deployment by wrangler's command line, which signs in. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Fault } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

/** @implements {Pick<import("./tenant-store.mjs").Place, keyof RemotePlace>} */
export class RemotePlace {
  #config;

  /** @param {string} config the file with the deployment's settings */
  constructor(config) {
    this.#config = config;
  }

  /** @param {{ binding: string }} settings */
  namespace({ binding }) {
    return new RemoteNamespace((args) =>
      this.#wrangler(["kv", "key", ...args, "--binding", binding]),
    );
  }

  /**
   * Runs statements, one call each: while the platform imports a file, the database is unavailable.
   * @param {{ binding: string }} settings
   */
  database({ binding }) {
    return async (/** @type {string} */ statement) => {
      const args = ["d1", "execute", binding, "--yes", "--json", "--command", statement];
      const { isGood, stdout, output } = this.#wrangler(args);
      if (!isGood) throw new Error(output);
      return JSON.parse(stdout.slice(stdout.indexOf("[")))[0].results;
    };
  }

  async close() {}

  /** @param {string[]} args */
  #wrangler(args) {
    const all = [WRANGLER, ...args, "--remote", "--config", this.#config];
    const { status, stdout, stderr } = spawnSync(NODE, all, {
      cwd: ROOT,
      encoding: "utf8",
      maxBuffer: 64 * 2 ** 20,
    });
    return { isGood: status === 0, stdout, output: stdout + stderr };
  }
}

/** @implements {Pick<import("./tenant-store.mjs").Keys, keyof RemoteNamespace>} */
class RemoteNamespace {
  #kv;

  /** @param {(args: string[]) => { isGood: boolean, stdout: string, output: string }} kv */
  constructor(kv) {
    this.#kv = kv;
  }

  /**
   * @param {string} key
   * @returns {Promise<string | null>}
   */
  async get(key) {
    const { isGood, stdout, output } = this.#kv(["get", key, "--text"]);
    if (isGood && stdout.trim() !== "Value not found") return stdout.trimEnd();
    if (isGood || /not found|404/i.test(output)) return null;
    throw new Fault(`${key} could not be read: ${output}`);
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async put(key, value) {
    withFile(value, (file) => {
      const { isGood, output } = this.#kv(["put", key, "--path", file]);
      if (!isGood) throw new Fault(`${key} could not be stored: ${output}`);
    });
  }

  /** @param {string} key */
  async delete(key) {
    const { isGood, output } = this.#kv(["delete", key]);
    if (!isGood) throw new Fault(`${key} could not be deleted: ${output}`);
  }

  /** @param {string} prefix */
  async names(prefix) {
    const { isGood, stdout, output } = this.#kv(["list", "--prefix", prefix]);
    if (!isGood) throw new Fault(`The namespace could not be listed: ${output}`);
    /** @type {{ name: string }[]} */
    const listed = JSON.parse(stdout.slice(stdout.indexOf("[")));
    return listed.map(({ name }) => name);
  }
}

/**
 * Passes a long text in a file, because it does not fit a command line.
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
