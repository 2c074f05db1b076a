/**
 * Runs a plain proxy that sends each request to the next server, WebSockets included. It makes a chat
 * server with sessions in memory fail.
 */
import { createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { listen } from "../harness/ports.mjs";

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {number[]} ports of the servers behind it
 * @param {(status: number) => void} [answered] hears the status of every answer, of handshakes too
 * @returns {Promise<string>} its URL
 */
export async function startRoundRobin(t, ports, answered = () => {}) {
  let turn = 0;
  const next = () => ports[turn++ % ports.length];
  const sockets = new Set();

  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    const onward = httpRequest(
      { host: "127.0.0.1", port: next(), method, path: url, headers },
      (answer) => {
        answered(answer.statusCode ?? 502);
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.writableEnded || response.destroy());
    request.pipe(onward);
  });
  server.on("upgrade", (request, socket, head) => {
    const onward = connect(next(), "127.0.0.1");
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
      lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    }
    onward.write(`${lines.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    onward.once("data", (first) => answered(Number(String(first.subarray(0, 12)).split(" ")[1])));
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on("error", () => end.destroy()).on("close", () => sockets.delete(end));
    }
  });
  const port = await listen(server);
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${port}`;
}
