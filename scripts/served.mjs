/** The Worker under `wrangler dev`, quietly, without reaching out to the network. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_LOG: "warn",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_SEND_METRICS: "false",
};

/** How long the development server may take to answer. */
const PATIENCE_MS = 60_000;

export class Served {
  #url;
  #child;
  #exit;

  /**
   * @param {number} port
   * @param {string[]} origins
   * @param {Record<string, string>} [vars]
   */
  constructor(port, origins, vars = {}) {
    this.#url = `http://127.0.0.1:${port}/_session/healthz`;
    const wrangler = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
    const settings = Object.entries({ ORIGINS: origins.join(","), ...vars });
    const args = ["dev", "--port", String(port)];
    for (const [name, value] of settings) args.push("--var", `${name}:${value}`);
    const bin = path.join(ROOT, "node_modules/.bin");
    const env = { ...process.env, ...QUIET, PATH: `${bin}:${process.env.PATH}` };
    // A group of its own, so that wrangler's children end with it.
    /** @type {import("node:child_process").SpawnOptions} */
    const options = { cwd: ROOT, env, detached: true, stdio: ["ignore", "inherit", "inherit"] };
    this.#child = spawn(NODE, ["--no-warnings", wrangler, ...args], options);
    this.#exit = once(this.#child, "exit");
  }

  async ready() {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      if (this.#child.exitCode !== null) break;
      const response = await fetch(this.#url).catch(() => null);
      if (response?.ok) return;
      await pause(200);
    }
    throw new Fault("The development server did not come up; its messages above say why.");
  }

  /** @returns {Promise<number>} */
  async ended() {
    const [code] = await this.#exit;
    return code ?? 0;
  }

  stop() {
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null) return;
    try {
      process.kill(-pid, "SIGTERM");
    } catch {
      // Already gone.
    }
  }
}
