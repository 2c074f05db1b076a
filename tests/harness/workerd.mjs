/**
 * Runs the Worker in real workerd without wrangler, so that requests arrive byte for byte.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  COMPATIBILITY,
  modulesOf,
  objectBindings,
  quote,
  storedObjects,
  workerdProgram,
} from "../../serve/config.mjs";
import { KvServer } from "./kv.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";
import { CF_BLOB } from "./zone-cache.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");
const BUILD = path.join(ROOT, "build");

export const WORKERD = workerdProgram();

/** Header that makes a request look to the Worker as if it came over https, with the value `https`. */
export const SCHEME = "X-Test-Scheme";

/** @returns {string} a new deployment key */
export function freshKey() {
  return randomBytes(32).toString("base64url");
}

/**
 * @typedef {object} Options
 * @property {string[]} [origins] URLs, or `name=URL`; an embedded Vestibule has none
 * @property {Record<string, string>} [vars]
 * @property {string} [keys] SESSION_KEYS; empty for none
 * @property {Record<string, string | number>} [services] other Workers by binding: the text of one, or the port of a server
 * @property {KvServer} [kv] shared storage; one of its own otherwise
 * @property {Record<string, KvServer>} [own] namespaces of tenants' own, by binding
 * @property {KvServer} [tenants] storage of tenants' documents
 * @property {KvServer} [users] storage of accounts, if separate; with the lag of the session namespace
 * @property {{ port: number }} [cache] the location's cache; none by default
 * @property {{ port: number }} [zone] the zone's cache, between the Worker and every server it calls; none by default
 * @property {boolean} [embedded] whether the locations have no origins: their handlers respond
 * @property {boolean} [unbound] whether the locations have only the namespace
 * @property {boolean} [limited] whether the platform's rate limit on new sessions is bound: see `limiter.js`
 * @property {import("./mood.mjs").Mood} [mood] objects that fail on demand
 * @property {number[]} [lags] several locations: lag of the namespace in each, in
 *   milliseconds. The objects are in a separate location.
 * @property {Builds} [builds] the build of each location; `build/` by default
 * @property {import("./front.mjs").Front} [front] distributes requests over the locations
 */

/** @typedef {{ places: string[], objects: string }} Builds folders: one for each location, and one for the objects */

