/** `npm run deploy`: refuses what cannot work, then builds and runs `wrangler deploy`. */
import "./node-version.mjs";
import { readFileSync } from "node:fs";
import path from "node:path";
import { CloudflareAccount } from "./cloudflare-account.mjs";
import { readCommandLine } from "./command-line.mjs";
import { configurationFaults, secretFaults } from "./deploy-checks.mjs";
import { hasSources, nodeForWrangler, ROOT, WRANGLER } from "./places.mjs";
import { Fault, main, print } from "./progress.mjs";
import { exitCode } from "./run.mjs";
import { readConfig } from "./tenant-store.mjs";

/**
 * Schedule of the health checks of origins with a health path. It is not in wrangler.toml, because the
 * development server has no schedules and would warn at every start.
 */
const CHECKS = "* * * * *";

const SHAPE = {
  name: "npm run deploy",
  usage: `Usage: npm run deploy -- [options] [-- OPTION-OF-WRANGLER …]
Refuses a deployment that cannot work, builds the Worker if necessary, and runs wrangler deploy.
  --env NAME           an environment of wrangler.toml, such as staging
  --config FILE        a file in place of wrangler.toml
  --secrets-file FILE  secrets to deploy with the Worker, a NAME=value per line or JSON
  --without-console    deploys with ADMIN_TOKEN and without CONSOLE_HOST: the console stays closed
  --dry-run            checks the configuration, builds and bundles; uploads nothing, needs no account
  --help               prints this text
What follows another -- goes to wrangler deploy: npm run deploy -- -- --message "a text"`,
  options: {
    env: { type: /** @type {const} */ ("string"), takes: "the name of an environment" },
    config: { type: /** @type {const} */ ("string"), takes: "a file like wrangler.toml" },
    "secrets-file": { type: /** @type {const} */ ("string"), takes: "a file" },
    "without-console": { type: /** @type {const} */ ("boolean") },
    "dry-run": { type: /** @type {const} */ ("boolean") },
  },
  rest: true,
  onWord: (/** @type {string} */ word) => ` Did you mean --env ${word}?`,
};

await main(async () => {
  const { values, rest } = readCommandLine(SHAPE);
  const file = path.resolve(values.config ?? path.join(ROOT, "wrangler.toml"));
  const isDry = values["dry-run"] === true;
  if (hasSources()) {
    const { setUp } = await import("./setup.mjs");
    await setUp();
  }
  const env = values.env ?? process.env.CLOUDFLARE_ENV;
  const config = readConfig(file, env);
  const secrets = [
    ...(isDry ? [] : await deployedSecrets(config)),
    ...secretsIn(values["secrets-file"]),
  ];
  const withoutConsole = values["without-console"] === true;
  const ofSecrets = isDry ? [] : secretFaults(config, secrets, { env, withoutConsole });
  // Cloudflare's own builds deploy the Worker first, and then the secrets that the button asked for.
  const isLater = Boolean(process.env.WORKERS_CI);
  const faults = [...configurationFaults(config, secrets), ...(isLater ? [] : ofSecrets)];
  if (isLater) for (const fault of ofSecrets) print(`  not there yet: ${fault}.`);
  for (const fault of faults) print(`  missing: ${fault}.`);
  if (faults.length > 0)
    throw new Fault("Nothing was deployed: the Worker could not work. See above.");
  if (isDry) print("  Secrets are not checked in a dry run.");
  if (hasSources()) {
    const { build } = await import("./build.mjs");
    await build();
  }
  const given = [
    ...(values.config ? ["--config", file] : []),
    // Without a name wrangler would warn if the file has environments.
    `--env=${env ?? ""}`,
    ...(values["secrets-file"] ? ["--secrets-file", values["secrets-file"]] : []),
    ...(isDry ? ["--dry-run"] : []),
  ];
  const args = [WRANGLER, "deploy", "--triggers", CHECKS, ...given, ...rest];
  return (await exitCode(nodeForWrangler(), args, { cwd: ROOT })) ?? 1;
});

/**
 * Returns the names of the Worker's secrets. A Worker that is not there yet has none.
 * @param {import("./tenant-store.mjs").Config} config
 * @returns {Promise<string[]>}
 */
async function deployedSecrets(config) {
  const account = new CloudflareAccount(config);
  const text = await account.textOrNull(`/workers/scripts/${config.name}/secrets`);
  if (text === null) return [];
  return JSON.parse(text).result.map((/** @type {{ name: string }} */ { name }) => name);
}

/** Returns the names in a file of secrets. @param {string | undefined} file @returns {string[]} */
function secretsIn(file) {
  if (file === undefined) return [];
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new Fault(`There is no file ${file}.`);
  }
  try {
    return Object.keys(JSON.parse(text));
  } catch {
    return Array.from(
      text.matchAll(/^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*\S/gm),
      ([, name]) => name,
    );
  }
}
