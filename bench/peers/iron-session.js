/**
 * `iron-session`, as in its README: the whole session is in the cookie, encrypted and signed, without
 * storage. A visitor without a session gets one.
 */
import { getIronSession, webCookies } from "iron-session";
import { changed, onward, SECRET, USER, withCookies } from "./onward.js";

const OPTIONS = { password: SECRET, cookieName: "__Host-sid" };

export default {
  /** @param {Request} request */
  async fetch(request) {
    const headers = new Headers();
    /** @type {any} */
    const session = await getIronSession(webCookies(request, headers), OPTIONS);
    const isNew = session.id === undefined;
    if (isNew) Object.assign(session, { id: crypto.randomUUID(), user: USER, data: {} });
    const response = await fetch(onward(request, session));
    const data = changed(response, session.data);
    if (data) session.data = data;
    if (!isNew && !data) return response;
    await session.save();
    return withCookies(response, headers.getSetCookie());
  },
};
