/** Verifying what gets no response, with the WebSockets of `ws`. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { Authenticator } from "../src/index.ts";
import { listening, PROVED, signed } from "./support.ts";

test("the upgrade of a WebSocket is verified", async (t) => {
  const authenticator = new Authenticator(PROVED);
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer();
  server.on("upgrade", async (request, socket, head) => {
    try {
      const session = await authenticator.open(request);
      sockets.handleUpgrade(request, socket, head, (accepted) => accepted.send(`${session.user}`));
    } catch (error) {
      const { status } = error as { status: number };
      socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`);
    }
  });
  const address = (await listening(t, server)).replace("http", "ws");
  const socket = new WebSocket(`${address}/chat?x=1`, {
    headers: signed("/chat", { user: "ada" }),
  });
  t.after(() => socket.terminate());
  assert.equal(String((await once(socket, "message"))[0]), "ada");
  for (const [headers, status] of [
    [{}, 401],
    [signed("/other"), 403],
  ] as const) {
    const refused = new WebSocket(`${address}/chat`, { headers });
    const [, response] = await once(
      refused.on("error", () => {}),
      "unexpected-response",
    );
    assert.equal(response.statusCode, status);
  }
});
