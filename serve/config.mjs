/**
 * Writes workerd's configuration: a Cap'n Proto text.
 *
 * The tests' harness uses the same parts, so that tests run what is served.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** The same as in wrangler.toml; `tests/serve-config.test.mjs` compares them. */
export const COMPATIBILITY = `compatibilityDate = "2026-11-01",
  compatibilityFlags = ["no_nodejs_compat", "no_nodejs_compat_v2"],`;

/** Durable Objects: binding, class, and the name of the folder with their storage. */
export const OBJECTS = [
  ["SESSION_OBJECTS", "SessionObject", "session"],
  ["DIRECTORY_OBJECTS", "DirectoryObject", "directory"],
  ["POOL_OBJECTS", "PoolObject", "pool"],
  ["ATTEMPT_OBJECTS", "AttemptObject", "attempt"],
  ["TELEMETRY_OBJECTS", "TelemetryObject", "telemetry"],
];

/** Module type of a build's file. */
const MODULE_KINDS = new Map([
  [".js", "esModule"],
  [".wasm", "wasm"],
  [".bin", "data"],
]);

/** Returns the workerd program. The package's launcher would be one more process to end. */
export function workerdProgram() {
  const system = process.platform === "darwin" ? "darwin" : "linux";
  const processor = process.arch === "arm64" ? "arm64" : "64";
  const { resolve } = createRequire(import.meta.url);
  const packages = path.dirname(path.dirname(resolve("workerd/package.json")));
  return path.join(packages, `@cloudflare/workerd-${system}-${processor}/bin/workerd`);
}

/**
 * Returns the deployed files of a build, the Worker first.
 * @param {string} build its folder
 */
export function modulesOf(build) {
  const files = readdirSync(build, { recursive: true, encoding: "utf8" }).sort();
  return ["index.js", ...files.filter((file) => file !== "index.js")].flatMap((file) => {
    const kind = MODULE_KINDS.get(path.extname(file));
    return kind ? [{ file, kind }] : [];
  });
}

/** Returns whether a folder has a build. @param {string} build */
export function isBuilt(build) {
  return ["index.js", "index_bg.wasm"].every((file) => existsSync(path.join(build, file)));
}

/** Declares the classes of objects, with their storage in a disk service. @param {string} disk its name */
export function storedObjects(disk) {
  const classes = OBJECTS.map(
    ([, name, key]) => `(className = "${name}", uniqueKey = "${key}", enableSql = true)`,
  );
  return `durableObjectNamespaces = [${classes.join(", ")}],
  durableObjectStorage = (localDisk = "${disk}"),`;
}

/**
 * Binds the classes of objects.
 * @param {string} [elsewhere] more of the designator, if another worker has the objects
 */
export function objectBindings(elsewhere = "") {
  return OBJECTS.map(
    ([binding, name]) =>
      `(name = "${binding}", durableObjectNamespace = (className = "${name}"${elsewhere}))`,
  );
}

/**
 * Copies a module of the build, with `platform.js` in place of the platform's module.
 * @param {string} build
 * @param {string} folder
 * @param {string} file
 * @returns {string} the copy
 */
function withPlatform(build, folder, file) {
  const source = readFileSync(path.join(build, file), "utf8");
  const copy = path.join(folder, file);
  mkdirSync(path.dirname(copy), { recursive: true });
  writeFileSync(copy, source.replaceAll('"cloudflare:workers"', '"./platform.js"'));
  return copy;
}

/** @param {string} text */
export function quote(text) {
  return JSON.stringify(text);
}

/** Prefix of environment variables with settings, so that none is one of the system's. */
export const SETTING = "VESTIBULE_SETTING_";

/** Modules around the Worker, the entry point first. */
const WRAPPER = ["serve.js", "platform.js", "proxies.js", "remote-objects.js"];

/** Header that names the namespace in a request to the KV service. */
export const NAMESPACE = "X-KV-Namespace";

/**
 * @typedef {object} Served
 * @property {string} folder of the configuration; paths in it are relative
 * @property {string} build
 * @property {string} control path of the socket for the supervising process
 * @property {string} kv path of the KV service's socket
 * @property {string[]} namespaces bindings of KV namespaces
 * @property {string[]} settings names of text bindings, whose values are in the environment
 * @property {string | undefined} objects folder of the objects' storage, if they are here
 * @property {boolean} sharesObjects whether other machines call these objects
 */

/**
 * Returns the configuration of one served Worker; writes copies of its modules beside it. Settings are read from the environment, so no secret is in it.
 * @param {Served} served
 */
export function configuration(served) {
  const { folder, build, control, kv, namespaces, settings, objects } = served;
  const embed = (/** @type {string} */ file) => quote(path.relative(folder, file));
  const wrapper = (/** @type {string} */ file) =>
    `(name = "${file}", esModule = embed ${embed(path.join(import.meta.dirname, "worker", file))}),`;
  const modules = modulesOf(build).map(({ file, kind }) => {
    const source = kind === "esModule" ? withPlatform(build, folder, file) : path.join(build, file);
    return `(name = "${file}", ${kind} = embed ${embed(source)}),`;
  });
  const bindings = [
    ...namespaces.map((name) => `(name = ${quote(name)}, kvNamespace = ${quote(`kv-${name}`)})`),
    ...settings.map(
      (name) => `(name = ${quote(name)}, fromEnvironment = ${quote(SETTING + name)})`,
    ),
    ...(objects ? objectBindings() : []),
  ];
  const services = [
    '(name = "vestibule", worker = .vestibule),',
    ...namespaces.map(
      (name) =>
        `(name = ${quote(`kv-${name}`)}, external = (address = ${quote(`unix:${kv}`)}, http = (injectRequestHeaders = [(name = "${NAMESPACE}", value = ${quote(name)})]))),`,
    ),
    objects ? `(name = "disk", disk = (path = ${quote(objects)}, writable = true)),` : "",
    // Chat servers and identity providers may be on private addresses.
    '(name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true))),',
  ];
  const entry = (/** @type {string} */ name) => `(name = "vestibule", entrypoint = "${name}")`;
  const sockets = [
    '(name = "http", http = (forwardedProtoHeader = "X-Forwarded-Proto"), service = "vestibule"),',
    `(name = "control", address = ${quote(`unix:${control}`)}, http = (), service = ${entry("Control")}),`,
    served.sharesObjects ? `(name = "objects", http = (), service = ${entry("Objects")}),` : "",
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.filter(Boolean).join("\n    ")}
  ],
  sockets = [
    ${sockets.filter(Boolean).join("\n    ")}
  ],
);
const vestibule :Workerd.Worker = (
  modules = [
    ${[...WRAPPER.map(wrapper), ...modules].join("\n    ")}
  ],
  bindings = [
    ${bindings.join(",\n    ")}
  ],
  ${objects ? storedObjects("disk") : ""}
  ${COMPATIBILITY}
);
`;
}
