/**
 * React Router's sessions in KV, as in its documentation: a signed cookie names the session, which KV
 * stores. A visitor without a session gets one, so that the origin can distinguish visitors.
 */
import { createWorkersKVSessionStorage } from "@react-router/cloudflare";
import { createCookie } from "react-router";
import { changed, LIFETIME, onward, SECRET, USER, withCookies } from "./onward.js";

const cookie = createCookie("__Host-sid", {
  secrets: [SECRET],
  path: "/",
  secure: true,
  httpOnly: true,
  sameSite: "lax",
  maxAge: LIFETIME,
});

/** @type {ReturnType<typeof createWorkersKVSessionStorage> | undefined} */
let sessions;

export default {
  /**
   * @param {Request} request
   * @param {{ SESSIONS: any }} env
   */
  async fetch(request, env) {
    sessions ??= createWorkersKVSessionStorage({ kv: env.SESSIONS, cookie });
    const session = await sessions.getSession(request.headers.get("cookie"));
    const isNew = !session.has("user");
    if (isNew) {
      session.set("user", USER);
      session.set("data", {});
    }
    const data = session.get("data");
    const response = await fetch(
      onward(request, { id: session.id, user: session.get("user"), data }),
    );
    const next = changed(response, data);
    if (next) session.set("data", next);
    return isNew || next
      ? withCookies(response, [await sessions.commitSession(session)])
      : response;
  },
};
