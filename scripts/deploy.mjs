/** `npm run deploy`: lists what is missing, then runs `wrangler deploy`. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { build } from "./build.mjs";
import { consoleHostMissing } from "./console-host.mjs";
import { Fault, main, print } from "./progress.mjs";
import { exitCode, output } from "./run.mjs";
import { NODE, ROOT } from "./setup.mjs";

/**
 * Schedule of the health checks of origins with a health path. It is not in wrangler.toml, because the
 * development server has no schedules and would warn at every start.
 */
const CHECKS = "* * * * *";

const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

await main(async () => {
  await build();
  const missing = [...namespaces(), ...origins(), ...secrets()];
  for (const line of missing) print(`  missing: ${line}`);
  if (missing.some((line) => line.startsWith("KV"))) {
    throw new Fault(
      "Nothing was deployed: the Worker needs the KV namespace SESSIONS. Create it as described above.",
    );
  }
  const args = [WRANGLER, "deploy", "--triggers", CHECKS, ...process.argv.slice(2)];
  return (await exitCode(NODE, args, { cwd: ROOT })) ?? 1;
});

function namespaces() {
  const placeholder = /binding = "SESSIONS"\nid = "0+"/.test(configuration());
  return placeholder
    ? [
        "KV namespace SESSIONS — npx wrangler kv namespace create SESSIONS, then put its id into wrangler.toml",
      ]
    : [];
}

function origins() {
  return /^ORIGINS = "[^"]*127\.0\.0\.1/m.test(configuration())
    ? [
        "your chat servers — ORIGINS in wrangler.toml names loopback addresses, which Cloudflare cannot reach",
      ]
    : [];
}

/** Returns missing secrets. Listing them requires a sign-in to Cloudflare. */
function secrets() {
  const listed = output(NODE, [WRANGLER, "secret", "list", "--format", "json"]);
  const cure = "npx wrangler secret put SESSION_KEYS";
  if (listed === null) return [`(could not list secrets; if this is the first deploy: ${cure})`];
  const keys = listed.includes('"SESSION_KEYS"') ? [] : [`secret SESSION_KEYS — ${cure}`];
  return [...keys, ...consoleHostMissing(configuration(), listed)];
}

function configuration() {
  return readFileSync(path.join(ROOT, "wrangler.toml"), "utf8");
}
