/**
 * A small chat server for trying Vestibule out: the real socket.io server with streamed replies.
 *
 *     node demo/origin.mjs --name blue --port 3001
 *
 * Like most chat servers it keeps conversations in its own memory, so they are lost with it. What
 * survives is the session data: every response to a message carries the conversation's last turns as
 * X-Session-Patch, and the process that serves the visitor next receives them in X-Session-Data. It
 * listens on loopback only.
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";
import { Conversations } from "./conversations.mjs";
import { listenToParent, neighbours } from "./neighbours.mjs";
import { servePage } from "./page.mjs";
import { received } from "./received.mjs";
import { reply } from "./reply.mjs";

const { values } = parseArgs({
  options: { name: { type: "string", default: "demo" }, port: { type: "string", default: "0" } },
});
const name = values.name;
const started = Date.now();
const conversations = new Conversations();
listenToParent();

const http = createServer((request, response) => {
  route(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) json(response, 500, { error: "internal" });
  });
});
const io = new Server(http, { serveClient: true });

io.on("connection", (socket) => {
  const headers = received(socket.handshake.headers);
  const room = headers.handle ?? `direct:${socket.id}`;
  const { turns, restored } = conversations.open(room, headers.data);
  socket.join(room);
  socket.emit("welcome", {
    ...whoami(),
    headers: headers.shown,
    state: headers.state,
    turns,
    restored,
  });
});

// The parent keeps the channel open. A killed parent sends no signal, but its channel closes.
process.on("disconnect", () => process.exit(0));

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 */
async function route(request, response) {
  const { pathname } = new URL(request.url ?? "/", "http://demo");
  if (pathname === "/demo/whoami") {
    return json(response, 200, { ...whoami(), headers: received(request.headers).shown });
  }
  if (pathname === "/demo/servers") return servers(response);
  if (pathname === "/demo/message" || pathname === "/demo/kill") {
    if (request.method !== "POST")
      return json(response, 405, { error: "use POST" }, { allow: "POST" });
    if (!isSameOrigin(request)) return json(response, 403, { error: "cross-site" });
    return pathname === "/demo/kill" ? kill(response) : message(request, response);
  }
  return servePage(pathname, response);
}

/**
 * Receives a message by POST, not over the socket: only an HTTP response can carry X-Session-Patch.
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 */
async function message(request, response) {
  const headers = received(request.headers);
  if (!headers.handle) return json(response, 400, { error: "open this page through Vestibule" });
  const body = await read(request);
  if (typeof body?.text !== "string" || body.text.trim() === "" || typeof body.id !== "string") {
    return json(response, 400, { error: "send {id, text}" });
  }
  const room = headers.handle;
  conversations.open(room, headers.data);
  const answer = reply(body.text, { name, turn: conversations.count(room) + 1 });
  const fresh = conversations.add(room, body.id, body.text, answer);
  json(response, 202, { by: name }, { "x-session-patch": conversations.patch(room) });
  if (!fresh) return;
  io.to(room).emit("said", { id: body.id, text: body.text });
  stream(room, body.id, answer);
}

/**
 * Streams a reply word by word, like a language model.
 * @param {string} room
 * @param {string} id
 * @param {string} answer
 */
function stream(room, id, answer) {
  const words = answer.split(/(?<= )/);
  const timer = setInterval(() => {
    const word = words.shift();
    if (word === undefined) {
      clearInterval(timer);
      io.to(room).emit("done", { id, by: name });
    } else {
      io.to(room).emit("token", { id, by: name, word });
    }
  }, 40);
}

/**
 * Returns the state of all servers. A page learns the state of the others only through its own server.
 * @param {import("node:http").ServerResponse} response
 */
async function servers(response) {
  const itself = { name, up: true, pid: process.pid, conversations: conversations.size };
  json(response, 200, { by: name, servers: [itself, ...(await neighbours())] });
}

/** @param {import("node:http").ServerResponse} response */
function kill(response) {
  json(response, 202, { stopping: name }, { connection: "close" });
  response.on("close", () => process.exit(0));
}

function whoami() {
  const uptime = Math.round((Date.now() - started) / 1000);
  return { name, pid: process.pid, uptime, conversations: conversations.size };
}

/** @param {import("node:http").IncomingMessage} request */
function isSameOrigin({ headers }) {
  if (!headers.origin) return true;
  const host = headers["x-forwarded-host"] ?? headers.host;
  return URL.canParse(headers.origin) && new URL(headers.origin).host === host;
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<any>} the JSON body, or `undefined` when it is none or over 16 KiB
 */
async function read(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > 16 * 1024) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {unknown} body
 * @param {Record<string, string>} [headers]
 */
function json(response, status, body, headers = {}) {
  response.writeHead(status, {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...headers,
  });
  response.end(JSON.stringify(body));
}

http.listen(Number(values.port), "127.0.0.1", () => {
  const address = /** @type {import("node:net").AddressInfo} */ (http.address());
  console.log(
    JSON.stringify({ listening: `http://127.0.0.1:${address.port}`, name, pid: process.pid }),
  );
});
