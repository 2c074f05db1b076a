/**
 * Measures processor time per message of open WebSockets and event streams: that of the whole workerd
 * process over counted messages, in interleaved rounds.
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { against, median, round } from "./quartiles.mjs";
import { aligned, markdown, spread } from "./report.mjs";
import { Variant } from "./variant.mjs";
import { BARE, EACH, PUMP, REVOCABLE } from "./variants.mjs";

/** Time for which a load runs before it is measured, in milliseconds. */
const WARM_UP = 500;

/** Number of parts of a round, to check that the load was steady. */
const PARTS = 4;

/** @typedef {"sockets" | "events"} Kind */

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {Kind} kind
 * @property {import("./variant.mjs").Description} variant
 * @property {string} floor name of the case to compare with
 */

/** @type {Case[]} */
export const CASES = [
  { name: "WebSocket, bare JS", kind: "sockets", variant: BARE, floor: "WebSocket, bare JS" },
  { name: "WebSocket, Vestibule", kind: "sockets", variant: EACH, floor: "WebSocket, bare JS" },
  { name: "WebSocket, JS pump", kind: "sockets", variant: PUMP, floor: "WebSocket, JS pump" },
  {
    name: "WebSocket, Vestibule, revocable",
    kind: "sockets",
    variant: REVOCABLE,
    floor: "WebSocket, JS pump",
  },
  { name: "SSE, bare JS", kind: "events", variant: BARE, floor: "SSE, bare JS" },
  { name: "SSE, Vestibule", kind: "events", variant: EACH, floor: "SSE, bare JS" },
  { name: "SSE, Vestibule, revocable", kind: "events", variant: REVOCABLE, floor: "SSE, bare JS" },
];

/**
 * @typedef {object} MessageRow
 * @property {string} name
 * @property {string} floor
 * @property {number} cost microseconds of processor time per message
 * @property {number} ratio
 * @property {number} [low] quartiles of the ratio
 * @property {number} [high]
 * @property {number} perSecond messages
 * @property {number} busy share of one processor that the process used
 * @property {number} steady messages in the slowest part of a round, relative to the mean
 */

/** @typedef {{ cost: number, perSecond: number, busy: number, steady: number }} Measured */

/**
 * @param {number} rounds
 * @param {number} seconds
 * @returns {Promise<MessageRow[]>}
 */
export async function messageTimes(rounds, seconds) {
  const server = await startServer();
  // At the end of a round all clients leave, and a Worker that follows connections warns about that.
  const variants = new Map(
    CASES.map(({ variant }) => [variant, new Variant(variant, { quiet: true })]),
  );
  /** @type {Map<string, Measured[]>} */
  const measured = new Map(CASES.map(({ name }) => [name, []]));
  try {
    for (const variant of variants.values()) await variant.start(server.port);
    // V8 compiles during the first round, which does not count.
    for (let turn = -1; turn < rounds; turn += 1) {
      for (const { name, kind, variant } of CASES) {
        const running = /** @type {Variant} */ (variants.get(variant));
        const one = await measure(running, kind, seconds);
        if (turn >= 0) measured.get(name)?.push(one);
      }
    }
  } finally {
    for (const variant of variants.values()) variant.stop();
    server.stop();
  }
  const of = (/** @type {string} */ name, /** @type {keyof Measured} */ what) =>
    (measured.get(name) ?? []).map((one) => one[what]);
  return CASES.map(({ name, floor }) => ({
    name,
    floor,
    cost: round(median(of(name, "cost")), 1),
    ...against(of(name, "cost"), of(floor, "cost")),
    perSecond: round(median(of(name, "perSecond")), 0),
    busy: round(median(of(name, "busy")), 2),
    steady: round(median(of(name, "steady")), 2),
  }));
}

/**
 * @param {Variant} variant
 * @param {Kind} kind
 * @param {number} seconds
 * @returns {Promise<Measured>}
 */
async function measure(variant, kind, seconds) {
  const script = path.join(import.meta.dirname, "message-load.mjs");
  const load = fork(script, [kind, variant.url, variant.cookie]);
  const gone = once(load, "exit");
  const failed = gone.then(([code]) => {
    throw new Error(`${variant.description.name}: the load of ${kind} ended with ${code}`);
  });
  const nextCount = async () => {
    const [answer] = await Promise.race([once(load, "message"), failed]);
    return Number(answer);
  };
  try {
    await nextCount();
    await pause(WARM_UP);
    const moment = async () => {
      const answer = nextCount();
      load.send("how many");
      return { passed: await answer, used: variant.processorTime, at: performance.now() };
    };
    const moments = [await moment()];
    while (moments.length <= PARTS) {
      await pause((seconds * 1_000) / PARTS);
      moments.push(await moment());
    }
    return figures(moments);
  } finally {
    failed.catch(() => {});
    if (load.connected) load.disconnect();
    await gone;
  }
}

/** @typedef {{ passed: number, used: number, at: number }} Moment messages and microseconds so far, and the time */

/**
 * @param {Moment[]} moments
 * @returns {Measured}
 */
function figures(moments) {
  const rates = moments.slice(1).map(({ passed, at }, before) => {
    const since = moments[before];
    return ((passed - since.passed) * 1_000) / (at - since.at);
  });
  const [begin, end] = [moments[0], moments[moments.length - 1]];
  const used = end.used - begin.used;
  const passed = end.passed - begin.passed;
  const elapsed = end.at - begin.at;
  const perSecond = (passed * 1_000) / elapsed;
  return {
    cost: used / passed,
    perSecond,
    busy: used / (elapsed * 1_000),
    steady: Math.min(...rates) / perSecond,
  };
}

async function startServer() {
  const port = await freePort();
  const script = path.join(import.meta.dirname, "message-server.mjs");
  const server = spawn(process.execPath, [script, String(port)], { stdio: "inherit" });
  await until(() => fetch(`http://127.0.0.1:${port}/`).catch(() => null), { what: "the server" });
  return { port, stop: () => server.kill("SIGKILL") };
}

const HEAD = ["", "CPU µs", "×", "quartiles", "of", "messages/s", "steady", "busy"];

/** @param {MessageRow[]} table */
function body(table) {
  return table.map((row) => {
    const { name, floor, cost, ratio, perSecond, steady, busy } = row;
    return [
      name,
      cost.toFixed(1),
      ratio.toFixed(2),
      spread(row),
      floor.split(", ")[1],
      perSecond.toFixed(0),
      `${(steady * 100).toFixed(0)} %`,
      `${(busy * 100).toFixed(0)} %`,
    ];
  });
}

/** @param {MessageRow[]} table */
export function messagesInMarkdown(table) {
  return markdown(HEAD, body(table));
}

/** @param {MessageRow[]} table */
export function messagesAsText(table) {
  return `per message\n${aligned(HEAD, body(table))}`;
}
