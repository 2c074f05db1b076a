/**
 * A server for message loads: it echoes WebSocket messages, and streams events to its
 * listeners. In a separate process: `node bench/message-server.mjs PORT`.
 */
import { createServer } from "node:http";
import { echo, MESSAGE } from "./frames.mjs";
import { DATA } from "./session.mjs";

/**
 * Pause between two events of a stream, in milliseconds. Without it several events would be read at once,
 * and each would seem cheap.
 */
const EVERY = 4;

const EVENT = `${"data: ".padEnd(MESSAGE - 2, "a token of an answer ")}\n\n`;

/** @type {Set<import("node:http").ServerResponse>} */
const listeners = new Set();
setInterval(() => {
  for (const listener of listeners) listener.write(EVENT);
}, EVERY);

const server = createServer((request, response) => {
  if (request.url === "/store") response.setHeader("x-session-patch", JSON.stringify(DATA));
  if (request.url !== "/events") return void response.end("hello\n");
  response.writeHead(200, { "content-type": "text/event-stream" });
  listeners.add(response);
  response.on("close", () => listeners.delete(response));
});
server.on("upgrade", echo);
server.listen(Number(process.argv[2]), "127.0.0.1");
