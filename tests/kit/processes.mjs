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

/** @typedef {{ verify?: "proof" | "assertion", vars?: Record<string, string> }} Options */

class Server {
  #folder = mkdtempSync(path.join(tmpdir(), "kit-"));
  #child;
  /** Everything it printed. */
  printed = "";

  /**
   * @param {string} name
   * @param {number} port
   * @param {string[]} command
   * @param {Record<string, string>} env
   */
  constructor(name, port, [program, ...args], env) {
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    const own = { CHAINLIT_APP_ROOT: this.#folder, PORT: String(port) };
    this.#child = spawn(program, args, {
      cwd: this.#folder,
      env: { ...process.env, ...own, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        this.printed += chunk;
      });
    }
  }

  /** Waits until it answers anything. */
  async answers() {
    const answered = async () => {
      if (this.#child.exitCode !== null) throw new Error(`${this.name} ended: ${this.printed}`);
      return fetch(this.url).then(
        () => true,
        () => false,
      );
    };
    await until(answered, { within: PATIENCE_MS, what: `${this.name} answering` });
  }

  /** As a crash would. */
  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async stop() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Starts the Worker and the same program in each of the processes. They learn the Worker's address, and it theirs.
 * @param {import("node:test").TestContext} t
 * @param {string[]} names of the processes
 * @param {(port: number) => string[]} command
 * @param {Options & { env?: Record<string, string> }} [options]
 */
export async function openServers(t, names, command, { verify = "proof", vars, env } = {}) {
  const ports = await Promise.all(names.map(() => freePort()));
  const origins = names.map((name, at) => `${name}=http://127.0.0.1:${ports[at]}`);
  const required = { ORIGIN_KEY, [verify.toUpperCase()]: "true" };
  const vestibule = await Vestibule.start(t, { origins, vars: { ...required, ...vars } });
  const settings = {
    VESTIBULE_ORIGIN_KEY: ORIGIN_KEY,
    VESTIBULE_URL: vestibule.url,
    VESTIBULE_VERIFY: verify,
  };
  const servers = names.map((name, at) => {
    const server = new Server(name, ports[at], command(ports[at]), { ...settings, ...env });
    t.after(() => server.stop());
    return server;
  });
  await Promise.all(servers.map((server) => server.answers()));
  return { vestibule, servers };
}
