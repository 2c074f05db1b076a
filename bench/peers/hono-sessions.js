/**
 * `hono-sessions` with a store of its interface over KV, otherwise as its README has it: it makes a
 * session for whoever has none, and writes each with every request to note its use.
 */
import { Hono } from "hono";
import { sessionMiddleware } from "hono-sessions";
import { changed, LIFETIME, onward, SECRET, USER } from "./onward.js";

/** Its store interface, over KV. */
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
  // With the cookie, which an answer of the origin's own would not carry.
  return c.newResponse(response.body, response);
});

export default app;
