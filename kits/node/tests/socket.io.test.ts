/** The middleware in a real socket.io. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { type DefaultEventsMap, Server } from "socket.io";
import { io, type Socket } from "socket.io-client";
import { Assertion, AssertionVerifier, OriginApi, Unavailable } from "../src/index.ts";
import { type SocketData, socketMiddleware } from "../src/socket.io.ts";
import { ID, listening, PROVED, serve, signed } from "./support.ts";

const PATH = "/socket.io/";

type App = Server<DefaultEventsMap, DefaultEventsMap, DefaultEventsMap, SocketData>;

async function start(t: TestContext, options: Parameters<typeof socketMiddleware>[0]) {
  const http = createServer();
  const server: App = new Server(http);
  const sessions = socketMiddleware(options);
  for (const namespace of [server.of("/"), server.of("/other")]) {
    namespace.use(sessions).on("connection", (socket) => {
      const { session } = socket.data;
      socket.on("who", (answer) => answer(session.user));
      socket.on("count", async (answer) => {
        await session.patch({ count: Number(session.data.count ?? 0) + 1 });
        answer(session.data.count);
      });
    });
  }
  const url = await listening(t, http);
  t.after(() => server.close());
  return { url, server };
}

function connect(t: TestContext, url: string, extraHeaders: Record<string, string>): Socket {
  const socket = io(url, {
    extraHeaders,
    reconnection: false,
    forceNew: true,
    transports: ["websocket"],
  });
  t.after(() => void socket.close());
  return socket;
}

function refusal(socket: Socket): Promise<Error & { data?: unknown }> {
  return new Promise((resolve) => socket.once("connect_error", resolve));
}

test("a socket has the session of its handshake", async (t) => {
  const { url } = await start(t, PROVED);
  const socket = connect(t, url, signed(PATH, { user: "%C3%A9va" }));
  assert.equal(await socket.timeout(5_000).emitWithAck("who"), "éva");
});

for (const [what, headers, status] of [
  ["without a proof", { "x-session-user": "boss" }, 401],
  ["with a proof for another path", signed("/socket.io"), 403],
  ["with an old proof", signed(PATH, { at: Math.floor(Date.now() / 1000) - 3600 }), 403],
] as const) {
  test(`a handshake ${what} is refused`, async (t) => {
    const { url, server } = await start(t, PROVED);
    const error = await refusal(connect(t, url, headers));
    assert.match(error.message, /X-Session-Proof/);
    assert.deepEqual(error.data, { status });
    assert.equal((await server.fetchSockets()).length, 0);
  });
}

test("keys that cannot be read are no fault of the client", async (t) => {
  const gone = new Assertion(new AssertionVerifier("http://127.0.0.1:1"));
  const { url } = await start(t, { verifier: gone });
  const token = `${Buffer.from('{"alg":"ES256","kid":"k"}').toString("base64url")}.e30.AA`;
  const headers = { "x-session-assertion": token, "x-session-tenant": "acme" };
  const error = await refusal(connect(t, url, headers));
  assert.deepEqual(error.data, { status: 503 });
});

test("namespaces of a connection share a session, and its proof is verified once", async (t) => {
  let count = 0;
  const api = await serve(t, (_, response) => {
    count += 1;
    response.end(JSON.stringify({ handle: ID, data: { count } }));
  });
  let verified = 0;
  const verifier = {
    verify: async (request: Parameters<typeof PROVED.verifier.verify>[0]) => {
      verified += 1;
      await PROVED.verifier.verify(request);
    },
  };
  const { url } = await start(t, { verifier, api: new OriginApi(api, "key") });
  const socket = connect(t, url, signed(PATH));
  assert.equal(await socket.timeout(5_000).emitWithAck("count"), 1);
  const other = socket.io.socket("/other");
  other.connect();
  assert.equal(await other.timeout(5_000).emitWithAck("count"), 2);
  assert.equal(verified, 1);
});

test("a client that was refused because of an outage may connect again", async (t) => {
  const outages = [new Unavailable("The keys cannot be read.")];
  const verifier = {
    verify: async () => {
      const outage = outages.pop();
      if (outage) throw outage;
    },
  };
  const { url } = await start(t, { verifier });
  const socket = connect(t, url, { "x-session-id": ID, "x-session-user": "ada" });
  assert.deepEqual((await refusal(socket)).data, { status: 503 });
  socket.connect();
  assert.equal(await socket.timeout(5_000).emitWithAck("who"), "ada");
});
