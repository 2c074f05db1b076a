/** Free ports on loopback. */
import { createServer } from "node:net";

/** Below the ports a system gives away by itself, so that none of those is one of these. */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** Each process begins somewhere else. */
let next = LOWEST + ((process.pid * 97) % (HIGHEST - LOWEST));

/** A port nobody listens on, and that is given to nobody else here. @returns {Promise<number>} */
export async function freePort() {
  for (;;) {
    next = next + 1 < HIGHEST ? next + 1 : LOWEST;
    const port = next;
    const probe = createServer();
    const isFree = await new Promise((resolve) => {
      probe.on("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
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
