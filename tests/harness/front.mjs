/**
 * Distributes requests of one address over several Workers, as Cloudflare does while two versions are deployed.
 * WebSockets are included.
 */
import { request as ask, createServer } from "node:http";
import { connect } from "node:net";
import { listen } from "./ports.mjs";

/** @typedef {{ to: number, forwarded: string, status: number }} Passed the Worker that got a request, and the outcome */

export class Front {
  /** Every answered request. @type {Passed[]} */
  passed = [];
  /** Index of the Worker that gets the next request. */
  turn = 0;
  /** @type {number[]} */
  #ports = [];
  // The size limit is that of the Worker or larger.
  #server = createServer({ maxHeaderSize: 256 * 1024 });
  /** @type {Promise<number> | undefined} */
  #port;

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static make(t) {
    const front = new Front();
    front.#server.on("request", (request, reply) => front.#hand(request, reply));
    front.#server.on("upgrade", (request, socket) => front.#tunnel(request, socket));
    t.after(async () => {
      front.#server.closeAllConnections();
      await new Promise((resolve) => front.#server.close(resolve));
    });
    return front;
  }

  /**
   * @param {number[]} ports of the Workers
   * @returns {Promise<number>} its own
   */
  listening(ports) {
    this.#ports = ports;
    this.#port ??= listen(this.#server);
    return this.#port;
  }

  #next() {
    const next = this.turn;
    this.turn = (next + 1) % this.#ports.length;
    return next;
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} reply
   */
  #hand(request, reply) {
    const { method, url, rawHeaders } = request;
    const to = this.#next();
    const target = { host: "127.0.0.1", port: this.#ports[to], path: url, method, agent: false };
    const forwarded = ask({ ...target, headers: rawHeaders }, (answer) => {
      this.passed.push({ to, forwarded: `${method} ${url}`, status: answer.statusCode ?? 0 });
      reply.writeHead(answer.statusCode ?? 0, answer.statusMessage, answer.rawHeaders);
      answer.pipe(reply);
      answer.on("error", () => reply.destroy());
    });
    // The client of a dead Worker sees a cut connection.
    forwarded.on("error", () => reply.destroy());
    reply.on("close", () => forwarded.destroy());
    request.pipe(forwarded);
  }

  /**
   * Forwards a WebSocket as bytes.
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:stream").Duplex} socket
   */
  #tunnel({ url, rawHeaders }, socket) {
    const worker = connect(this.#ports[this.#next()], "127.0.0.1");
    const lines = rawHeaders.flatMap((name, at) =>
      at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : [],
    );
    worker.write(`GET ${url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    for (const end of [socket, worker]) end.on("error", () => {});
    socket.pipe(worker).pipe(socket);
    socket.on("close", () => worker.destroy());
    worker.on("close", () => socket.destroy());
  }
}
