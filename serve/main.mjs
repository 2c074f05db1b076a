/**
 * Serves the built Worker on workerd, without wrangler and without Cloudflare: `npm run serve`.
 *
 * This process has the KV service and supervises the runtime. SIGTERM and SIGINT stop both gracefully, a second signal
 * at once. Exit codes: `exit.mjs`.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { print } from "../scripts/progress.mjs";
import { configuration, isBuilt } from "./config.mjs";
import { Failure } from "./exit.mjs";
import { serveKv } from "./kv/service.mjs";
import { Listener } from "./listener.mjs";
import { removeEmptyObjects } from "./object-files.mjs";
import { readOptions, USAGE } from "./options.mjs";
import { endLeftover, Runtime } from "./runtime.mjs";

/** @import { DataFolder } from "./data.mjs" */
/** @import { Options } from "./options.mjs" */

const BUILD = path.resolve(import.meta.dirname, "../build");

/** @type {NodeJS.Signals[]} */
const STOPPING = ["SIGTERM", "SIGINT", "SIGHUP"];

/** Interval of the schedule, in milliseconds. */
const MINUTE_MS = 60_000;

/** Minimum interval between two lines about an unavailable store, in milliseconds. */
const REPORT_EVERY_MS = 10_000;

/** Things to close at the end, the last first. @type {(() => unknown)[]} */
const ends = [];

/** Prints a line for operators. @param {string} line */
function say(line) {
  process.stderr.write(`vestibule: ${line}\n`);
}

/** Tells systemd the state of this service, if it asks for it. @param {string} state */
function notify(state) {
  if (!process.env.NOTIFY_SOCKET) return;
  // Without the program, systemd reports that this service did not start in time.
  spawn("systemd-notify", [state], { stdio: "ignore" }).on("error", () => {});
}

/** @param {Options} options */
async function serve(options) {
  if (!isBuilt(BUILD))
    throw new Failure("configuration", "build/ is missing. Make it with: npm run build");
  const data = await openData(options);
  const kv = await openKv(options, data);
  await endLeftover(data.pid);
  removeEmptyObjects(data.objects);
  const runtime = await prepareRuntime(options, data, kv);
  const stopped = new Promise((resolve) => {
    for (const signal of STOPPING) process.on(signal, () => resolve(signal));
  });
  await Promise.race([run(runtime, options), stopped]);
  notify("--stopping");
  say(`Stopping: open requests have ${options.graceMs / 1000} s.`);
  for (const signal of STOPPING) process.on(signal, () => runtime.kill());
  const inTime = await runtime.stop(options.graceMs);
  say(inTime ? "Stopped." : "Stopped; connections that were still open were cut.");
}

/** Starts the runtime, and keeps it running. @param {Runtime} runtime @param {Options} options */
async function run(runtime, { settings, host, port, data }) {
  const health = `${settings.PREFIX ?? "/_session"}/healthz`;
  await runtime.start(health);
  void runtime.tick();
  const timer = setInterval(() => void runtime.tick(), MINUTE_MS);
  ends.push(() => clearInterval(timer));
  notify("--ready");
  say(`Serving http://${host.includes(":") ? `[${host}]` : host}:${port} over ${data}.`);
  await runtime.keepRunning(health);
}

/** Opens and locks the data folder. @param {Options} options */
async function openData(options) {
  const { DataFolder } = await import("./data.mjs").catch(() => {
    const message = `Node ${process.version} has no SQLite. Use node_modules/.bin/node.`;
    throw new Failure("configuration", message);
  });
  const data = new DataFolder(options.data);
  ends.push(() => data.close());
  return data;
}

/**
 * Starts the KV service.
 * @param {Options} options
 * @param {DataFolder} data
 * @returns {Promise<string>} the path of its socket
 */
