/**
 * Installs what suites need beyond npm: browsers, Prometheus, Redis, rsyslog, proxies, a collector, systemd, chat servers, and Workers built for tests.
 * It runs before the suites begin, which would otherwise install things twice, or wait for each other's build.
 *
 * `node scripts/test-tools.mjs SUITE…`
 */
import "./node-version.mjs";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ensureGradio } from "../tests/apps/gradio.mjs";
import { ensureOpenWebUi } from "../tests/apps/open-webui.mjs";
import { ensureStreamlit } from "../tests/apps/streamlit.mjs";
import { ensureChainlit } from "../tests/chainlit/venv.mjs";
import { collectorMissing } from "../tests/harness/collector.mjs";
import { ensureLossyNetwork } from "../tests/harness/lossy-network.mjs";
import { ensureSystemd } from "../tests/harness/systemd-machine.mjs";
import { ensureKit } from "../tests/kit/venv.mjs";
import { ensureSchemathesis } from "../tests/openapi/venv.mjs";
import { ensureChromium, ensureFirefoxAndWebKit } from "./browsers.mjs";
import { buildEmbed, buildPlanted } from "./build.mjs";
import { readCommandLine } from "./command-line.mjs";
import { buildNodeKit } from "./node-kit.mjs";
import { Fault, main, print } from "./progress.mjs";
import { ensurePrometheus } from "./prometheus.mjs";
import { ensureRedis } from "./redis.mjs";
import { ensureRsyslog } from "./rsyslog.mjs";
import { ROOT } from "./setup.mjs";
import { ensureProxies } from "./tls-proxies.mjs";

/** A module that the suite imports, and the function that installs its program. */
/** @typedef {[string, () => Promise<unknown>]} Tool */

/** By apt-get, which runs once at a time. @type {Tool[]} */
const BY_APT = [
  ["tests/browser/chromium.mjs", ensureChromium],
  ["tests/browser/browsers.mjs", ensureFirefoxAndWebKit],
  ["tests/harness/prometheus.mjs", ensurePrometheus],
  ["tests/harness/redis.mjs", ensureRedis],
  ["tests/harness/rsyslog.mjs", ensureRsyslog],
  ["tests/harness/tls-proxies.mjs", ensureProxies],
  ["tests/harness/collector.mjs", collectorMissing],
  ["tests/harness/lossy-network.mjs", ensureLossyNetwork],
  ["tests/harness/systemd-machine.mjs", ensureSystemd],
];

/** By pip. @type {Tool[]} */
const BY_PIP = [
  ["tests/chainlit/venv.mjs", ensureChainlit],
  ["tests/apps/streamlit.mjs", ensureStreamlit],
  ["tests/apps/gradio.mjs", ensureGradio],
  ["tests/apps/open-webui.mjs", ensureOpenWebUi],
  ["tests/openapi/venv.mjs", ensureSchemathesis],
  ["tests/kit/venv.mjs", ensureKit],
];

/** By TypeScript's compiler. @type {Tool[]} */
const BY_TSC = [["tests/kit/node-server.mjs", buildNodeKit]];

/** By cargo. @type {Tool[]} */
const BY_CARGO = [
  ["tests/harness/planted.mjs", buildPlanted],
  ["tests/embed.test.mjs", buildEmbed],
];

/**
 * Installs what these suites need. A program that cannot be installed fails only the suites that need it.
 * @param {string[]} files
 */
async function installFor(files) {
  const imported = new Set(files.flatMap((file) => [...importsOf(file)]));
  const install = async (/** @type {Tool[]} */ tools) => {
    for (const [module, ensure] of tools.filter(([module]) => imported.has(module))) {
      await ensure().catch((error) => {
        if (!(error instanceof Fault)) throw error;
        print(`• ${module}: its program could not be installed: ${error.message}`);
      });
    }
  };
  await Promise.all([BY_APT, BY_PIP, BY_TSC, BY_CARGO].map(install));
}

/**
 * Collects the project's modules that a module imports, directly or not.
 * @param {string} file
 * @param {Set<string>} seen
 */
function importsOf(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  const source = readFileSync(path.join(ROOT, file), "utf8");
  for (const [, name] of source.matchAll(/^(?:import|export|\}) .*?from "(\.[^"]+\.mjs)";$/gm)) {
    importsOf(path.join(path.dirname(file), name), seen);
  }
  return seen;
}

await main(async () => {
  const { words } = readCommandLine({
    name: "node scripts/test-tools.mjs",
    usage: `Usage: node scripts/test-tools.mjs [SUITE …]
Installs what suites need beyond npm, such as browsers. SUITE is a path, such as tests/start.test.mjs.
  --help   prints this text`,
    words: "[SUITE …]",
  });
  for (const suite of words) {
    if (!existsSync(path.join(ROOT, suite))) throw new Fault(`There is no suite ${suite}.`);
  }
  await installFor(words);
});
