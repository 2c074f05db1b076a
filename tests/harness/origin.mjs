/** Origins that record every request unchanged, and respond as the test defines. */
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { listen } from "./ports.mjs";

/** @typedef {import("node:http").IncomingMessage} Message */
/** @typedef {import("node:http").ServerResponse} Reply */
/** @typedef {{ method: string, url: string, headers: [string, string][], body: string }} Received */

export class Origin {
  /** @type {Received[]} */
  requests = [];
  /** @type {import("node:http").Server} */
  server;
  port = 0;
  #sockets = new Set();
  #failNext = false;

  /** @param {(request: Message, reply: Reply, body: string) => void} handler */
  constructor(handler) {
    this.server = createHttpServer({ maxHeaderSize: 256 * 1024 }, async (request, reply) => {
      const received = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: pairs(request),
        body: "",
      };
      if (this.#failNext) {
        this.#failNext = false;
        return void request.socket.destroy();
      }
      this.requests.push(received);
      try {
        for await (const chunk of request) received.body += chunk;
      } catch {
        return; // The client or the Worker disconnected in the middle of the body.
      }
      handler(request, reply, received.body);
    });
    this.server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /**
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {(request: Message, reply: Reply, body: string) => void} [handler]
   */
  static async start(t, handler = (_, reply) => void reply.end("ok")) {
    const origin = new Origin(handler);
    origin.port = await listen(origin.server);
    t.after(() => origin.stop());
    return origin;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Returns the last request's values of a header, in any spelling of its name. @param {string} name */
  received(name) {
    const last = this.requests.at(-1);
    if (!last) throw new Error("the origin received nothing");
    return last.headers.filter(([other]) => fold(other) === fold(name)).map(([, value]) => value);
  }

  /** Stops listening and cuts every connection, like a dying process. */
  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }

  /** Cuts only the next request's connection, without a response. */
  failNext() {
    this.#failNext = true;
  }

  async comeBack() {
    await listen(this.server, this.port);
  }
}

/**
 * Starts an origin that sends raw bytes.
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {(socket: import("node:net").Socket, head: string) => void} handler called with each request's head
 */
export async function rawOrigin(t, handler) {
  const sockets = new Set();
  /** @type {string[]} */
  const heads = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let head = "";
    socket.on("data", (chunk) => {
      head += chunk.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      const complete = head;
      head = "";
      heads.push(complete);
      handler(socket, complete);
    });
  });
  const port = await listen(server);
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${port}`, heads };
}

/**
 * Returns a header name as a CGI-like origin reads it.
 * @param {string} name
 */
export function fold(name) {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "-");
}

/**
 * @param {Message} request
 * @returns {[string, string][]}
 */
function pairs(request) {
  /** @type {[string, string][]} */
  const list = [];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    list.push([request.rawHeaders[at], request.rawHeaders[at + 1]]);
  }
  return list;
}
