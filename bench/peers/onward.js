/**
 * The part common to all peers: it sends the same headers, and applies the origin's changes to the
 * session. Bundling a peer inserts the origin's address.
 */

import { withHeaders } from "./headers.js";

/** The user of every session. */
export const USER = "alice";

export const SECRET = "benchmark-secret-benchmark-secret";

/** Lifetime of a session, in seconds. */
export const LIFETIME = 604_800;

/**
 * Returns the request to the origin.
 * @param {Request} request
 * @param {{ id: string, user: string, data: unknown }} session
 */
export function onward(request, { id, user, data }) {
  return withHeaders(request, {
    "x-session-id": id,
    "x-session-user": user,
    "x-session-data": JSON.stringify(data),
  });
}

/**
 * Returns the session's data after the origin's response; undefined if unchanged.
 * @param {Response} response
 * @param {object} data
 * @returns {object | undefined}
 */
export function changed(response, data) {
  const patch = response.headers.get("x-session-patch");
  return patch === null ? undefined : { ...data, ...JSON.parse(patch) };
}

/**
 * @param {Response} response
 * @param {string[]} cookies
 */
export function withCookies(response, cookies) {
  const answer = new Response(response.body, response);
  for (const cookie of cookies) answer.headers.append("set-cookie", cookie);
  return answer;
}
