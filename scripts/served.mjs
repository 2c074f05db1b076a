/** Runs the Worker under `wrangler dev`, without wrangler's own output and without network access. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { NODE, ROOT, WRANGLER } from "./places.mjs";
import { Fault, print } from "./progress.mjs";

const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_HIDE_BANNER: "true",
  // The Worker logs at this level; a lower one would hide its lines.
  WRANGLER_LOG: "log",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_SEND_METRICS: "false",
  // The compiler writes to wrangler, not to the terminal.
  ...(process.stdout.isTTY && { CARGO_TERM_COLOR: "always" }),
};

/** Prefix of what a build prints that wrangler starts after a change. */
const BUILD = "[custom build] ";

const SUPERVISED = path.join(ROOT, "scripts/supervised.mjs");

/** Maximum time for the development server to respond, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Maximum number of wrangler's lines kept, to print if it does not start. */
const MAX_KEPT_LINES = 200;

export class Served {
  /** Prefix of the reserved paths. */
  prefix;
  #url;
  #child;
  #exit;
  /** @type {string[]} wrangler's last lines */
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
    const settings = Object.entries({ ORIGINS: origins.join(","), ...vars });
    // Else two at once may choose the same port for V8's inspector.
    const args = ["dev", "--port", String(port), "--inspector-port", "0"];
    for (const [name, value] of settings) args.push("--var", `${name}:${value}`);
    const bin = path.join(ROOT, "node_modules/.bin");
    const env = { ...process.env, ...QUIET, PATH: `${bin}:${process.env.PATH}` };
    // The supervisor detects by this channel that this process is gone.
    this.#child = spawn(NODE, [SUPERVISED, NODE, "--no-warnings", WRANGLER, ...args], {
      cwd: ROOT,
      env,
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    this.#exit = once(this.#child, "exit");
    const lines = createInterface({ input: /** @type {any} */ (this.#child.stdout) });
    lines.on("line", (line) => this.#onLine(line, showsLog));
  }

  /**
   * Prints a line of the Worker or of a build, or a warning, and keeps wrangler's other lines.
   * @param {string} line
   * @param {boolean} showsLog
   */
  #onLine(line, showsLog) {
    if (line.startsWith(BUILD)) return this.#onBuildLine(line.slice(BUILD.length));
    const isLog = line.startsWith("{");
    if (isLog ? showsLog : /✘|▲|\[wrangler:(?:warn|error)\]/.test(line)) print(line);
    if (isLog) return;
    this.#chatter.push(line);
    if (this.#chatter.length > MAX_KEPT_LINES) this.#chatter.shift();
  }

  /** @param {string} line */
  #onBuildLine(line) {
    if (line.startsWith("Running: ")) return;
    print(line);
  }

  async ready() {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      if (this.#child.exitCode !== null) break;
      const response = await fetch(this.#url).catch(() => null);
      if (response?.ok) return;
      await pause(200);
    }
    for (const line of this.#chatter) print(line);
    throw new Fault("The development server did not start. Its messages are above.");
  }

  /** @returns {Promise<number>} */
  async ended() {
    const [code] = await this.#exit;
    return code ?? 0;
  }

  /** Ends wrangler and everything that it started. */
  stop() {
    if (this.#child.exitCode === null) this.#child.kill("SIGTERM");
  }
}

/** Returns the prefix of wrangler.toml, or the default. */
function configuredPrefix() {
  const configuration = readFileSync(path.join(ROOT, "wrangler.toml"), "utf8");
  return configuration.match(/^PREFIX = "(.+)"/m)?.[1] ?? "/_session";
}
