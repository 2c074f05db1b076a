/** Measures the cost of open WebSockets for one isolate: memory, and processor time per message and while idle. */
import { setTimeout as pause } from "node:timers/promises";
import { Clients, cookiesIn, startEcho } from "./echo.mjs";
import { startNamespace } from "./namespace.mjs";
import { rounded, slope } from "./scale-figures.mjs";
import { Variant } from "./variant.mjs";
import { BARE, PUMP } from "./variants.mjs";

export const COUNTS = [1, 100, 1_000, 2_000];

/** Duration as a multiple of a round's, during which every socket sends a message a second and gets a reply. */
const LONGER = 2;

/** @type {import("./variant.mjs").Description[]} */
const WORKERS = [
  BARE,
  { name: "Vestibule", does: "as deployed: sockets are the runtime's once they are open" },
  {
    name: "Vestibule, revocable",
    does: "STREAMS=revocable: sockets pass through our own hands, and end with their session",
    vars: { STREAMS: "revocable" },
  },
  PUMP,
];

/**
 * @typedef {object} Point
 * @property {number} open
 * @property {number} resident of the process, in MiB
 * @property {number} idle processor time a second while sockets are idle, in milliseconds
 * @property {number} busy the same while every socket sends a message each second
 * @property {number} messages a second, each way counted
 */

/**
 * @typedef {object} Measured
 * @property {string} name
 * @property {string} does
 * @property {Point[]} points
 * @property {number} memory KiB a socket
 * @property {number} idle processor time a second and socket, in microseconds
 * @property {number} message processor time, in microseconds
 */

/**
 * @param {{ seconds: number }} how
 * @param {number[]} counts
 * @returns {Promise<Measured[]>}
 */
export async function measureSockets({ seconds }, counts = COUNTS) {
  const most = Math.max(...counts);
  const namespace = await startNamespace({ sessions: most });
  const sealed = cookiesIn(namespace.cookies);
  const echo = await startEcho();
  try {
    const measured = [];
    for (const worker of WORKERS) {
      const variant = new Variant({ ...worker, namespace: namespace.address });
      const clients = new Clients();
      try {
        await variant.start(echo.port);
        // Peers store sessions in their own way, so all their sockets belong to one visitor.
        clients.cookies = variant.cookie
          ? Array.from({ length: most }, () => variant.cookie)
          : sealed;
        const points = [];
        for (const count of counts) {
          await clients.open(variant.url, count);
          points.push(await point(variant, clients, seconds * LONGER));
        }
        measured.push({ name: worker.name, does: worker.does, points, ...slopes(points) });
      } finally {
        clients.close();
        variant.stop();
      }
    }
    return measured;
  } finally {
    await echo.stop();
    namespace.stop();
  }
}

/**
 * @param {Variant} variant
 * @param {Clients} clients
 * @param {number} seconds
 * @returns {Promise<Point>}
 */
async function point(variant, clients, seconds) {
  // By then the work after opening is done.
  await pause(1_000);
  const resident = variant.resident;
  const idle = await share(variant, () => pause(seconds * 1_000));
  const before = clients.received;
  const busy = await share(variant, () => clients.talk(seconds));
  return {
    open: clients.count,
    resident: rounded(resident),
    idle: rounded(idle.perSecond),
    busy: rounded(busy.perSecond),
    messages: rounded((2 * (clients.received - before)) / busy.seconds),
  };
}

/**
 * Measures processor time during an action, in milliseconds per second.
 * @param {Variant} variant
 * @param {() => Promise<unknown>} act
 */
async function share(variant, act) {
  const [began, before] = [performance.now(), variant.processorTime];
  await act();
  const seconds = (performance.now() - began) / 1_000;
  return { seconds, perSecond: (variant.processorTime - before) / 1_000 / seconds };
}

/**
 * Fits lines through all points, so that the process's own cost without sockets does not count.
 * @param {Point[]} points
 */
export function slopes(points) {
  const line = (/** @type {(point: Point) => [number, number]} */ of) => slope(points.map(of));
  return {
    memory: rounded(line(({ open, resident }) => [open, resident * 1024])),
    idle: rounded(line(({ open, idle }) => [open, idle * 1_000])),
    message: rounded(line(({ messages, idle, busy }) => [messages, (busy - idle) * 1_000])),
  };
}
