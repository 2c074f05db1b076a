/** `npm run bench -- --scale`: measures what grows with sessions, tenants, servers and sockets. */
import { buildNamespace } from "./namespace.mjs";
import { measureOrigins } from "./scale-origins.mjs";
import { measureSessions } from "./scale-sessions.mjs";
import { measureSockets } from "./scale-sockets.mjs";
import { measureTenants } from "./scale-tenants.mjs";

/**
 * @typedef {object} Scale
 * @property {Record<string, import("./recorded.mjs").Made>} made when and how, by part
 * @property {Awaited<ReturnType<typeof measureSessions>>} sessions
 * @property {Awaited<ReturnType<typeof measureTenants>>} tenants
 * @property {Awaited<ReturnType<typeof measureOrigins>>} origins
 * @property {Awaited<ReturnType<typeof measureSockets>>} sockets
 */

/** @typedef {<T>(what: string, usually: string, act: () => Promise<T>) => Promise<T>} Step */

/** @typedef {{ what: string, usually: string, act: (originPort: number, made: import("./recorded.mjs").Made) => Promise<unknown>, once?: boolean }} Part */

/** The measured parts. @type {Record<string, Part>} */
const PARTS = {
  sessions: { what: "Up to a million sessions", usually: "5 min", act: measureSessions },
  tenants: { what: "Up to 10,000 tenants", usually: "3 min", act: measureTenants },
  origins: { what: "Up to 500 servers", usually: "2 min", act: measureOrigins },
  sockets: {
    what: "Up to 2,000 sockets",
    usually: "3 min",
    act: (_, made) => measureSockets(made),
    once: true,
  },
};

/**
 * Measures one part after the other, because concurrent ones would disturb each other.
 * @param {string[]} parts
 * @param {number} originPort
 * @param {import("./recorded.mjs").Made} made
 * @param {Step} step
 * @param {Scale} before the recorded figures of the other parts
 * @returns {Promise<Scale>}
 */
export async function measureScale(parts, originPort, made, step, before) {
  await step("Building the namespace", "1 min", buildNamespace);
  const scale = { ...before, made: { ...before.made } };
  for (const part of parts) {
    const { what, usually, act, once } = PARTS[part];
    const measured = await step(what, usually, () => act(originPort, made));
    Object.assign(scale, { [part]: measured });
    scale.made[part] = once ? { ...made, rounds: 1 } : made;
  }
  return scale;
}
