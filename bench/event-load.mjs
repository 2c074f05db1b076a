/**
 * Receives small events through a Worker, in a separate process, and checks that none is missing or out of order.
 * `fork("bench/event-load.mjs", [KIND, URL, EVERY, CLIENTS, BYTES, COOKIE])`: each client reads BYTES a second, or
 * all with 0. It reports on request what has come since the last report.
 */
import { get } from "node:http";
import { WebSocket } from "ws";

/** Interval at which a slow client reads, in milliseconds. */
const TURN_MS = 50;

const [kind, url, every, clients, perSecond, cookie] = process.argv.slice(2);
const share = (Number(perSecond) * TURN_MS) / 1_000;
const headers = { origin: url, ...(cookie ? { cookie } : {}) };

let events = 0;
/** @type {number[]} age of each event in milliseconds */
let ages = [];
/** @type {import("node:net").Socket[]} */
const connections = [];
let reported = 0;
let total = 0;

const open = kind === "events" ? listen : converse;
await Promise.all(Array.from({ length: Number(clients) }, open));
process.on("message", () => {
  const bytes = connections.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  ages.sort((one, other) => one - other);
  const at = (/** @type {number} */ part) => ages[Math.floor(ages.length * part)] ?? 0;
  total += events;
  const perEvent = bytes / total;
  process.send?.({ events, bytes: bytes - reported, perEvent, median: at(0.5), p99: at(0.99) });
  [events, ages, reported] = [0, [], bytes];
});
process.on("disconnect", () => process.exit());
process.send?.("ready");

/** Returns a function that takes one client's events in order. */
function taker() {
  let next = 0;
  return (/** @type {string} */ event) => {
    const [time, number] = event.split(" ", 2).map(Number);
    if (number !== next) fail(`event ${number} came in place of ${next}`);
    next += 1;
    events += 1;
    ages.push(Date.now() - time);
  };
}

/** @returns {Promise<void>} */
function listen() {
  return new Promise((resolve) => {
    const take = taker();
    let rest = "";
    const receive = (/** @type {Buffer} */ part) => {
      const whole = (rest + part).split("\n\n");
      rest = whole.pop() ?? "";
      for (const event of whole) take(event.slice("data: ".length));
    };
    const address = `${url}/events?every=${every}`;
    const request = get(address, { headers, agent: false }, (response) => {
      if (response.statusCode !== 200) fail(`answered ${response.statusCode}`);
      connections.push(response.socket);
      response.on("error", fail).on("end", () => fail("the stream ended"));
      if (share === 0) response.on("data", receive);
      else {
        setInterval(() => {
          const part = response.read(Math.min(share, response.readableLength) || 1);
          if (part) receive(part);
        }, TURN_MS);
      }
      resolve();
    });
    request.on("error", fail);
  });
}

/** @returns {Promise<void>} */
function converse() {
  return new Promise((resolve) => {
    const take = taker();
    const address = `${url.replace("http", "ws")}/sockets?every=${every}`;
    const socket = new WebSocket(address, { headers, perMessageDeflate: false });
    let left = share;
    socket.on("upgrade", (response) => connections.push(response.socket));
    socket.on("message", (data) => {
      const event = String(data);
      take(event);
      left -= event.length;
      if (share > 0 && left <= 0) socket.pause();
    });
    if (share > 0) {
      setInterval(() => {
        // A pause comes late: what was read already is still delivered.
        left = Math.min(share, left + share);
        if (left > 0 && socket.isPaused) socket.resume();
      }, TURN_MS);
    }
    socket.on("error", fail).on("close", () => fail("the socket was closed"));
    socket.on("open", resolve);
  });
}

/** Ends the process: an incomplete load would yield a wrong figure. @param {unknown} why */
function fail(why) {
  process.stderr.write(`${kind} at ${url}: ${why}\n`);
  process.exit(1);
}
