/**
 * Compares passing small events on as they come with combining those that wait for a slow client.
 * `node bench/coalescing.mjs`.
 */
import { execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { experiment } from "./experiment.mjs";
import { picture } from "./picture.mjs";
import { median, round } from "./quartiles.mjs";
import { machine } from "./recorded.mjs";
import { Variant } from "./variant.mjs";

const execute = promisify(execFile);

/**
 * The extent of a run. The system's buffers, some megabytes each, are full after the warm-up of slow clients.
 * @typedef {{ rounds: number, seconds: number, slowWarmUpMs: number }} Extent
 */

/** @type {Extent} */
const USUAL = { rounds: 2, seconds: 3, slowWarmUpMs: 8_000 };
const QUICK = { rounds: 1, seconds: 1, slowWarmUpMs: 3_000 };

/** Time for which a load of fast clients runs before it is measured, in milliseconds. */
const WARM_UP_MS = 1_000;

/** Longest time until all clients are connected, in milliseconds. */
const OPENING_MS = 15_000;

/** Longest time for which events gather, in milliseconds. */
const WAIT_MS = 5;

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {"events" | "sockets"} kind
 * @property {number} every interval between two events, in milliseconds; 0 for as fast as they are taken
 * @property {number} clients
 * @property {number} perSecond bytes that each client reads a second; 0 for all
 */

const FAST = { every: 10, clients: 32, perSecond: 0 };

/** They read 64 KiB a second. */
const SLOW = { every: 0, clients: 2, perSecond: 64 * 1024 };

/** @type {Case[]} */
const CASES = [
  { name: "SSE, fast clients", kind: "events", ...FAST },
  { name: "SSE, slow clients", kind: "events", ...SLOW },
  { name: "WebSocket, fast clients", kind: "sockets", ...FAST },
  { name: "WebSocket, slow clients", kind: "sockets", ...SLOW },
];

const PEER = "coalescing.js";

/** @type {import("./variant.mjs").Description[]} */
const VARIANTS = [
  { name: "Vestibule", does: "passes the connection through, after it chose the server" },
  {
    name: "JS pump",
    does: "forwards each event by itself, in JavaScript",
    peer: PEER,
    vars: { WAIT_MS: "0" },
  },
  {
    name: "JS pump, combined",
    does: `combines for ${WAIT_MS} ms what a client has not taken`,
    peer: PEER,
    vars: { WAIT_MS: String(WAIT_MS) },
  },
];

/**
 * @typedef {object} Measured
 * @property {number} perSecond events
 * @property {number} cost microseconds of processor time per event
 * @property {number} bytes on the wire per event
 * @property {number} segments of TCP per event
 * @property {number} median age of an event at its client, in milliseconds
 * @property {number} p99
 * @property {number} grown MiB of memory while the load runs
 */

/** @typedef {Measured & { clients: string, name: string }} CoalescingRow */

await experiment(
  {
    file: import.meta.filename,
    does: "Compares passing small events on as they come with combining those that wait for a slow client.",
    takes: "4 minutes",
  },
  async (run) => {
    const extent = run.isQuick ? QUICK : USUAL;
    const table = await measureAll(run, extent);
    const { rounds, seconds } = extent;
    const made = { ...machine(), rounds, seconds };
    return { name: "coalescing", part: { coalescing: { made, table } }, picture: drawn(table) };
  },
);

/**
 * @param {import("./experiment.mjs").Run} run
 * @param {Extent} extent
 * @returns {Promise<CoalescingRow[]>}
 */
async function measureAll(run, extent) {
  const port = await freePort();
  const script = path.join(import.meta.dirname, "event-server.mjs");
  const server = spawn(process.execPath, [script, String(port)], { stdio: "inherit" });
  run.after(() => server.kill("SIGKILL"));
  await until(() => fetch(`http://127.0.0.1:${port}/`).catch(() => null), { what: "the server" });
  /** @type {Map<string, Measured[]>} */
  const seen = new Map();
  for (let turn = 0; turn < extent.rounds; turn += 1) {
    for (const { name, ...load } of CASES) {
      for (const variant of VARIANTS) {
        const key = `${name}\n${variant.name}`;
        const measured = await measure(run, variant, load, extent, port);
        seen.set(key, [...(seen.get(key) ?? []), measured]);
      }
    }
  }
  return [...seen].map(([key, rounds]) => {
    const [clients, name] = key.split("\n");
    const of = (/** @type {keyof Measured} */ what, digits = 0) =>
      round(median(rounds.map((one) => one[what])), digits);
    return {
      clients,
      name,
      perSecond: of("perSecond"),
      cost: of("cost", 1),
      bytes: of("bytes"),
      segments: of("segments", 2),
      median: of("median"),
      p99: of("p99"),
      grown: of("grown"),
    };
  });
}

/**
 * Measures a load in a process of its own, because memory that was used once stays.
 * @param {import("./experiment.mjs").Run} run
 * @param {import("./variant.mjs").Description} description
 * @param {Omit<Case, "name">} load
 * @param {Extent} extent
 * @param {number} origin its port
 * @returns {Promise<Measured>}
 */
async function measure(run, description, load, extent, origin) {
  const { kind, every, clients, perSecond } = load;
  // At the end all clients leave at once, which a Worker that follows connections warns about.
  const variant = new Variant(description, { quiet: true });
  run.after(() => variant.stop());
  await variant.start(origin);
  const before = variant.resident;
  const script = path.join(import.meta.dirname, "event-load.mjs");
  const args = [kind, variant.url, every, clients, perSecond, variant.cookie].map(String);
  const child = fork(script, args);
  const gone = once(child, "exit");
  const failed = gone.then(([code]) => {
    throw new Error(`${description.name}: the load of ${kind} ended with ${code}`);
  });
  failed.catch(() => {});
  const report = async () => {
    const answer = once(child, "message");
    if (child.connected) child.send("how many");
    return (await Promise.race([answer, failed]))[0];
  };
  try {
    const late = pause(OPENING_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${description.name}: the clients of ${kind} do not connect`);
    });
    late.catch(() => {});
    await Promise.race([once(child, "message"), failed, late]);
    const used = variant.processorTime;
    await pause(perSecond > 0 ? extent.slowWarmUpMs : WARM_UP_MS);
    await report();
    const began = performance.now();
    await pause(extent.seconds * 1_000);
    const { events, bytes, median, p99, perEvent } = await report();
    // A slow client takes events from full buffers, so those that were sent count, from the beginning.
    const sent = await sentByTcp(variant);
    const passed = sent.bytes / perEvent;
    return {
      perSecond: (events * 1_000) / (performance.now() - began),
      cost: (variant.processorTime - used) / passed,
      bytes: bytes / events,
      segments: sent.segments / passed,
      median,
      p99,
      grown: variant.resident - before,
    };
  } finally {
    if (child.connected) child.disconnect();
    await gone;
    variant.stop();
  }
}

/** Returns the bytes, and the segments with data, that a variant has sent to its clients. @param {Variant} variant */
async function sentByTcp({ url }) {
  const { stdout } = await execute("ss", ["-tinHO", "sport", "=", `:${new URL(url).port}`]);
  const sum = (/** @type {RegExp} */ counter) =>
    [...stdout.matchAll(counter)].reduce((sum, [, count]) => sum + Number(count), 0);
  return { bytes: sum(/bytes_sent:(\d+)/g), segments: sum(/data_segs_out:(\d+)/g) };
}

/** @param {CoalescingRow[]} table */
function drawn(table) {
  const panels = CASES.map(({ name: title }) => ({
    title: `${title}: processor time per event`,
    bars: table
      .filter(({ clients }) => clients === title)
      .map(({ name, cost, p99 }) => {
        /** @type {import("./picture.mjs").Tone} */
        const tone = name.startsWith("Vestibule") ? "ours" : "other";
        const text = `${cost.toFixed(1)} µs, 99 % within ${p99} ms`;
        return { label: name, tone, value: cost, text };
      }),
  }));
  const says = "Events of 45 bytes, passed through by the runtime, by a pump, and combined by it.";
  return picture("Small events, one by one or combined", says, panels);
}
