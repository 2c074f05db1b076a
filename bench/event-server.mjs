/**
 * A server of small events, in a separate process: over event streams and over WebSockets. `?every=5` sends one in
 * 5 ms; `?every=0` sends as fast as they are taken. `node bench/event-server.mjs PORT`.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocketServer } from "ws";

/** Maximum bytes that wait in this process for one client. */
const MAX_WAITING = 64 * 1024;

const server = createServer(async (request, response) => {
  if (!request.url?.startsWith("/events")) return void response.end("hello\n");
  response.writeHead(200, { "content-type": "text/event-stream" });
  await emit(
    request.url,
    () => !response.destroyed,
    async (event) => {
      if (!response.write(`data: ${event}\n\n`)) {
        await Promise.race([once(response, "drain"), once(response, "close")]);
      }
    },
  );
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  socket.on("error", () => {});
  const isOpen = () => socket.readyState === socket.OPEN;
  void emit(request.url ?? "", isOpen, async (event) => {
    socket.send(event);
    while (isOpen() && socket.bufferedAmount > MAX_WAITING) await pause(1);
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");

/**
 * Sends numbered events with their times.
 * @param {string} url
 * @param {() => boolean} isOpen
 * @param {(event: string) => Promise<void>} send
 */
async function emit(url, isOpen, send) {
  const every = Number(new URL(url, "http://localhost").searchParams.get("every"));
  const began = performance.now();
  for (let number = 0; isOpen(); number += 1) {
    await send(`${Date.now()} ${number} ["token","of an answer"]`);
    if (every > 0) await pause(Math.max(0, began + number * every - performance.now()));
    // Others get their turn, too.
    else if (number % 64 === 0) await pause(0);
  }
}
