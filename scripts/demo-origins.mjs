/** The demo's chat servers as processes: started, and started anew a while after they end. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { say } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

/** Long enough for a newcomer to see the other server take over. */
const RESTART_MS = 15_000;

export class DemoOrigins {
  /** @type {Set<import("node:child_process").ChildProcess>} */
  #running = new Set();
  #stopped = false;

  /**
   * @param {string[]} names
   * @returns {Promise<string[]>} `name=url` of each, for ORIGINS
   */
  start(names) {
    return Promise.all(names.map(async (name) => `${name}=${await this.#launch(name, 0)}`));
  }

  stop() {
    this.#stopped = true;
    for (const child of this.#running) child.kill("SIGKILL");
  }

  /**
   * @param {string} name
   * @param {number} port
   * @returns {Promise<string>} its URL
   */
  async #launch(name, port) {
    const script = path.join(ROOT, "demo/origin.mjs");
    const args = [script, "--name", name, "--port", String(port)];
    const child = spawn(NODE, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#running.add(child);
    const [line] = await once(createInterface(child.stdout), "line");
    const url = JSON.parse(line).listening;
    child.on("exit", () => {
      this.#running.delete(child);
      if (this.#stopped) return;
      say(`  ${name} was stopped; it comes back in ${RESTART_MS / 1000} s`);
      const again = () => !this.#stopped && this.#launch(name, Number(new URL(url).port));
      setTimeout(again, RESTART_MS).unref();
    });
    return url;
  }
}
