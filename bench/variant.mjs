/** One variant: a `workerd serve` of its own, and the processor time it uses. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { CONSOLE_FILES, WORKERD } from "../tests/harness/workerd.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");

/** Our Durable Objects; the peers have none. */
const OBJECT_BINDINGS = `
    (name = "SESSION_OBJECTS", durableObjectNamespace = "SessionObject"),
    (name = "DIRECTORY_OBJECTS", durableObjectNamespace = "DirectoryObject"),
    (name = "POOL_OBJECTS", durableObjectNamespace = "PoolObject"),
    (name = "TELEMETRY_OBJECTS", durableObjectNamespace = "TelemetryObject"),`;
const OBJECTS = `durableObjectNamespaces = [
    (className = "SessionObject", uniqueKey = "session", enableSql = true),
    (className = "DirectoryObject", uniqueKey = "directory", enableSql = true),
    (className = "PoolObject", uniqueKey = "pool", enableSql = true),
    (className = "TelemetryObject", uniqueKey = "telemetry", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),`;

/**
 * @typedef {object} Description
 * @property {string} name
 * @property {string} does what it does and does not do
 * @property {string} [peer] a Worker under bench/peers; ours otherwise
 * @property {Record<string, string>} [vars]
 * @property {(url: string, kvUrl: string) => Promise<string>} [cookie] makes the cookie to send
 * @property {number} [servers] how many there are before it, one unless said otherwise
 * @property {number} [status] what it must answer
 */

export class Variant {
  #folder = mkdtempSync(path.join(tmpdir(), "vestibule-bench-"));
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #cookie = "";
  /** @type {number[]} microseconds of processor time per request, one per round */
  cost = [];
  /** @type {number[]} */
  throughput = [];
  url = "";

  /** @param {Description} description */
  constructor(description) {
    this.description = description;
  }

  /** @param {number} originPort */
  async start(originPort) {
    const [port, kvPort] = [await freePort(), await freePort()];
    this.url = `http://127.0.0.1:${port}`;
    writeFileSync(path.join(this.#folder, "config.capnp"), this.#config(originPort, port, kvPort));
    this.#process = spawn(WORKERD, ["serve", path.join(this.#folder, "config.capnp")], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await until(
      () =>
        fetch(this.url).then(
          () => true,
          () => false,
        ),
      { what: this.description.name },
    );
    this.#cookie = (await this.description.cookie?.(this.url, `http://127.0.0.1:${kvPort}`)) ?? "";
    const { status } = await fetch(this.url, { headers: this.#headers() });
    const wanted = this.description.status ?? 200;
    if (status !== wanted)
      throw new Error(`${this.description.name} answers ${status}, not ${wanted}`);
  }

  /** Arguments by which wrk sends the same request. */
  get load() {
    return this.#cookie ? ["-H", `Cookie: ${this.#cookie}`, `${this.url}/`] : [`${this.url}/`];
  }

  /** User and system time of the process so far, in microseconds. */
  get processorTime() {
    const stat = readFileSync(`/proc/${this.#process?.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(stat[11]) + Number(stat[12])) * 10_000;
  }

  stop() {
    this.#process?.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #headers() {
    return /** @type {Record<string, string>} */ (this.#cookie ? { cookie: this.#cookie } : {});
  }

  /**
   * @param {number} originPort
   * @param {number} port
   * @param {number} kvPort
   */
  #config(originPort, port, kvPort) {
    const { peer, servers = 1, vars = {} } = this.description;
    const origin = `127.0.0.1:${originPort}`;
    const quote = JSON.stringify;
    const embed = (/** @type {string} */ file) =>
      quote(path.relative(this.#folder, path.join(ROOT, file)));
    if (peer) {
      const text = readFileSync(path.join(ROOT, "bench/peers", peer), "utf8");
      writeFileSync(path.join(this.#folder, peer), text.replaceAll("ORIGIN_HOST", origin));
    }
    const modules = peer
      ? `(name = "index.js", esModule = embed ${quote(peer)})`
      : `(name = "index.js", esModule = embed ${embed("build/index.js")}),
         (name = "index_bg.wasm", wasm = embed ${embed("build/index_bg.wasm")}),
         (name = "argon2.wasm", wasm = embed ${embed("build/argon2.wasm")}),
         ${CONSOLE_FILES.map((file) => `(name = "console/${file}", data = embed ${embed(`build/console/${file}`)})`).join(",\n         ")}`;
    const objects = path.join(this.#folder, "objects");
    mkdirSync(objects, { recursive: true });
    const list = Array.from(
      { length: servers },
      (_, at) => `s${at}=http://${origin};weight=${at + 1};capacity=1000`,
    );
    const origins = servers > 1 ? list.join(",") : `http://${origin}`;
    const settings = { ORIGINS: origins, SESSION_KEYS: "A".repeat(43), ...vars };
    const bindings = Object.entries(settings).map(
      ([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`,
    );
    return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "kv", worker = .kv),
    (name = "disk", disk = (path = ${quote(objects)}, writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:${port}", http = (), service = "main"),
    (name = "storage", address = "127.0.0.1:${kvPort}", http = (), service = "kv"),
  ],
);
const main :Workerd.Worker = (
  modules = [${modules}],
  bindings = [
    (name = "SESSIONS", kvNamespace = "kv"),
    ${peer ? "" : OBJECT_BINDINGS}
    ${bindings.join(", ")}
  ],
  ${peer ? "" : OBJECTS}
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["no_nodejs_compat", "no_nodejs_compat_v2"],
);
const kv :Workerd.Worker = (
  modules = [(name = "kv.js", esModule = embed ${embed("bench/peers/kv.js")})],
  compatibilityDate = "2026-11-01",
);
`;
  }
}
