/**
 * `npm start [-- --origin URL …] [--port 8787]`: everything, from a fresh clone to a page to open.
 *
 * Sets up, builds, starts two demo chat servers (or uses yours), and serves them through the Worker
 * in `wrangler dev`. Ctrl-C ends it all.
 */
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { DemoOrigins } from "./demo-origins.mjs";
import { Fault, main, say } from "./progress.mjs";
import { Served } from "./served.mjs";
import { developmentAdminToken } from "./setup.mjs";

await main(async () => {
  const { values } = parseArgs({
    options: {
      origin: { type: "string", multiple: true, default: [] },
      port: { type: "string", default: "8787" },
    },
  });
  const port = Number(values.port);
  await build();
  await mustBeFree(port);

  const demo = new DemoOrigins();
  const isDemo = values.origin.length === 0;
  const token = isDemo ? developmentAdminToken() : "";
  const origins = isDemo ? await demo.start(["blue", "green"]) : values.origin;
  const served = new Served(port, origins);
  const stop = () => {
    demo.stop();
    served.stop();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop).on("exit", stop);
  try {
    await served.ready();
    say(`\n  Open http://localhost:${port}\n`);
    if (token) say(`  console: http://localhost:${port}/_session/console/  token: ${token}\n`);
    say(`  In front of ${origins.join(" and ")}. Ctrl-C ends it.\n`);
    return await served.ended();
  } finally {
    stop();
  }
});

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
