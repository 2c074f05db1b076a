/** Keeps event streams and WebSockets open while something else happens, and checks that they continue. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { until } from "./until.mjs";

/** @typedef {import("./sign-in.mjs").Site} Site */

/** The path of event streams. */
export const EVENTS = "/events";

/** The server's ends of a site's streams. */
export class StreamServer {
  /** @type {import("./origin.mjs").Reply[]} */
  #replies = [];

  /** Accepts every WebSocket of a site, and echoes. @param {Site} site */
  accept(site) {
    const sockets = new WebSocketServer({ server: site.origin.server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
  }

  /** Begins an event stream. @param {import("./origin.mjs").Reply} reply */
  begin(reply) {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    reply.write("data: begun\n\n");
    this.#replies.push(reply);
  }

  /** @param {string} text */
  send(text) {
    for (const reply of this.#replies) reply.write(`data: ${text}\n\n`);
  }
}

/** The clients' ends of open streams of both kinds. */
export class Streams {
  /** @type {{ text: string, isOpen: boolean }[]} */
  events = [];
  /** @type {WebSocket[]} */
  sockets = [];
  #server;

  /** @param {StreamServer} server */
  constructor(server) {
    this.#server = server;
  }

  /**
   * Opens one of each kind.
   * @param {{ after: (fn: () => void) => void }} t
   * @param {Site} site
   * @param {string} session the cookie's value
   */
  async open(t, site, session) {
    const { port, host } = new URL(site.url);
    const headers = { host, cookie: `vestibule-session=${session}` };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { origin: site.url, headers });
    t.after(() => socket.terminate());
    const opened = once(socket, "open");
    const stream = { text: "", isOpen: true };
    const outgoing = get({
      port,
      path: EVENTS,
      agent: false,
      headers: { ...headers, accept: "text/event-stream" },
    });
    t.after(() => void outgoing.destroy());
    outgoing.on("error", () => {});
    const [answer] = await once(outgoing, "response");
    assert.equal(answer.statusCode, 200);
    answer.setEncoding("utf8").on("data", (/** @type {string} */ chunk) => {
      stream.text += chunk;
    });
    for (const end of ["close", "error"]) {
      answer.on(end, () => {
        stream.isOpen = false;
      });
    }
    await opened;
    this.events.push(stream);
    this.sockets.push(socket);
  }

  get count() {
    return this.events.length + this.sockets.length;
  }

  /** Returns the number of ended streams. */
  get ended() {
    const events = this.events.filter(({ isOpen }) => !isOpen);
    const sockets = this.sockets.filter(({ readyState }) => readyState === WebSocket.CLOSED);
    return events.length + sockets.length;
  }

  /** Sends a text over each, and waits until it has arrived everywhere. @param {string} text */
  async goOn(text) {
    const echoed = this.sockets.map(async (socket) => {
      assert.equal(socket.readyState, WebSocket.OPEN, "the WebSocket is open");
      const echo = once(socket, "message");
      socket.send(text);
      assert.equal(String((await echo)[0]), text);
    });
    this.#server.send(text);
    await until(() => this.events.every((stream) => stream.text.includes(`data: ${text}\n\n`)), {
      what: `${text} in every event stream`,
    });
    await Promise.all(echoed);
    assert.ok(this.events.every(({ isOpen }) => isOpen));
  }
}
