/**
 * Serves the built Worker on workerd, without wrangler and without Cloudflare: `npm run serve`.
 *
 * This process has the KV service and supervises the runtime. SIGTERM and SIGINT stop both gracefully, a second signal
 * at once. Exit codes: `exit.mjs`.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { print } from "../scripts/progress.mjs";
import { configuration, isBuilt } from "./config.mjs";
import { Failure } from "./exit.mjs";
import { Listener } from "./listener.mjs";
import { readOptions, USAGE } from "./options.mjs";

/** @import { Options } from "./options.mjs" */

const BUILD = path.resolve(import.meta.dirname, "../build");

/** Interval of the schedule, in milliseconds. */
const MINUTE_MS = 60_000;

/** Minimum interval between two lines about an unavailable store, in milliseconds. */
const REPORT_EVERY_MS = 10_000;

/** Things to close at the end, the last first. @type {(() => unknown)[]} */
const ends = [];

/** Prints a line for operators. Log lines of the Worker go to standard output. @param {string} line */
function say(line) {
  process.stderr.write(`vestibule: ${line}\n`);
}

/** Tells systemd the state of this service, if it asks for it. @param {string} state */
function notify(state) {
  if (process.env.NOTIFY_SOCKET) spawnSync("systemd-notify", [state]);
}

/** @param {Options} options */
async function serve(options) {
  if (!isBuilt(BUILD))
    throw new Failure("configuration", "build/ is missing. Make it with: npm run build");
  const { DataFolder } = await import("./data.mjs").catch(() => {
    throw new Failure(
      "configuration",
      `Node ${process.version} has no SQLite. Use node_modules/.bin/node.`,
    );
  });
  const data = new DataFolder(options.data);
  ends.push(() => data.close());
  const store = await openStore(options, data);
  const socket = path.join(data.run, "kv.sock");
  const { serveKv } = await import("./kv/service.mjs");
  const kv = await serveKv(
    store,
    socket,
    sparsely(REPORT_EVERY_MS, (error) => {
      say(`The KV service's store is unavailable: ${error.message}`);
    }),
  );
  ends.push(() => kv.close());

  const isHere = options.objects === undefined;
  /** @type {Record<string, string>} */
  const settings = {
    ...options.settings,
    SESSION_KEYS: options.settings.SESSION_KEYS || data.sessionKeys(),
    SERVE_PROXIES: options.proxies,
    ...(options.objectsToken && { OBJECTS_TOKEN: options.objectsToken }),
    ...(options.objects?.includes("://") && { SERVE_OBJECTS_URL: options.objects }),
  };
  const config = path.join(data.run, "workerd.capnp");
  const control = path.join(data.run, "control.sock");
  const listen = async (/** @type {{ host: string, port: number }} */ { host, port }) => {
    const listener = await Listener.open(host, port);
    ends.push(() => listener.close());
    return listener;
  };
  /** @type {Record<string, Listener>} */
  const sockets = { http: await listen(options) };
  if (options.objectsAddress) sockets.objects = await listen(options.objectsAddress);
  const served = {
    folder: data.run,
    build: BUILD,
    control,
    kv: socket,
    namespaces: options.namespaces,
    settings: Object.keys(settings),
    objects: isHere ? data.objects : undefined,
    sharesObjects: options.objectsAddress !== undefined,
  };
  writeFileSync(config, configuration(served), { mode: 0o600 });

  const { Runtime } = await import("./runtime.mjs");
  const runtime = new Runtime({
    config,
    control,
    pidFile: data.pid,
    settings,
    sockets,
    print: say,
  });
  ends.push(() => runtime.stop(0));
  const stopped = new Promise((resolve) => {
    for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT", "SIGHUP"]))
      process.on(signal, () => resolve(signal));
  });
  const health = `${settings.PREFIX ?? "/_session"}/healthz`;
  const running = runtime.start(health).then(() => {
    notify("--ready");
    void runtime.tick();
    const host = options.host.includes(":") ? `[${options.host}]` : options.host;
    say(`Serving http://${host}:${options.port} over ${options.data}.`);
    return runtime.keepRunning(health);
  });
  const timer = setInterval(() => void runtime.tick(), MINUTE_MS);
  ends.push(() => clearInterval(timer));

  await Promise.race([running, stopped]);
  notify("--stopping");
  say(`Stopping: open requests have ${options.graceMs / 1000} s.`);
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"]))
    process.on(signal, () => runtime.kill());
  const inTime = await runtime.stop(options.graceMs);
  say(inTime ? "Stopped." : "Stopped; connections that were still open were cut.");
}

/**
 * Opens the store of KV, and claims its objects for this data folder.
 * @param {Options} options
 * @param {import("./data.mjs").DataFolder} data
 */
async function openStore(options, data) {
  if (options.kv === undefined) {
    const { SqliteStore } = await import("./kv/sqlite.mjs");
    return new SqliteStore(data.kv);
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
