/** Servers with a kit, each in a process of its own, before the real Worker. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";

export const ORIGIN_KEY = "an-origin-key-of-32-characters!!";

/** Starting Python takes seconds, more with all cores busy. */
const PATIENCE_MS = 90_000;

/**
 * @typedef {object} Options
 * @property {"proof" | "assertion"} [verify]
 * @property {Record<string, string>} [vars]
 * @property {Record<string, string>} [env] of the processes
 * @property {(folder: string) => void} [prepare] puts files into the folder of each process
 */

/** A process and those it starts, in a process group of their own. */
export class Server {
  folder = mkdtempSync(path.join(tmpdir(), "kit-"));
  #child;
  /** Everything it printed. */
  printed = "";

  /**
   * @param {string} name
   * @param {number} port
   * @param {string[]} command
   * @param {Record<string, string>} env
   * @param {(folder: string) => void} [prepare] puts files into the folder in which it runs
   */
  constructor(name, port, [program, ...args], env, prepare = () => {}) {
    prepare(this.folder);
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    const own = { CHAINLIT_APP_ROOT: this.folder, PORT: String(port) };
    this.#child = spawn(program, args, {
      detached: true,
      cwd: this.folder,
      env: { ...process.env, ...own, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        this.printed += chunk;
      });
    }
  }

  /** Waits until it answers anything. @param {number} [port] of another of its processes */
  async answers(port = Number(new URL(this.url).port)) {
    const answered = async () => {
      if (this.#child.exitCode !== null) throw new Error(`${this.name} ended: ${this.printed}`);
      return fetch(`http://127.0.0.1:${port}`).then(
        () => true,
        () => false,
      );
    };
    await until(answered, { within: PATIENCE_MS, what: `${this.name} answering` });
  }

  /** Sends a signal to the process that was started, not to those that it started. @param {NodeJS.Signals} name */
  signal(name) {
    this.#child.kill(name);
  }

  /** As a crash would. */
  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    process.kill(-(/** @type {number} */ (this.#child.pid)), "SIGKILL");
    await gone;
  }

  async stop() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Starts the Worker before origins, and returns the kit's settings for them.
 * @param {import("node:test").TestContext} t
 * @param {string[]} names of the origins
 * @param {number[]} ports
 * @param {Options} [options]
 */
export async function openVestibule(t, names, ports, { verify = "proof", vars } = {}) {
  const origins = names.map((name, at) => `${name}=http://127.0.0.1:${ports[at]}`);
  const required = { ORIGIN_KEY, [verify.toUpperCase()]: "true" };
  const vestibule = await Vestibule.start(t, { origins, vars: { ...required, ...vars } });
  const settings = {
    VESTIBULE_ORIGIN_KEY: ORIGIN_KEY,
    VESTIBULE_URL: vestibule.url,
    VESTIBULE_VERIFY: verify,
  };
  return { vestibule, settings };
}

/**
 * Stores data in a session that is too large for a request's headers, through the session API.
 * @param {{ url: string }} vestibule
 * @param {string} name of the session
 */
export async function outgrow({ url }, name) {
  const note = "x".repeat(2 * 1024);
  const answer = await fetch(`${url}/_session/api/sessions/${name}`, {
    method: "PATCH",
    headers: {
      authorization: `Bearer ${ORIGIN_KEY}`,
      "content-type": "application/json",
      "if-match": "*",
    },
    body: JSON.stringify({ patch: { note } }),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return { note };
}

/**
 * Starts the Worker and the same program in each of the processes. They learn the Worker's address, and it theirs.
 * @param {import("node:test").TestContext} t
 * @param {string[]} names of the processes
 * @param {(port: number) => string[]} command
 * @param {Options} [options]
 */
export async function openServers(t, names, command, options = {}) {
  const ports = await Promise.all(names.map(() => freePort()));
  const { vestibule, settings } = await openVestibule(t, names, ports, options);
  const env = { ...settings, ...options.env };
  const servers = names.map((name, at) => {
    const server = new Server(name, ports[at], command(ports[at]), env, options.prepare);
    t.after(() => server.stop());
    return server;
  });
  await Promise.all(servers.map((server) => server.answers()));
  return { vestibule, servers };
}
