/**
 * `hono-sessions` with a store over KV, otherwise as in its README: it creates a session for every new
 * visitor, and writes each session with every request to record its use.
 */
import { Hono } from "hono";
import { sessionMiddleware } from "hono-sessions";
import { changed, LIFETIME, onward, SECRET, USER } from "./onward.js";

/** Implements its store interface over KV. */
class KvStore {
  /** @param {KVNamespace} kv */
  constructor(kv) {
    this.kv = kv;
  }

  /** @param {string} id */
  getSessionById(id) {
    return this.kv.get(id, "json");
  }

  /**
   * @param {string} id
   * @param {unknown} session
   */
  createSession(id, session) {
    return this.persistSessionData(id, session);
  }

  /**
   * @param {string} id
   * @param {unknown} session
   */
  persistSessionData(id, session) {
    return this.kv.put(id, JSON.stringify(session), { expirationTtl: LIFETIME });
  }

  /** @param {string} id */
  deleteSession(id) {
    return this.kv.delete(id);
  }
}

/** @type {any} */
const app = new Hono();

/** @type {ReturnType<typeof sessionMiddleware> | undefined} */
let sessions;

app.use("*", (/** @type {any} */ c, /** @type {any} */ next) => {
  sessions ??= sessionMiddleware({
    store: new KvStore(c.env.SESSIONS),
    encryptionKey: SECRET,
    expireAfterSeconds: LIFETIME,
    cookieOptions: { sameSite: "Lax", path: "/", httpOnly: true, secure: true },
  });
  return sessions(c, next);
});

app.all("*", async (/** @type {any} */ c) => {
  const session = c.get("session");
  const data = session.get("data") ?? {};
  const id = session.getCache()._id;
  const response = await fetch(onward(c.req.raw, { id, user: session.get("user") ?? USER, data }));
  const next = changed(response, data);
  if (next) {
    session.set("user", USER);
    session.set("data", next);
  }
  // A copy, because the origin's own response could not carry the cookie.
  return c.newResponse(response.body, response);
});

export default app;
