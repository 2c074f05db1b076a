/**
 * `npm run serve [-- OPTIONS]`: builds the Worker, then serves it on this machine without Cloudflare. A server without
 * Rust starts `serve/main.mjs` over a finished build.
 */
import "./node-version.mjs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import util from "node:util";
import { build } from "./build.mjs";
import { onParentEnd } from "./parent.mjs";
import { main } from "./progress.mjs";
import { NODE, ROOT } from "./setup.mjs";

/** Options that do not serve. */
const SHOWS = ["--help", "-h"];

await main(async () => {
  const args = process.argv.slice(2);
  if (!args.some((word) => SHOWS.includes(word))) {
    // A mistake is said before the build; it needs a function that the oldest Node for a build lacks.
    if ("parseEnv" in util) (await import("../serve/options.mjs")).readOptions(args, process.env);
    await build();
  }
  const child = spawn(NODE, [path.join(ROOT, "serve/main.mjs"), ...args], { stdio: "inherit" });
  const ended = once(child, "exit");
  const stop = () => child.kill("SIGTERM");
  // The terminal sends SIGINT to the child as well.
  process
    .on("SIGINT", () => {})
    .on("SIGTERM", stop)
    .on("SIGHUP", stop);
  onParentEnd(stop);
  const [code] = await ended;
  return code ?? 1;
});
