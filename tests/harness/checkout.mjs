/** Runs commands as a person types them, in a temporary checkout. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { until } from "./until.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Folders linked into the checkout, so that nothing is installed or built again. */
const LENT = ["node_modules", "target"];

/** Maximum time for a command to end by itself, in milliseconds. */
const GRACE_MS = 5_000;

/**
 * Variables of Node and npm that a person's shell may have. Without those of the network, npm reaches no registry behind
 * a proxy with its own certificate.
 */
const KEPT =
  /^(?:NODE_COMPILE_CACHE|NODE_EXTRA_CA_CERTS|npm_config_(?:cafile|registry|proxy|https_proxy|noproxy))$/i;

export class Checkout {
  folder = mkdtempSync(path.join(tmpdir(), "vestibule-checkout-"));
  /** @type {Set<Command>} */
  #running = new Set();
  #env;

  /** @param {Record<string, string>} env in addition to this process's own */
  constructor(env) {
    // Without the variables that the test runner and npm set for their children.
    const isTold = (/** @type {string} */ name) => /^(?:NODE_|npm_)/.test(name) && !KEPT.test(name);
    const inherited = Object.entries(process.env).filter(([name]) => !isTold(name));
    this.#env = { ...Object.fromEntries(inherited), ...env };
  }

  /**
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {Record<string, string>} [env]
   */
  static make(t, env = {}) {
    const checkout = new Checkout(env);
    t.after(() => checkout.#remove());
    const { stdout } = spawnSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" });
    const tracked = stdout.split("\0").filter(Boolean);
    assert.ok(tracked.length > 0, "the tracked files");
    for (const file of tracked) {
      const copy = path.join(checkout.folder, file);
      cpSync(path.join(ROOT, file), copy, { preserveTimestamps: true });
    }
    // A build is current if it is newer than every source and folder, as in the real checkout.
    const folders = new Set(tracked.flatMap(foldersAbove));
    for (const folder of folders) {
      const { atime, mtime } = statSync(path.join(ROOT, folder));
      utimesSync(path.join(checkout.folder, folder), atime, mtime);
    }
    cpSync(path.join(ROOT, "build"), path.join(checkout.folder, "build"), { recursive: true });
    for (const name of LENT) symlinkSync(path.join(ROOT, name), path.join(checkout.folder, name));
    return checkout;
  }

  /** @param {string} file @param {string} text */
  write(file, text) {
    const target = path.join(this.folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  /** @param {string} file */
  read(file) {
    return readFileSync(path.join(this.folder, file), "utf8");
  }

  /**
   * Runs commands to their end.
   * @param {string} text
   * @param {{ input?: string, within?: string }} [options] standard input; the folder to run in
   * @returns {Promise<{ printed: string, code: number | null }>}
   */
  async run(text, { input = "", within = "." } = {}) {
    const command = this.start(text, { input, within });
    return { code: await command.ended, printed: command.printed };
  }

  /**
   * Starts commands that keep running.
   * @param {string} text
   * @param {{ input?: string, within?: string }} [options]
   */
  start(text, { input = "", within = "." } = {}) {
    const command = new Command(text, input, path.join(this.folder, within), this.#env);
    this.#running.add(command);
    return command;
  }

  async #remove() {
    await Promise.all([...this.#running].map((command) => command.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @param {string} file @returns {string[]} */
function foldersAbove(file) {
  const folder = path.dirname(file);
  return folder === "." ? [] : [folder, ...foldersAbove(folder)];
}

/** A shell in its own process group. */
class Command {
  /** Its whole output. */
  printed = "";
  /** @type {Promise<number | null>} */
  ended;
  #child;

  /**
   * @param {string} text
   * @param {string} input
   * @param {string} cwd
   * @param {NodeJS.ProcessEnv} env
   */
  constructor(text, input, cwd, env) {
    const child = spawn("bash", ["-c", text], { cwd, env, detached: true, stdio: "pipe" });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        this.printed += chunk;
      });
    }
    child.stdin.on("error", () => {}).end(input);
    this.ended = once(child, "exit").then(([code]) => code);
    this.#child = child;
  }

  /** Waits until it has printed a text. @param {string | RegExp} what @param {number} within milliseconds */
  async prints(what, within) {
    const found = () =>
      typeof what === "string" ? this.printed.includes(what) : what.test(this.printed);
    await until(found, { within, what: `${what} in what it printed` }).catch((error) => {
      throw new Error(`${error.message}:\n${this.printed}`);
    });
  }

  /** Ends it and all processes it started, and waits until they are gone. */
  async stop() {
    this.#signal("SIGTERM");
    const isGone = () => !this.#signal(0);
    await until(isGone, { within: GRACE_MS, what: "its end" }).catch(() => this.#signal("SIGKILL"));
    await until(isGone, { what: "its end by force" });
  }

  /**
   * @param {NodeJS.Signals | 0} signal 0 only checks
   * @returns {boolean} whether a process is left in its group
   */
  #signal(signal) {
    try {
      return process.kill(-(/** @type {number} */ (this.#child.pid)), signal);
    } catch {
      return false;
    }
  }
}
