/** `npm run bench -- --scale`: what grows with sessions, tenants, servers and sockets, and what does not. */
import { buildNamespace } from "./namespace.mjs";
import { measureOrigins } from "./scale-origins.mjs";
import { measureSessions } from "./scale-sessions.mjs";
import { measureSockets } from "./scale-sockets.mjs";
import { measureTenants } from "./scale-tenants.mjs";

/**
 * @typedef {object} Scale
 * @property {import("./recorded.mjs").Made} made
 * @property {Awaited<ReturnType<typeof measureSessions>>} sessions
 * @property {Awaited<ReturnType<typeof measureTenants>>} tenants
 * @property {Awaited<ReturnType<typeof measureOrigins>>} origins
 * @property {Awaited<ReturnType<typeof measureSockets>>} sockets
 */

/** @typedef {<T>(what: string, usually: string, act: () => Promise<T>) => Promise<T>} Step */

/**
 * One after the other: two at once would measure each other.
 * @param {number} originPort
 * @param {import("./recorded.mjs").Made} made
 * @param {Step} step
 * @returns {Promise<Scale>}
 */
export async function measureScale(originPort, made, step) {
  await step("Building the namespace", "1 min", buildNamespace);
  return {
    made,
    sessions: await step("Up to a million sessions", "5 min", () =>
      measureSessions(originPort, made),
    ),
    tenants: await step("Up to 10,000 tenants", "3 min", () => measureTenants(originPort, made)),
    origins: await step("Up to 500 servers", "2 min", () => measureOrigins(originPort, made)),
    sockets: await step("Up to 2,000 sockets", "3 min", () => measureSockets(made)),
  };
}
