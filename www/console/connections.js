/** Describes the connections of an origin, and whether any use of it is known. */
import { count } from "./format.js";
import { atLeast } from "./session-count.js";

/** @import { Origin } from "./backend.d.ts" */
/** @import { SessionCount } from "./session-count.js" */

/** Text where the Worker does not see a connection's end, so that 0 would be wrong. */
const NOT_FOLLOWED = "not followed";

/** @param {Origin} origin */
export function socketsOf({ followed, figures }) {
  const { sockets = 0, passed_through = 0 } = figures ?? {};
  if (followed || sockets > 0) return count(sockets);
  return passed_through > 0 ? `about ${count(passed_through)}` : NOT_FOLLOWED;
}

/** @param {Origin} origin */
export function streamsOf({ followed, figures }) {
  const { streams = 0 } = figures ?? {};
  return followed || streams > 0 ? count(streams) : NOT_FOLLOWED;
}

/**
 * @param {Origin} origin
 * @param {SessionCount | undefined} sessions undefined while they are counted
 */
export function sessionsOf({ name }, sessions) {
  return sessions ? atLeast(sessions.byOrigin.get(name) ?? 0, sessions.isWhole) : "…";
}

/**
 * Returns whether no stored session, request or connection of an origin is known.
 * @param {Origin} origin
 * @param {SessionCount | undefined} sessions
 */
export function isEmpty({ name, under_way, figures }, sessions) {
  const { sockets = 0, streams = 0, passed_through = 0 } = figures ?? {};
  const known = under_way + sockets + streams + passed_through;
  return known === 0 && sessions?.isWhole === true && !sessions.byOrigin.has(name);
}
