/** The Worker under `wrangler dev`, without wrangler's own chatter and without reaching out to the network. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { Fault, say } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_HIDE_BANNER: "true",
  // The Worker's own lines are of this level; below it wrangler hides them.
  WRANGLER_LOG: "log",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_SEND_METRICS: "false",
};

const SUPERVISED = path.join(ROOT, "scripts/supervised.mjs");

/** How long the development server may take to answer. */
const PATIENCE_MS = 60_000;

/** How many of wrangler's lines are kept, to be shown if it does not come up. */
const MAX_KEPT_LINES = 200;

export class Served {
  /** Where the reserved paths are. */
  prefix;
  #url;
  #child;
  #exit;
  /** @type {string[]} what wrangler said last */
  #chatter = [];

  /**
   * @param {number} port
   * @param {string[]} origins
   * @param {Record<string, string>} [vars]
   * @param {{ showsLog?: boolean }} [options] whether the Worker's log lines are shown
   */
  constructor(port, origins, vars = {}, { showsLog = false } = {}) {
    this.prefix = vars.PREFIX ?? configuredPrefix();
    this.#url = `http://127.0.0.1:${port}${this.prefix}/healthz`;
    const wrangler = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
    const settings = Object.entries({ ORIGINS: origins.join(","), ...vars });
    const args = ["dev", "--port", String(port)];
    for (const [name, value] of settings) args.push("--var", `${name}:${value}`);
    const bin = path.join(ROOT, "node_modules/.bin");
    const env = { ...process.env, ...QUIET, PATH: `${bin}:${process.env.PATH}` };
    // The channel is how the supervisor notices that we are gone.
    this.#child = spawn(NODE, [SUPERVISED, NODE, "--no-warnings", wrangler, ...args], {
      cwd: ROOT,
      env,
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    this.#exit = once(this.#child, "exit");
    const lines = createInterface({ input: /** @type {any} */ (this.#child.stdout) });
    lines.on("line", (line) => this.#heard(line, showsLog));
  }

  /**
   * Shows a line that is the Worker's or that warns, and keeps wrangler's others.
   * @param {string} line
   * @param {boolean} showsLog
   */
  #heard(line, showsLog) {
    const isLog = line.startsWith("{");
    if (isLog ? showsLog : /✘|▲|\[wrangler:(?:warn|error)\]/.test(line)) say(line);
    if (isLog) return;
    this.#chatter.push(line);
    if (this.#chatter.length > MAX_KEPT_LINES) this.#chatter.shift();
  }

  async ready() {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      if (this.#child.exitCode !== null) break;
      const response = await fetch(this.#url).catch(() => null);
      if (response?.ok) return;
      await pause(200);
    }
    for (const line of this.#chatter) say(line);
    throw new Fault("The development server did not come up; its messages above say why.");
  }

  /** @returns {Promise<number>} */
  async ended() {
    const [code] = await this.#exit;
    return code ?? 0;
  }

  /** Ends it and everything it started. */
  stop() {
    if (this.#child.exitCode === null) this.#child.kill("SIGTERM");
  }
}

/** The prefix that wrangler.toml sets, or the default. */
function configuredPrefix() {
  const configuration = readFileSync(path.join(ROOT, "wrangler.toml"), "utf8");
  return configuration.match(/^PREFIX = "(.+)"/m)?.[1] ?? "/_session";
}
