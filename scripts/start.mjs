/**
 * `npm start [-- --origin URL …] [--port 8787] [--var NAME:value …]`: serves the demo or your
 * chat servers from a fresh clone.
 *
 * Sets up, builds, starts two demo chat servers (or uses yours), and serves them through the Worker
 * in `wrangler dev`. Ctrl-C ends everything, and so does the end of the npm that runs it.
 */
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { DemoOrigins } from "./demo-origins.mjs";
import { onParentEnd } from "./parent.mjs";
import { Fault, main, print } from "./progress.mjs";
import { Served } from "./served.mjs";
import { developmentAdminToken } from "./setup.mjs";

const USAGE = `Usage: npm start -- [options]
  --origin [NAME=]URL   your chat server instead of the demo's two; can be repeated
  --port NUMBER         port to serve, 8787 by default
  --var NAME:VALUE      a setting, as in wrangler.toml; can be repeated`;

/**
 * @typedef {object} Choice
 * @property {string[]} origins empty for the demo's
 * @property {number} port
 * @property {Record<string, string>} vars
 */

await main(async () => {
  const { origins: named, port, vars } = chosen();
  onParentEnd(() => process.exit(1));
  await build();
  await mustBeFree(port);

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

/**
 * Reads the command line.
 * @returns {Choice}
 */
function chosen() {
  try {
    const { values } = parseArgs({
      options: {
        origin: { type: "string", multiple: true, default: [] },
        port: { type: "string", default: "8787" },
        var: { type: "string", multiple: true, default: [] },
      },
    });
    return { origins: values.origin, port: portOf(values.port), vars: varsOf(values.var) };
  } catch (error) {
    throw new Fault(`${/** @type {Error} */ (error).message}\n\n${USAGE}`);
  }
}

/** @param {string} text */
function portOf(text) {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new Error(`--port takes a number from 1 to 65535, not "${text}".`);
  return port;
}

/** @param {string[]} settings each `NAME:value`, as in wrangler */
function varsOf(settings) {
  return Object.fromEntries(
    settings.map((setting) => {
      const [, name, value] = setting.match(/^([A-Z][A-Z0-9_]*):(.*)$/s) ?? [];
      // The message does not repeat the setting, which may be a secret.
      if (name === undefined) throw new Error("--var takes NAME:VALUE, such as LOG_LEVEL:warn.");
      return [name, value];
    }),
  );
}

/** @param {number} port */
function mustBeFree(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", () =>
      reject(new Fault(`Port ${port} is taken. Choose another: npm start -- --port ${port + 1}`)),
    );
    probe.listen(port, "127.0.0.1", () => probe.close(resolve));
  });
}
