/**
 * `@hono/session` with KV, as in its example: the cookie is an encrypted token that names the session,
 * which KV stores. A visitor without a session gets one.
 */
import { useSession as inSessions, useSessionStorage as keptIn } from "@hono/session";
import { Hono } from "hono";
import { changed, LIFETIME, onward, USER } from "./onward.js";

/** 32 bytes in hex, as the library requires. */
const SECRET = "0123456789abcdef".repeat(4);

/** @type {any} */
const app = new Hono();

app.use(
  keptIn((/** @type {any} */ c) => ({
    /** @param {string} sid */
    delete(sid) {
      c.executionCtx.waitUntil(c.env.SESSIONS.delete(sid));
    },
    /** @param {string} sid */
    get(sid) {
      return c.env.SESSIONS.get(sid, "json");
    },
    /**
     * @param {string} sid
     * @param {unknown} session
     */
    set(sid, session) {
      const options = { expirationTtl: LIFETIME };
      c.executionCtx.waitUntil(c.env.SESSIONS.put(sid, JSON.stringify(session), options));
    },
  })),
  inSessions({ secret: SECRET, duration: { absolute: LIFETIME } }),
);

app.all("*", async (/** @type {any} */ c) => {
  const { session } = c.var;
  let kept = await session.get();
  if (!kept) {
    kept = { user: USER, data: {} };
    await session.update(kept);
  }
  const response = await fetch(onward(c.req.raw, { id: session.id, ...kept }));
  const data = changed(response, kept.data);
  if (data) await session.update({ ...kept, data });
  return response;
});

export default app;
