/** Free ports on loopback. */
import { createServer } from "node:net";

/** Below the ports a system gives away by itself, so that none of those is one of these. */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** Number of ports a process takes at once. */
const BLOCK = 50;

/**
 * Who listens on the first port of a block owns the block, until its process ends: suites run side by side, and
 * a port that was free for one would be free for another until somebody listens on it.
 * @type {{ first: number, used: number } | undefined}
 */
let own;

/** Each process looks somewhere else first. */
let next = process.pid * 97;

/** A port nobody listens on, and that is given to nobody else. @returns {Promise<number>} */
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

/** Claims a block. @returns {Promise<number>} its first port */
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
