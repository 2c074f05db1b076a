/** Runs tests in a network of their own whose kernel drops packets: a Linux namespace, of which this machine sees nothing. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { canInstall, install } from "../../scripts/debian-tools.mjs";
import { step } from "../../scripts/progress.mjs";
import { output } from "../../scripts/run.mjs";
import { countTap } from "../../scripts/test-output.mjs";
import { ROOT } from "./pages.mjs";

/** Percent of packets that are lost. */
const LOSS = 2;

/** Bandwidth of everything together. */
const RATE = "20mbit";

/** Time after which a run counts as stuck, in milliseconds: less than a test may take. */
const PATIENCE = 150_000;

const NFT = "/usr/sbin/nft";

/** The network of the namespace; then the program that is named after it. */
const SET_UP = `set -e
ip link set lo up mtu 1500
tc qdisc add dev lo root tbf rate ${RATE} burst 64kb latency 200ms
nft add table inet loss
nft 'add chain inet loss input { type filter hook input priority 0; }'
nft add rule inet loss input numgen random mod 100 '<' ${LOSS} drop
exec "$@"`;

/** Options of `unshare`: with a namespace of processes, too, none outlives the first one. */
const NAMESPACES = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** @param {string[]} command */
function unshared(command) {
  return [...NAMESPACES, "sh", "-c", SET_UP, "sh", ...command];
}

/** Installs what drops packets. Without it the tests that need it are skipped. */
export async function ensureLossyNetwork() {
  if (existsSync(NFT) || !canInstall()) return;
  await step("Installing nftables for the tests", "5 s", () => install(["nftables", "iproute2"]));
}

/** Returns why this machine cannot have such a network; false if it can. */
export function lossyNetworkMissing() {
  if (output("unshare", unshared(["true"])) !== null) return false;
  return "This machine has no network namespaces, or no nft, ip and tc in them";
}

/**
 * Runs a suite's tests there.
 * @param {string} suite
 * @param {string} pattern of the tests' names
 * @returns {Promise<{ passed: number, output: string }>}
 */
export function inLossyNetwork(suite, pattern) {
  // The runner would otherwise take itself for a part of this one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ["--test", "--test-reporter=tap", `--test-name-pattern=${pattern}`];
  // A lost reset leaves a connection open at one end, for which the runner would wait.
  args.push("--test-force-exit", suite);
  return new Promise((resolve) => {
    execFile(
      "unshare",
      unshared([process.execPath, ...args]),
      { cwd: ROOT, env, timeout: PATIENCE, killSignal: "SIGKILL" },
      (_error, output) => resolve({ passed: countTap(output).passed, output }),
    );
  });
}
