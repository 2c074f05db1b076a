/**
 * `npm start [-- --origin URL …] [--port 8787] [--var NAME:value …]`: serves the demo or your
 * chat servers from a fresh clone.
 *
 * Sets up, builds, starts two demo chat servers (or uses yours), and serves them through the Worker
 * in `wrangler dev`, which builds again when a source changes. Ctrl-C ends everything, and so does the end of
 * the npm that runs it.
 */
import "./node-version.mjs";
import { createServer } from "node:net";
import { build } from "./build.mjs";
import { readCommandLine, wholeNumber } from "./command-line.mjs";
import { DemoOrigins } from "./demo-origins.mjs";
import { onParentEnd } from "./parent.mjs";
import { Fault, main, print } from "./progress.mjs";
import { Served } from "./served.mjs";
import { developmentAdminToken } from "./setup.mjs";

const DEFAULT_PORT = 8787;

/** An origin as in ORIGINS: `[name=]http(s)://host[:port][;attribute=value…]`, or a list of origins. */
const ORIGIN =
  /^(?:[a-z0-9][\w-]*=)?((?:discover:)?https?:\/\/[^\s;,]+|(?:srv|dns):[^\s;,]+)(?:;[^,]*)?$/i;

const SHAPE = {
  name: "npm start",
  usage: `Usage: npm start -- [options]
Builds the Worker if necessary, and serves the demo or your chat servers on this machine.
  --origin [NAME=]URL   your chat server instead of the demo's two; can be repeated
  --port NUMBER         port to serve, ${DEFAULT_PORT} by default; 0 takes a free one
  --var NAME:VALUE      a setting, as in wrangler.toml; can be repeated
  --help                prints this text`,
  options: {
    origin: {
      type: /** @type {const} */ ("string"),
      multiple: true,
      takes: "[NAME=]URL, such as http://127.0.0.1:8000",
      read: (/** @type {string} */ text) => (text.split(",").every(isOrigin) ? text : undefined),
    },
    port: { type: /** @type {const} */ ("string"), ...wholeNumber(0, 65_535) },
    var: {
      type: /** @type {const} */ ("string"),
      multiple: true,
      takes: "NAME:VALUE, such as LOG_LEVEL:warn",
      read: setting,
      secret: true,
    },
  },
  onWord: (/** @type {string} */ word) => (isOrigin(word) ? ` Did you mean --origin ${word}?` : ""),
};

await main(async () => {
  const { values } = readCommandLine(SHAPE);
  const { origin: named = [] } = values;
  const vars = Object.fromEntries(values.var ?? []);
  onParentEnd(() => process.exit(1));
  const port = await freePort(values.port ?? DEFAULT_PORT);
  await build();

  const demo = new DemoOrigins();
  const isDemo = named.length === 0;
  const token = developmentAdminToken();
  const origins = isDemo ? await demo.start(["blue", "green"]) : named;
  // The demo's page shows what happens; with your own servers the log does.
  const served = new Served(port, origins, vars, { showsLog: !isDemo });
  const stop = () => {
    demo.stop();
    served.stop();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop).on("SIGHUP", stop).on("exit", stop);
  try {
    await served.ready();
    print(`\n  Open http://localhost:${port}\n`);
    if (token) {
      print(`  console: http://localhost:${port}${served.prefix}/console/  token: ${token}\n`);
      print("  Locally the console uses this host; a deployment needs CONSOLE_HOST.\n");
    }
    for (const line of signals(port, served.prefix, vars, isDemo)) print(`  ${line}`);
    print(`\n  Vestibule forwards to ${origins.join(" and ")}. Press Ctrl-C to stop.\n`);
    return await served.ended();
  } finally {
    stop();
  }
});

/**
 * Where to look for metrics, logs and traces.
 * @param {number} port
 * @param {string} prefix
 * @param {Record<string, string>} vars
 * @param {boolean} isDemo
 */
function signals(port, prefix, { OTLP_ENDPOINT: collector }, isDemo) {
  const traces = "none; for a collector add --var OTLP_ENDPOINT:http://127.0.0.1:4318";
  return [
    `metrics: http://localhost:${port}${prefix}/admin/metrics  with Authorization: Bearer and the token`,
    `logs: ${isDemo ? "shown before servers of your own (--origin)" : "below, a JSON line each"}`,
    `traces: ${collector === undefined ? traces : `sent to ${collector}`}`,
  ];
}

/** @param {string} text */
function isOrigin(text) {
  const [, url] = text.match(ORIGIN) ?? [];
  return url !== undefined && URL.canParse(url);
}

/** Reads a setting, as in wrangler. @param {string} text `NAME:value` */
function setting(text) {
  const [, name, value] = text.match(/^([A-Z][A-Z0-9_]*):(.*)$/s) ?? [];
  return name === undefined ? undefined : [name, value];
}

/**
 * Returns the port if it is free.
 * @param {number} port 0 for any
 * @returns {Promise<number>}
 */
function freePort(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", (/** @type {NodeJS.ErrnoException} */ { code }) =>
      reject(new Fault(portFault(port, code))),
    );
    probe.listen(port, "127.0.0.1", () => {
      const taken = /** @type {import("node:net").AddressInfo} */ (probe.address()).port;
      probe.close(() => resolve(taken));
    });
  });
}

/**
 * @param {number} port
 * @param {string | undefined} code
 */
function portFault(port, code) {
  if (code === "EACCES")
    return `Port ${port} is reserved for the system. Choose one above 1023: npm start -- --port ${DEFAULT_PORT}`;
  const other = port < 65_535 ? port + 1 : DEFAULT_PORT;
  return `Port ${port} is taken. Choose another: npm start -- --port ${other}`;
}
