/**
 * What every peer does around its session: the same headers out, and the origin's word about the
 * session heard. The address of the origin is put in when a peer is bundled.
 */

import { withHeaders } from "./headers.js";

/** Who everybody is. */
export const USER = "alice";

export const SECRET = "benchmark-secret-benchmark-secret";

/** How long a session lives, in seconds. */
export const LIFETIME = 604_800;

/**
 * The request as it goes on to the origin.
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
 * What the session's data becomes by the origin's answer; none if it stays.
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
