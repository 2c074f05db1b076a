/** Counts a tenant's stored sessions. The API lists them by page, so a count beyond the limit is a minimum. */
import { get } from "./api.js";

/** @import { SessionPage } from "./backend.d.ts" */

const PER_PAGE = 100;

/** Maximum number of pages: the API reads each session of a page. */
const MAX_PAGES = 5;

/**
 * @typedef {object} SessionCount
 * @property {number} all
 * @property {Map<string | null, number>} byOrigin
 * @property {boolean} isWhole whether there are no more
 */

/**
 * @param {Record<string, string>} query the tenant, and what the sessions must match
 * @param {AbortSignal} signal
 * @returns {Promise<SessionCount>}
 */
export async function countSessions(query, signal) {
  const counted = { all: 0, byOrigin: new Map(), isWhole: false };
  let after = "";
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { sessions, next } = /** @type {SessionPage} */ (
      await get("admin/sessions", { query: { ...query, after, limit: PER_PAGE }, signal })
    );
    counted.all += sessions.length;
    for (const { origin } of sessions)
      counted.byOrigin.set(origin, (counted.byOrigin.get(origin) ?? 0) + 1);
    if (!next) return { ...counted, isWhole: true };
    after = next;
  }
  return counted;
}

/**
 * Formats a count; "500+" if there may be more.
 * @param {number} number
 * @param {boolean} isWhole
 */
export function atLeast(number, isWhole) {
  return isWhole ? String(number) : `${number}+`;
}