export class Vestibule {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #folder = mkdtempSync(path.join(tmpdir(), "vestibule-"));
  #options;
  /** @type {any[]} every JSON line it logged */
  logs = [];
  /** Its whole output. */
  printed = "";
  port = 0;
  /** @type {number[]} the ports of the locations; the first is `port` */
  ports = [];

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.keys = options.keys ?? freshKey();
    this.kv = options.kv ?? new KvServer();
  }

  /**
   * Starts a Worker that is stopped when the test ends.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {Options} options
   */
  static async start(t, options = {}) {
    const vestibule = new Vestibule(options);
    t.after(() => vestibule.stop());
    t.after(async () => options.mood?.stop());
    if (!options.kv) t.after(() => vestibule.kv.stop());
    await vestibule.run();
    return vestibule;
  }

  /** Restarts the deployment in a new process, with other variables. @param {Record<string, string>} vars */
  async redeploy(vars) {
    this.#options = { ...this.#options, vars: { ...this.#options.vars, ...vars } };
    await this.restart();
  }

  /** Binds other namespaces of tenants' own, in a new process. @param {Record<string, KvServer>} own */
  async rebind(own) {
    this.#options = { ...this.#options, own };
    await this.restart();
  }

  /** Serves other releases over the same storage, in a new process. @param {Builds} builds */
  async deploy(builds) {
    this.#options = { ...this.#options, builds };
    await this.restart();
  }

  /** Sets the origins for the next restart. @param {string[]} origins */
  set origins(origins) {
    this.#options = { ...this.#options, origins };
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid() {
    return this.#process?.pid;
  }

  /** Returns the URL of each location. */
  get urls() {
    return this.ports.map((port) => `http://127.0.0.1:${port}`);
  }

  async run() {
    if (!existsSync(path.join(BUILD, "index.js")))
      throw new Error("build/ is missing: npm run build");
    const { lags = [0], front } = this.#options;
    while (this.ports.length < lags.length) this.ports.push(await freePort());
    this.port = front ? await front.listening(this.ports) : this.ports[0];
    const config = path.join(this.#folder, "config.capnp");
    writeFileSync(config, await this.#config());
    const child = spawn(WORKERD, ["serve", config], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) this.#follow(stream);
    await until(
      async () => {
        if (child.exitCode !== null) throw new Error(`workerd ended: ${this.printed}`);
        const health = this.urls.map(async (url) => {
          const response = await fetch(`${url}/_session/healthz`);
          return response.headers.get("content-type")?.includes("json");
        });
        const answers = await Promise.all(health).catch(() => [false]);
        return answers.every(Boolean);
      },
      { what: "the Worker answering" },
    );
  }

  /** Kills the process at once, like a crash. Open connections would keep it alive otherwise. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** Returns the time of the last write of an object of this class, in milliseconds since 1970. @param {string} key */
  wroteAt(key) {
    const folder = path.join(this.#folder, "objects", key);
    const files = existsSync(folder) ? readdirSync(folder) : [];
    return Math.max(0, ...files.map((file) => statSync(path.join(folder, file)).mtimeMs));
  }

  /** Returns the number of objects of this class with data in storage. @param {string} key */
  stored(key) {
    const folder = path.join(this.#folder, "objects", key);
    const files = existsSync(folder) ? readdirSync(folder) : [];
    return files.filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file)).length;
  }

  /** Restarts the deployment in a new process, without any state in memory. */
  async restart() {
    await this.kill();
    await this.run();
  }

  async stop() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param {string} event */
  logged(event) {
    return this.logs.filter((line) => line.event === event);
  }

  /** @param {import("node:stream").Readable} stream */
  #follow(stream) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (chunk) => {
      this.printed += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const json = line.slice(line.indexOf("{"));
        try {
          this.logs.push(JSON.parse(json));
        } catch {
          // workerd's own messages.
        }
      }
    });
  }

  async #config() {
    const { origins = ["http://127.0.0.1:9"], vars = {}, embedded, unbound } = this.#options;
    const settings = { ORIGINS: origins.join(","), SESSION_KEYS: this.keys, ...vars };
    const objects = path.join(this.#folder, "objects");
    mkdirSync(objects, { recursive: true });
    const { lags = [0], mood, tenants, users, cache, zone, builds, limited } = this.#options;
    const own = Object.entries(this.#options.own ?? {});
    const services = Object.entries(this.#options.services ?? {});
    const ownPorts = await Promise.all(own.map(([, kv]) => kv.listening()));
    const tenantsPort = await tenants?.listening();
    const moodPort = await mood?.listening();
    const kvPort = await this.kv.listening();
    const places = await Promise.all(lags.map((lag) => (lag ? this.kv.place(lag) : kvPort)));
    const usersPorts = users
      ? await Promise.all(lags.map((lag) => (lag ? users.place(lag) : users.listening())))
      : [];
    const embed = (/** @type {string} */ file) => quote(path.relative(this.#folder, file));
    return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "objects", worker = .objects),
    (name = "objects-kv", external = (address = "127.0.0.1:${kvPort}", http = ())),
${places
  .map(
    (port, at) => `    (name = "vestibule-${at}", worker = .vestibule${at}),
    (name = "kv-${at}", external = (address = "127.0.0.1:${port}", http = ())),`,
  )
  .join("\n")}
${usersPorts
  .map(
    (port, at) =>
      `    (name = "users-${at}", external = (address = "127.0.0.1:${port}", http = ())),`,
  )
  .join("\n")}
${ownPorts
  .map(
    (port, at) =>
      `    (name = "own-${at}", external = (address = "127.0.0.1:${port}", http = ())),`,
  )
  .join("\n")}
${services
  .map(([name, other]) =>
    typeof other === "number"
      ? `    (name = "service-${name}", external = (address = "127.0.0.1:${other}", http = ())),`
      : `    (name = "service-${name}", worker = (modules = [(name = "other.js", esModule = ${quote(other)})], compatibilityDate = "2026-11-01")),`,
  )
  .join("\n")}
    ${tenants ? `(name = "tenants", external = (address = "127.0.0.1:${tenantsPort}", http = ())),` : ""}
    ${cache ? `(name = "cache", external = (address = "127.0.0.1:${cache.port}", http = ())),` : ""}
    ${zone ? `(name = "zone", external = (address = "127.0.0.1:${zone.port}", http = (style = proxy, cfBlobHeader = "${CF_BLOB}"))),` : ""}
    ${mood ? `(name = "mood", external = (address = "127.0.0.1:${moodPort}", http = ())),` : ""}
    (name = "disk", disk = (path = ${quote(objects)}, writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [
${this.ports
  .map(
    (port, at) =>
      `    (name = "http-${at}", address = "127.0.0.1:${port}", http = (forwardedProtoHeader = "${SCHEME}"), service = "vestibule-${at}"),`,
  )
  .join("\n")}
  ],
  ${limited ? "extensions = [.limiter]," : ""}
);
${limited ? `const limiter :Workerd.Extension = (modules = [(name = "test:limiter", internal = true, esModule = embed ${embed(path.join(import.meta.dirname, "limiter.js"))})]);` : ""}
${places.map((_, at) => worker(`vestibule${at}`, builds?.places[at] ?? BUILD, `kv-${at}`, ', serviceName = "objects"', `users-${at}`)).join("")}
${worker("objects", builds?.objects ?? BUILD, "objects-kv", "")}`;

    /**
     * @param {string} name
     * @param {string} build its folder
     * @param {string} kv
     * @param {string} elsewhere the worker with the objects, if another
     * @param {string} [accounts]
     */
    function worker(name, build, kv, elsewhere, accounts) {
      const isFaulty = mood && !elsewhere;
      const bindings = Object.entries(settings)
        .filter(([name]) => name !== "ORIGINS" || !embedded || !elsewhere)
        .map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`);
      if (!unbound || !elsewhere) bindings.push(...objectBindings(elsewhere));
      const faulty = path.join(import.meta.dirname, "faulty-objects.js");
      const wrapper = `(name = "faulty.js", esModule = embed ${embed(faulty)}),`;
      return `const ${name} :Workerd.Worker = (
  modules = [
    ${isFaulty ? wrapper : ""}
    ${modulesOf(build)
      .map(
        ({ file, kind }) => `(name = "${file}", ${kind} = embed ${embed(path.join(build, file))}),`,
      )
      .join("\n    ")}
  ],
  bindings = [
    (name = "SESSIONS", kvNamespace = "${kv}"),
    ${own.map(([name], at) => `(name = "${name}", kvNamespace = "own-${at}"),`).join(" ")}
    ${services.map(([name]) => `(name = "${name}", service = "service-${name}"),`).join(" ")}
    ${tenants ? '(name = "TENANTS", kvNamespace = "tenants"),' : ""}
    ${users && accounts ? `(name = "USERS", kvNamespace = "${accounts}"),` : ""}
    ${isFaulty ? '(name = "MOOD", service = "mood"),' : ""}
    ${limited ? '(name = "NEW_SESSION_LIMITER", wrapped = (moduleName = "test:limiter")),' : ""}
    ${bindings.join(", ")}
  ],
  ${cache ? 'cacheApiOutbound = "cache",' : ""}
  ${zone ? 'globalOutbound = "zone",' : ""}
  ${/* Only the location with the objects declares their storage. */ elsewhere ? "" : storedObjects("disk")}
  ${COMPATIBILITY}
);
`;
    }
  }
}
