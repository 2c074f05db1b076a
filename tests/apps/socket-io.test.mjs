/** Shows that a real socket.io server reads the user from the handshake. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { listen } from "../harness/ports.mjs";
import { Browser } from "../harness/sign-in.mjs";
import { until } from "../harness/until.mjs";
import { openSite, PASSWORD } from "./site.mjs";

const ACCOUNTS = { ada: {} };

for (const transports of [["websocket"], ["polling", "websocket"]]) {
  test(`a socket.io server receives the user by ${transports.join(", then ")}`, async (t) => {
    const http = createServer((_, reply) => reply.end("ok"));
    const server = new Server(http);
    t.after(() => server.close());
    server.use((socket, next) => {
      socket.data.user = socket.handshake.headers["x-session-user"];
      next(socket.data.user ? undefined : new Error("nobody"));
    });
    server.on("connection", (socket) => {
      socket.on("whoami", (answer) => answer(socket.data.user));
    });
    const origin = `http://127.0.0.1:${await listen(http)}`;
    const { address } = await openSite(t, origin, ACCOUNTS, { mode: "optional" });
    const connect = (/** @type {string} */ cookie) => {
      const extraHeaders = { "X-Session-User": "boss", origin: address, cookie };
      const socket = io(address, { transports, extraHeaders, reconnection: false, forceNew: true });
      t.after(async () => void socket.close());
      return socket;
    };

    const browser = new Browser();
    const credentials = { username: "ada", password: PASSWORD, return_to: "/" };
    await browser.post(`${address}/_session/login`, credentials);
    const ada = connect(`vestibule-session=${browser.sessionOf(address)}`);
    assert.equal(await ada.timeout(10_000).emitWithAck("whoami"), "ada");
    const isUpgraded = () => ada.io.engine.transport.name === "websocket";
    await until(isUpgraded, { what: "the WebSocket" });

    const refused = await new Promise((resolve, reject) => {
      const guest = connect("");
      guest.on("connect", () => reject(new Error("a guest was let in")));
      guest.on("connect_error", resolve);
    });
    assert.equal(String(refused), "Error: nobody");
  });
}
