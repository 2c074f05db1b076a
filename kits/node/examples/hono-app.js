/**
 * A Hono server behind Vestibule: who is speaking, data in the session, an event stream.
 *
 *     VESTIBULE_VERIFY=proof VESTIBULE_URL=https://chat.example VESTIBULE_ORIGIN_KEY=… \
 *       PORT=3001 node hono-app.js
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { sessionMiddleware } from "vestibule-session/hono";

const app = new Hono();
app.use(sessionMiddleware({ openPaths: ["/healthz"] }));

/** Reads data that is too large for a request, through the session API. */
app.use(async (c, next) => {
  const session = c.var.vestibuleSession;
  if (session.exists && session.dataOmitted) await session.refresh();
  await next();
});

/** @param {import("vestibule-session").Session} session */
function description({ id, user, name, groups, data, state }) {
  return { id, user, name, groups, data, state };
}

app.get("/healthz", (c) => c.text("ok"));

app.get("/", (c) => c.json(description(c.var.vestibuleSession)));

/** Changes the session with the response: no call to Vestibule is made. */
app.post("/visits", async (c) => {
  const session = c.var.vestibuleSession;
  await session.patch({ visits: Number(session.data.visits ?? 0) + 1 });
  return c.json(description(session));
});

/** Your own sign-in: check a password first. The browser gets a new cookie. */
app.post("/sign-in", async (c) => {
  const { user, name, groups } = await c.req.json();
  return c.json(description(await c.var.vestibuleSession.identify(user, { name, groups })));
});

app.post("/sign-out", async (c) => {
  await c.var.vestibuleSession.destroy();
  return c.json({});
});

/** Changes the session through the session API: a stream runs after its response began. */
app.get("/answer", (c) => {
  const session = c.var.vestibuleSession;
  return streamSSE(c, async (stream) => {
    await stream.writeSSE({ event: "begin", data: "" });
    await session.patch({ answers: Number(session.data.answers ?? 0) + 1 });
    await stream.writeSSE({ data: JSON.stringify(session.data) });
  });
});

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT ?? 3001) });
