/** Writes a variant's workerd configuration: modules, storage and ports. */
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
const quote = JSON.stringify;

/** Our Durable Objects; the peers have none. */
const OBJECTS = {
  SESSION_OBJECTS: "SessionObject",
  DIRECTORY_OBJECTS: "DirectoryObject",
  POOL_OBJECTS: "PoolObject",
  ATTEMPT_OBJECTS: "AttemptObject",
  TELEMETRY_OBJECTS: "TelemetryObject",
};

/**
 * @typedef {object} Place
 * @property {string} folder base of relative paths
 * @property {string} objects folder of the objects' storage
 * @property {string} [peer] the bundled module of a peer; ours otherwise
 * @property {boolean} [bound] whether that peer has our objects and files bound, without using them
 * @property {boolean} counted whether our objects' calls are counted, and the clock can be advanced
 * @property {Record<string, string>} vars
 * @property {string} [namespace] host and port of an external namespace; by default one in memory
 * @property {boolean} [tenants] whether that namespace has the tenants' documents
 * @property {number} putMs duration of a write to the namespace
 * @property {number} port
 * @property {number} kvPort
 */

/** @param {Place} place */
export function config(place) {
  const { folder, objects, peer, bound = !peer, counted, vars } = place;
  const { namespace, tenants, putMs, port, kvPort } = place;
  const embed = (/** @type {string} */ file) =>
    quote(path.relative(folder, path.resolve(ROOT, file)));
  const bindings = Object.entries(vars).map(
    ([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`,
  );
  const entry = peer
    ? [`(name = "index.js", esModule = embed ${embed(peer)})`]
    : own(embed, counted);
  const modules = bound ? [...entry, ...files(embed)] : entry;
  const namespaces = Object.entries(OBJECTS).map(
    ([name, className]) => `(name = "${name}", durableObjectNamespace = "${className}")`,
  );
  const classes = Object.values(OBJECTS).map(
    (className) => `(className = "${className}", uniqueKey = "${className}", enableSql = true)`,
  );
  const kv = namespace ? `external = (address = ${quote(namespace)}, http = ())` : "worker = .kv";
  const documents = tenants ? `(name = "TENANTS", kvNamespace = "kv"),` : "";
  const stored = `durableObjectNamespaces = [${classes.join(", ")}],
  durableObjectStorage = (localDisk = "disk"),`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "kv", ${kv}),
    (name = "disk", disk = (path = ${quote(objects)}, writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:${port}", http = (), service = "main"),
    (name = "storage", address = "127.0.0.1:${kvPort}", http = (), service = "kv"),
  ],
);
const main :Workerd.Worker = (
  modules = [
    ${modules.join(",\n    ")}
  ],
  bindings = [
    (name = "SESSIONS", kvNamespace = "kv"),
    ${documents}
    ${[...(bound ? namespaces : []), ...bindings].join(",\n    ")}
  ],
  ${bound ? stored : ""}
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["no_nodejs_compat", "no_nodejs_compat_v2"],
);
const kv :Workerd.Worker = (
  modules = [(name = "kv.js", esModule = embed ${embed("bench/peers/kv.js")})],
  bindings = [(name = "PUT_MS", text = "${putMs}")],
  compatibilityDate = "2026-11-01",
);
`;
}

/**
 * @param {(file: string) => string} embed
 * @param {string} name
 * @param {string} file
 * @param {"esModule" | "wasm" | "data"} kind
 */
function module(embed, name, file, kind = "esModule") {
  return `(name = ${quote(name)}, ${kind} = embed ${embed(file)})`;
}

/**
 * Returns our script as a module.
 * @param {(file: string) => string} embed
 * @param {boolean} counted
 */
function own(embed, counted) {
  if (!counted) return [module(embed, "index.js", "build/index.js")];
  return [
    module(embed, "index.js", "bench/counted/index.js"),
    module(embed, "clock.js", "bench/counted/clock.js"),
    module(embed, "vestibule.js", "build/index.js"),
  ];
}

/** Returns the script's other modules. @param {(file: string) => string} embed */
function files(embed) {
  return [
    module(embed, "index_bg.wasm", "build/index_bg.wasm", "wasm"),
    module(embed, "argon2.wasm", "build/argon2.wasm", "wasm"),
    module(embed, "files.bin", "build/files.bin", "data"),
  ];
}
