/** Finds free ports on loopback. */
import { createServer } from "node:net";

/** Start of the range, below the system's ephemeral ports, so that the two do not overlap. */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** Number of ports that a process reserves at once. */
const BLOCK = 50;

/**
 * The reserved block. A process owns a block while it listens on the block's first port. Suites run side by side,
 * and would otherwise find the same ports free.
 * @type {{ first: number, used: number } | undefined}
 */
let own;

/** Each process starts its search at another port. */
let next = process.pid * 97;

/** Returns a free port that no other suite gets. @returns {Promise<number>} */
export async function freePort() {
  for (;;) {
    if (!own || own.used === BLOCK - 1) own = { first: await freeBlock(), used: 0 };
    own.used += 1;
    const port = own.first + own.used;
    const probe = createServer();
    if (await canListen(probe, port)) {
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
  }
}

/** Returns the first of several free ports in a row. @param {number} count @returns {Promise<number>} */
export async function freePorts(count) {
  for (;;) {
    const ports = [];
    while (ports.length < count) ports.push(await freePort());
    const [first] = ports;
    if (ports[count - 1] === first + count - 1) return first;
  }
}

/** Reserves a block. @returns {Promise<number>} its first port */
async function freeBlock() {
  for (;;) {
    next += 1;
    const first = LOWEST + (next % ((HIGHEST - LOWEST) / BLOCK)) * BLOCK;
    const claim = createServer();
    if (await canListen(claim, first)) {
      claim.unref();
      return first;
    }
  }
}

/**
 * @param {import("node:net").Server} server
 * @param {number} port
 * @returns {Promise<boolean>} whether it listens there now
 */
function canListen(server, port) {
  return new Promise((resolve) => {
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
}

/**
 * @param {import("node:net").Server} server
 * @returns {Promise<number>}
 */
export function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => {
      resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port);
    });
  });
}