async function openKv(options, data) {
  const store = await openStore(options, data);
  const socket = path.join(data.run, "kv.sock");
  const report = sparsely(REPORT_EVERY_MS, (error) => {
    say(`The KV service's store is unavailable: ${error.message}`);
  });
  const kv = await serveKv(store, socket, report);
  ends.push(() => kv.close());
  return socket;
}

/**
 * Opens the sockets, and writes the runtime's configuration.
 * @param {Options} options
 * @param {DataFolder} data
 * @param {string} kv path of the KV service's socket
 */
async function prepareRuntime(options, data, kv) {
  const { objects, objectsAddress, objectsToken, namespaces, proxies } = options;
  /** @type {Record<string, string>} */
  const settings = {
    ...options.settings,
    SESSION_KEYS: options.settings.SESSION_KEYS || data.sessionKeys(),
    SERVE_PROXIES: proxies,
    ...(objectsToken && { OBJECTS_TOKEN: objectsToken }),
    ...(objects?.includes("://") && { SERVE_OBJECTS_URL: objects }),
  };
  /** @type {Record<string, Listener>} */
  const sockets = { http: await listen(options) };
  if (objectsAddress) sockets.objects = await listen(objectsAddress);
  const config = path.join(data.run, "workerd.capnp");
  const control = path.join(data.run, "control.sock");
  const text = configuration({
    folder: data.run,
    build: BUILD,
    control,
    kv,
    namespaces,
    settings: Object.keys(settings),
    objects: objects === undefined ? data.objects : undefined,
    sharesObjects: objectsAddress !== undefined,
  });
  writeFileSync(config, text, { mode: 0o600 });
  const runtime = new Runtime({
    config,
    control,
    pidFile: data.pid,
    settings,
    sockets,
    print: say,
  });
  ends.push(() => runtime.stop(0));
  return runtime;
}

/** @param {{ host: string, port: number }} address */
async function listen({ host, port }) {
  const listener = await Listener.open(host, port);
  ends.push(() => listener.close());
  return listener;
}

/**
 * Opens the store of KV, and claims its objects for this data folder.
 * @param {Options} options
 * @param {DataFolder} data
 */
async function openStore(options, data) {
  if (options.kv === undefined) {
    const { SqliteStore } = await import("./kv/sqlite.mjs");
    try {
      return new SqliteStore(data.kv);
    } catch (error) {
      throw new Failure("unavailable", `${data.kv}: ${/** @type {Error} */ (error).message}`);
    }
  }
  const { RedisStore } = await import("./kv/redis.mjs");
  const { host } = new URL(options.kv);
  const store = new RedisStore(options.kv, options.namespaces);
  await store.open().catch((error) => {
    throw new Failure(
      "unavailable",
      `--kv: ${host} cannot be used: ${error.message || error.code}`,
    );
  });
  ends.push(() => store.close());
  for (const warning of await store.warnings()) say(`warning: ${host}: ${warning}`);
  if (options.objects !== undefined) return store;
  const place = `${hostname()}:${options.data}`;
  const other = await store.claimObjects(data.id, place, options.takesObjects);
  if (other !== null) {
    throw new Failure(
      "configuration",
      `The Durable Objects of these sessions are in ${other}. They order each session's changes, so there is one place for them.
  Call them there: --objects http://HOST:PORT, with --objects-listen on that machine.
  Or do without them: --objects none --var CONSISTENCY:eventual.
  If that folder is lost for good: --take-objects. Sign-outs of the last days may then be undone.`,
    );
  }
  return store;
}

/**
 * Returns a function that acts at most once in a time.
 * @param {number} everyMs
 * @param {(error: Error) => void} act
 */
function sparsely(everyMs, act) {
  let last = 0;
  return (/** @type {Error} */ error) => {
    if (Date.now() - last < everyMs) return;
    last = Date.now();
    act(error);
  };
}

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options) await serve(options);
  else print(USAGE);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.code;
} finally {
  for (const end of ends.reverse()) await end();
}
process.exit(process.exitCode ?? 0);
