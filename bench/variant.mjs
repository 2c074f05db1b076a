/** Runs one variant in its own `workerd serve`, and measures its processor time. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { WORKERD } from "../tests/harness/workerd.mjs";
import { bundle } from "./bundle.mjs";
import { config } from "./config.mjs";

/**
 * @typedef {object} Description
 * @property {string} name
 * @property {string} does what it does and does not do
 * @property {string} [peer] a Worker under bench/peers; ours otherwise
 * @property {boolean} [bound] whether that peer has our objects and files bound, without using them
 * @property {Record<string, string>} [vars]
 * @property {(url: string) => Promise<string>} [cookie] returns the cookie to send
 * @property {string} [disk] folder for its objects' storage; by default with its other files
 * @property {number} [putMs] duration of a write to the namespace; 0 by default
 * @property {number} [servers] number of origins; 1 by default
 * @property {number} [status] expected status
 * @property {string} [namespace] host and port of an external namespace
 * @property {boolean} [tenants] whether that namespace has the tenants' documents
 */

export class Variant {
  #folder = mkdtempSync(path.join(tmpdir(), "vestibule-bench-"));
  #objects = this.#folder;
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  cookie = "";
  /** @type {number[]} microseconds of processor time per request, one per round */
  cost = [];
  /** @type {number[]} instructions per request, one per round, where the machine counts them */
  instructions = [];
  /** @type {number[]} */
  throughput = [];
  url = "";
  kvUrl = "";
  /** Address of V8's inspector. */
  inspector = "";

  /** @type {"inherit" | "ignore"} */
  #errors;

  /**
   * @param {Description} description
   * @param {{ counted?: boolean, quiet?: boolean, inspected?: boolean }} [options] `quiet`: its warnings are expected
   */
  constructor(description, { counted = false, quiet = false, inspected = false } = {}) {
    this.description = description;
    this.counted = counted;
    this.inspected = inspected;
    this.#errors = quiet ? "ignore" : "inherit";
  }

  /**
   * Writes workerd's configuration, without starting it.
   * @param {number} originPort
   * @returns {Promise<string>} the file
   */
  async prepare(originPort) {
    const [port, kvPort] = [await freePort(), await freePort()];
    this.url = `http://127.0.0.1:${port}`;
    this.kvUrl = `http://127.0.0.1:${kvPort}`;
    const place = { ...(await this.#place(`127.0.0.1:${originPort}`)), port, kvPort };
    const file = path.join(this.#folder, "config.capnp");
    writeFileSync(file, config(place));
    return file;
  }

  /** Starts the process without waiting until it responds. @param {number} originPort */
  async launch(originPort) {
    const args = ["serve", await this.prepare(originPort)];
    if (this.inspected) {
      this.inspector = `127.0.0.1:${await freePort()}`;
      args.push(`--inspector-addr=${this.inspector}`);
    }
    this.#process = spawn(WORKERD, args, { stdio: ["ignore", "ignore", this.#errors] });
  }

  /** @param {number} originPort */
  async start(originPort) {
    await this.launch(originPort);
    await until(
      () =>
        fetch(this.url).then(
          () => true,
          () => false,
        ),
      { what: this.description.name },
    );
    this.cookie = (await this.description.cookie?.(this.url)) ?? "";
    const headers = /** @type {Record<string, string>} */ (
      this.cookie ? { cookie: this.cookie } : {}
    );
    const { status } = await fetch(this.url, { headers });
    const wanted = this.description.status ?? 200;
    if (status !== wanted)
      throw new Error(`${this.description.name} answers ${status}, not ${wanted}`);
  }

  /** Returns wrk's arguments for the same request. */
  get load() {
    return this.cookie ? ["-H", `Cookie: ${this.cookie}`, `${this.url}/`] : [`${this.url}/`];
  }

  /** Returns the process's id; 0 before its start. */
  get pid() {
    return this.#process?.pid ?? 0;
  }

  /** Returns the process's user and system time so far, in microseconds. */
  get processorTime() {
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(stat[11]) + Number(stat[12])) * 10_000;
  }

  /** Returns the process's resident memory, in MiB. */
  get resident() {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  stop() {
    this.#process?.kill("SIGKILL");
    for (const folder of [this.#folder, this.#objects]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** @param {string} origin host and port */
  async #place(origin) {
    const { peer, servers = 1, disk, vars = {} } = this.description;
    const { putMs = 0, namespace, tenants, bound } = this.description;
    const folder = this.#folder;
    this.#objects = disk ? mkdtempSync(path.join(disk, "vestibule-objects-")) : folder;
    const objects = path.join(this.#objects, "objects");
    mkdirSync(objects, { recursive: true });
    const list = Array.from(
      { length: servers },
      (_, at) => `s${at}=http://${origin};weight=${at + 1};capacity=1000`,
    );
    const origins = servers > 1 ? list.join(",") : `http://${origin}`;
    const settings = { ORIGINS: origins, SESSION_KEYS: "A".repeat(43), ...vars };
    const kv = { putMs, namespace, tenants };
    const place = { folder, objects, counted: this.counted, vars: settings, ...kv };
    if (!peer) return place;
    const file = path.join(folder, peer);
    writeFileSync(file, await bundle(peer, origin));
    return { ...place, peer: file, bound };
  }
}
