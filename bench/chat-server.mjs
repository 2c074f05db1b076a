/**
 * A socket.io chat server for experiments, in a separate process. It keeps conversations in memory, stores a
 * summary in the session, and can be made slow or busy. Without Vestibule it knows visitors by its own
 * cookie, as chat servers do. `node bench/chat-server.mjs NAME PORT`.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const [name, port] = process.argv.slice(2);

/** @type {Map<string, number>} how many messages each conversation has */
const counts = new Map();
const mood = { slowMs: 0, load: 0 };

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://server");
  if (url.pathname === "/mood") {
    mood.slowMs = Number(url.searchParams.get("slow") ?? 0);
    mood.load = Number(url.searchParams.get("load") ?? 0);
    return void response.end("ok");
  }
  const handle = String(request.headers["x-session-id"] ?? own(request, response));
  const data = JSON.parse(String(request.headers["x-session-data"] ?? "{}"));
  const restored = !counts.has(handle) && data.count > 0;
  let count = Math.max(counts.get(handle) ?? 0, data.count ?? 0);
  if (url.pathname === "/say") {
    count += 1;
    counts.set(handle, count);
    response.setHeader("x-session-patch", JSON.stringify({ count }));
  }
  response.setHeader("endpoint-load-metrics", `TEXT application_utilization=${mood.load}`);
  response.setHeader("content-type", "application/json");
  setTimeout(() => response.end(JSON.stringify({ name, count, restored, handle })), mood.slowMs);
});

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 */
function own(request, response) {
  const [, known] = /(?:^|; )own=([^;]+)/.exec(request.headers.cookie ?? "") ?? [];
  const id = known ?? randomUUID();
  if (!known) response.setHeader("set-cookie", `own=${id}; Path=/`);
  return id;
}

const sockets = new Server(server, { serveClient: false });
sockets.on("connection", (socket) => socket.emit("here", name));
server.listen(Number(port), "127.0.0.1");
