/**
 * Runs the demo's chat servers as processes, and restarts each a while after it ended. Each receives the
 * addresses of the others, and when a stopped one returns.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE, ROOT } from "./places.mjs";
import { print } from "./progress.mjs";

/** Pause before a restart: long enough to see the other server take over. */
const RESTART_MS = 15_000;

const SCRIPT = path.join(ROOT, "demo/origin.mjs");

/**
 * @typedef {object} Place
 * @property {string} name
 * @property {string} url
 * @property {number} [backAt] time of its restart, in Unix milliseconds; absent while it runs
 * @property {import("node:child_process").ChildProcess} child
 */

export class DemoOrigins {
  /** @type {Map<string, Place>} */
  #places = new Map();
  #restartMs;
  #stopped = false;

  /** @param {{ restartMs?: number }} [options] */
  constructor({ restartMs = RESTART_MS } = {}) {
    this.#restartMs = restartMs;
  }

  /**
   * @param {string[]} names
   * @returns {Promise<string[]>} `name=url` of each, for ORIGINS
   */
  start(names) {
    return Promise.all(names.map(async (name) => `${name}=${await this.#launch(name, "0")}`));
  }

  stop() {
    this.#stopped = true;
    for (const { child } of this.#places.values()) child.kill("SIGKILL");
  }

  /**
   * @param {string} name
   * @param {string} port
   * @returns {Promise<string>} its URL
   */
  async #launch(name, port) {
    const args = [SCRIPT, "--name", name, "--port", port];
    const child = spawn(NODE, args, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    if (this.#stopped) child.kill("SIGKILL");
    child.on("exit", () => this.#ended(name));
    const known = this.#places.get(name);
    if (known) known.child = child;
    const [line] = await once(createInterface(/** @type {any} */ (child.stdout)), "line");
    const url = JSON.parse(line).listening;
    this.#places.set(name, { name, url, child });
    this.#broadcast();
    return url;
  }

  /** @param {string} name */
  #ended(name) {
    const place = this.#places.get(name);
    if (this.#stopped || !place) return;
    print(`  ${name} stopped; it restarts in ${this.#restartMs / 1000} s`);
    place.backAt = Date.now() + this.#restartMs;
    this.#broadcast();
    const again = () => !this.#stopped && this.#launch(name, new URL(place.url).port);
    setTimeout(again, this.#restartMs).unref();
  }

  #broadcast() {
    const places = [...this.#places.values()];
    for (const { name, child } of places) {
      if (!child.connected) continue;
      const others = places.filter((other) => other.name !== name);
      // Sending to a server that is just ending may fail.
      child.send(
        others.map(({ name, url, backAt }) => ({ name, url, backAt })),
        () => {},
      );
    }
  }
}
