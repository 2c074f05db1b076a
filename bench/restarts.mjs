/** Parts of the experiments in which servers restart: what is in front of them, and restarts in turn. */
import { setTimeout as pause } from "node:timers/promises";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { balancer } from "./fronts.mjs";

/** @typedef {import("./experiment.mjs").Run} Run */
/** @typedef {import("./chat-servers.mjs").ChatServers} ChatServers */

/** Starts each in front of the servers, and returns its URL. @type {[string, (run: Run, servers: ChatServers) => Promise<string>][]} */
export const FRONTS = [
  ["in memory, round robin", (run, servers) => haproxy(run, servers, false)],
  ["in memory, sticky", (run, servers) => haproxy(run, servers, true)],
  ["Vestibule", (run, servers) => vestibule(run, servers, {})],
  ["Vestibule, KV alone", (run, servers) => vestibule(run, servers, { CONSISTENCY: "eventual" })],
];

/**
 * Kills servers one after the other, and starts each again.
 * @param {ChatServers} servers
 * @param {{ away: number, calm: number }} pace downtime of each, and pause after it, in milliseconds
 * @param {number} [count] number of servers to restart; all by default
 */
export async function restartInTurn(servers, { away, calm }, count = servers.ports.length) {
  for (let at = 0; at < count; at += 1) {
    servers.kill(at);
    await pause(away);
    await servers.start(at);
    await pause(calm);
  }
}

/**
 * @param {Run} run
 * @param {ChatServers} servers
 * @param {boolean} isSticky
 */
async function haproxy(run, { ports }, isSticky) {
  const { url, stop } = await balancer(ports, isSticky);
  run.after(stop);
  return new URL(url).origin;
}

/**
 * @param {Run} run
 * @param {ChatServers} servers
 * @param {Record<string, string>} vars
 */
async function vestibule(run, { origins }, vars) {
  return (await Vestibule.start(run, { origins, vars })).url;
}
