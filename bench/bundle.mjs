/** Installs the peers when one is needed, and bundles each into one file. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { step } from "../scripts/progress.mjs";
import { run } from "../scripts/run.mjs";

const PEERS = path.join(import.meta.dirname, "peers");

/** Installs the peers' packages unless those of the lock file are installed. Only the benchmark uses them. */
export async function installPeers() {
  const locked = versions("package-lock.json");
  const installed = versions("node_modules/.package-lock.json");
  if (locked.every((line) => installed.includes(line))) return;
  await step("Installing the libraries that are compared", "10 s", () =>
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: PEERS }),
  );
}

/**
 * Bundles a peer into one module that forwards to this origin.
 * @param {string} file
 * @param {string} origin host and port
 * @returns {Promise<string>}
 */
export async function bundle(file, origin) {
  const { outputFiles } = await build({
    entryPoints: [path.join(PEERS, file)],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "import", "production"],
    define: { "process.env.NODE_ENV": '"production"' },
    external: ["cloudflare:workers"],
    logLevel: "error",
    plugins: [WITHOUT_TYPES],
  });
  return outputFiles[0].text.replaceAll("ORIGIN_HOST", origin);
}

/**
 * @react-router/cloudflare imports a package that has only types.
 * @type {import("esbuild").Plugin}
 */
const WITHOUT_TYPES = {
  name: "without types",
  setup(build) {
    build.onResolve({ filter: /^@cloudflare\/workers-types$/ }, ({ path }) => ({
      path,
      namespace: "nothing",
    }));
    build.onLoad({ filter: /./, namespace: "nothing" }, () => ({ contents: "" }));
  },
};

/** Returns a lock file's packages, as `place version`. @param {string} file */
function versions(file) {
  const lock = path.join(PEERS, file);
  if (!existsSync(lock)) return [];
  const { packages } = JSON.parse(readFileSync(lock, "utf8"));
  const places = Object.keys(packages).filter((place) => place !== "");
  return places.map((place) => `${place} ${packages[place].version}`);
}
