/**
 * An Express and socket.io server behind Vestibule: who is speaking, data in the session, a chat.
 *
 *     VESTIBULE_VERIFY=proof VESTIBULE_URL=https://chat.example VESTIBULE_ORIGIN_KEY=… \
 *       PORT=3001 node express-app.js
 */
import { createServer } from "node:http";
import express from "express";
import { Server } from "socket.io";
import { NoSession } from "vestibule-session";
import { sessionMiddleware } from "vestibule-session/express";
import { socketMiddleware } from "vestibule-session/socket.io";

const app = express();
app.use(sessionMiddleware({ openPaths: ["/healthz"] }), express.json());

/** Reads data that is too large for a request, through the session API. */
app.use(async ({ vestibuleSession: session }, _, next) => {
  if (session.exists && session.dataOmitted) await session.refresh();
  next();
});

/** @param {import("vestibule-session").Session} session */
function description({ id, user, name, groups, data, state }) {
  return { id, user, name, groups, data, state };
}

app.get("/healthz", (_, response) => {
  response.send("ok");
});

app.get("/", (request, response) => {
  response.json(description(request.vestibuleSession));
});

/** Changes the session with the response: no call to Vestibule is made. */
app.post("/visits", async ({ vestibuleSession: session }, response) => {
  await session.patch({ visits: Number(session.data.visits ?? 0) + 1 });
  response.json(description(session));
});

/** Your own sign-in: check a password first. The browser gets a new cookie. */
app.post("/sign-in", async ({ body, vestibuleSession: session }, response) => {
  await session.identify(body.user, { name: body.name, groups: body.groups });
  response.json(description(session));
});

app.post("/sign-out", async ({ vestibuleSession: session }, response) => {
  await session.destroy();
  response.json({});
});

const server = createServer(app);
const io = new Server(server);
io.use(socketMiddleware());

/** Changes the session through the session API: a socket has no response headers. */
io.on("connection", (socket) => {
  /** @type {import("vestibule-session").Session} */
  const session = socket.data.session;
  socket.on("message", async (text, answer) => {
    try {
      if (session.dataOmitted) await session.refresh();
      await session.patch({ messages: Number(session.data.messages ?? 0) + 1 });
      const { data, user, isTakenOver } = session;
      answer({ message: data.messages, user, text, isTakenOver });
    } catch (error) {
      // Without this, a rejected promise would end the process.
      if (error instanceof NoSession) socket.disconnect(true);
      else answer({ error: String(error) });
    }
  });
});

server.listen(Number(process.env.PORT ?? 3001), "127.0.0.1");
