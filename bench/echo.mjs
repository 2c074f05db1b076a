/** Runs an echo server and its visitors, over WebSockets, in this process. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { listen } from "../tests/harness/ports.mjs";
import { DATA } from "./session.mjs";

/** The message: as long as a frame with one word of a streamed response. */
const MESSAGE = "x".repeat(100);

/** Number of sockets opened at a time. */
const AT_ONCE = 20;

/** Number of times per second at which some of the sockets send. */
const TURNS = 50;

export async function startEcho() {
  const server = createServer((request, response) => {
    if (request.url === "/store") response.setHeader("x-session-patch", JSON.stringify(DATA));
    response.end("hello\n");
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("error", () => {});
  });
  const port = await listen(server);
  return {
    port,
    async stop() {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** @param {string} file with a session's cookie a line */
export function cookiesIn(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.map((line) => `vestibule-session=${line}`);
}

/** Visitors with a socket each. */
export class Clients {
  /** @type {WebSocket[]} */
  #sockets = [];
  /** @type {string[]} one for each, as they are sent */
  cookies = [];
  /** Number of echoed messages. */
  received = 0;

  get count() {
    return this.#sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length;
  }

  /**
   * Opens sockets up to a number.
   * @param {string} url
   * @param {number} count
   */
  async open(url, count) {
    while (this.#sockets.length < count) {
      const missing = Math.min(AT_ONCE, count - this.#sockets.length);
      const opening = Array.from({ length: missing }, (_, at) =>
        this.#connect(url, this.cookies[this.#sockets.length + at]),
      );
      this.#sockets.push(...(await Promise.all(opening)));
    }
    if (this.count !== count) throw new Error(`${count - this.count} of ${count} sockets closed`);
  }

  /**
   * @param {string} url
   * @param {string} cookie
   */
  async #connect(url, cookie) {
    const socket = new WebSocket(url.replace("http", "ws"), {
      origin: url,
      headers: { cookie },
      perMessageDeflate: false,
    });
    socket.on("message", () => {
      this.received += 1;
    });
    await once(socket, "open");
    return socket;
  }

  /**
   * Makes each socket send once a second, spread over the second.
   * @param {number} seconds
   */
  async talk(seconds) {
    const began = performance.now();
    let sent = 0;
    for (let turn = 1; turn <= seconds * TURNS; turn += 1) {
      const due = Math.floor((turn * this.#sockets.length) / TURNS);
      for (; sent < due; sent += 1) this.#sockets[sent % this.#sockets.length].send(MESSAGE);
      await pause(Math.max(0, began + (turn * 1_000) / TURNS - performance.now()));
    }
  }

  close() {
    for (const socket of this.#sockets) socket.terminate();
  }
}
