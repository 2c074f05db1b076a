/**
 * Restarts four chat servers under load one after the other, then scales from two to four and back. It compares
 * sessions in the servers' memory behind HAProxy (round robin, and sticky) with sessions at the edge:
 * `node bench/rolling.mjs`, 3 minutes; fills in docs/internals/experiments.md and draws docs/internals/rolling.svg.
 */
import { spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { concluded } from "./concluded.mjs";
import { balancer } from "./fronts.mjs";
import { picture } from "./picture.mjs";
import { machine } from "./recorded.mjs";
import { Visitors } from "./visitors.mjs";

/** Pause between two changes of servers, in milliseconds. */
const CALM = 2_500;

/** Downtime of a restarted server, in milliseconds. */
const AWAY = 1_000;

/** @typedef {{ phase: string, name: string } & import("./visitors.mjs").Outcome} RollingRow */

/** The servers of a run, some of which are up. */
class Servers {
  /** @type {(import("node:child_process").ChildProcess | undefined)[]} */
  #processes = [];
  /** @type {number[]} */
  ports = [];

  /** @param {number} count */
  async open(count) {
    for (let at = 0; at < count; at += 1) this.ports.push(await freePort());
  }

  /** @param {number[]} which */
  async start(...which) {
    for (const at of which) {
      const script = path.join(import.meta.dirname, "chat-server.mjs");
      const args = [script, `s${at}`, String(this.ports[at])];
      this.#processes[at] = spawn(process.execPath, args, { stdio: "inherit" });
    }
    const up = (/** @type {number} */ at) =>
      fetch(`http://127.0.0.1:${this.ports[at]}/mood`).catch(() => null);
    await Promise.all(which.map((at) => until(() => up(at))));
  }

  /** @param {number[]} which */
  kill(...which) {
    for (const at of which) this.#processes[at]?.kill("SIGKILL");
  }
}

/** @type {Record<string, { first: number[], act: (servers: Servers) => Promise<void> }>} */
const PHASES = {
  "rolling restart of four": {
    first: [0, 1, 2, 3],
    async act(servers) {
      for (const at of servers.ports.keys()) {
        servers.kill(at);
        await pause(AWAY);
        await servers.start(at);
        await pause(CALM);
      }
    },
  },
  "two, four, two": {
    first: [0, 1],
    async act(servers) {
      await servers.start(2, 3);
      await pause(2 * CALM);
      servers.kill(2, 3);
      await pause(2 * CALM);
    },
  },
};

/** @typedef {{ url: string, stop: () => Promise<void> }} Front */

/** @type {[string, (ports: number[]) => Promise<Front>][]} */
const FRONTS = [
  ["in memory, round robin", (ports) => balancer(ports, false)],
  ["in memory, sticky", (ports) => balancer(ports, true)],
  ["Vestibule", (ports) => vestibule(ports, {})],
  ["Vestibule, KV alone", (ports) => vestibule(ports, { CONSISTENCY: "eventual" })],
];

/** @type {RollingRow[]} */
const table = [];
for (const [phase, { first, act }] of Object.entries(PHASES)) {
  for (const [name, open] of FRONTS) {
    const servers = new Servers();
    await servers.open(4);
    await servers.start(...first);
    const front = await open(servers.ports);
    const visitors = new Visitors(new URL(front.url).origin);
    await pause(CALM);
    await act(servers);
    table.push({ phase, name, ...(await visitors.leave()) });
    await front.stop();
    servers.kill(0, 1, 2, 3);
  }
}
concluded("rolling", { rolling: { made: machine(), table } }, drawn(table));

/**
 * @param {number[]} ports
 * @param {Record<string, string>} vars
 * @returns {Promise<Front>}
 */
async function vestibule(ports, vars) {
  /** @type {(() => unknown)[]} */
  const ends = [];
  const scope = { after: (/** @type {() => Promise<void>} */ end) => void ends.push(end) };
  const origins = ports.map((port, at) => `s${at}=http://127.0.0.1:${port}`);
  const { url } = await Vestibule.start(scope, { origins, vars });
  const stop = async () => {
    for (const end of ends.reverse()) await end();
  };
  return { url, stop };
}

/** @param {RollingRow[]} rows */
function drawn(rows) {
  const panels = Object.keys(PHASES).map((title) => {
    const bars = rows
      .filter(({ phase }) => phase === title)
      .map(({ name, lost, average, p99 }) => {
        /** @type {import("./picture.mjs").Tone} */
        const tone = lost > 0 ? "bad" : "good";
        const text = `${lost.toFixed(1)} % · ${average.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`;
        return { label: name, value: lost, text, tone };
      });
    return { title, bars, most: 100 };
  });
  return picture(
    "Conversations lost while servers come and go",
    "Of conversations with eight messages, each of which changes the session. Behind it how long answers take.",
    panels,
  );
}
