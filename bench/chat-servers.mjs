/** Runs chat servers for experiments, each in its own process; they come and go. */
import { spawn } from "node:child_process";
import path from "node:path";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";

export class ChatServers {
  /** @type {(import("node:child_process").ChildProcess | undefined)[]} */
  #processes = [];
  #script;
  /** @type {number[]} */
  ports = [];

  /** @param {string} script of this folder, started with a server's name and port; it answers `/mood` */
  constructor(script) {
    this.#script = path.join(import.meta.dirname, script);
  }

  /**
   * Reserves addresses; no server runs yet.
   * @param {{ after: (end: () => unknown) => void }} run
   * @param {number} count
   * @param {string} [script]
   */
  static async reserve(run, count, script = "chat-server.mjs") {
    const servers = new ChatServers(script);
    await servers.add(count);
    run.after(() => servers.kill(...servers.ports.keys()));
    return servers;
  }

  /** @param {number} count */
  async add(count) {
    for (let at = 0; at < count; at += 1) this.ports.push(await freePort());
  }

  /** Returns each as `name=url`, for ORIGINS. */
  get origins() {
    return this.ports.map((port, at) => `s${at}=http://127.0.0.1:${port}`);
  }

  /** Starts servers, and waits until they respond. @param {number[]} which */
  async start(...which) {
    for (const at of which) {
      const args = [this.#script, `s${at}`, String(this.ports[at])];
      this.#processes[at] = spawn(process.execPath, args, { stdio: "inherit" });
    }
    await Promise.all(which.map((at) => until(() => this.mood(at).catch(() => false))));
  }

  /** @param {number[]} which */
  kill(...which) {
    for (const at of which) this.#processes[at]?.kill("SIGKILL");
  }

  /**
   * Makes a server slow or busy.
   * @param {number} at
   * @param {string} [query]
   */
  async mood(at, query = "") {
    return (await fetch(`http://127.0.0.1:${this.ports[at]}/mood?${query}`)).text();
  }
}
