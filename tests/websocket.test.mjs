/** Tests WebSocket handshakes, and messages through open sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { Origin } from "./harness/origin.mjs";
import { exchange, header } from "./harness/raw.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/** @param {import("node:test").TestContext} t */
async function deployment(t, vars = {}) {
  const origin = await Origin.start(t);
  const sockets = new WebSocketServer({
    server: origin.server,
    handleProtocols: (offered) => (offered.has("chat.v2") ? "chat.v2" : false),
  });
  origin.server.on("upgrade", (request) => {
    origin.requests.push({
      method: "GET",
      url: request.url ?? "",
      headers: pairs(request),
      body: "",
    });
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  return { origin, sockets, vestibule, port: vestibule.port };
}

/** @param {import("node:http").IncomingMessage} request */
function pairs({ headers }) {
  return Object.entries(headers).map(
    ([name, value]) => /** @type {[string, string]} */ ([name, String(value)]),
  );
}

/**
 * @param {number} port
 * @param {string[]} lines
 * @param {string} [method]
 */
function handshake(port, lines, method = "GET") {
  const head = [`${method} /ws HTTP/1.1`, "Host: chat.example", "Connection: Upgrade", ...lines];
  return exchange(port, `${head.join("\r\n")}\r\n\r\n`);
}

/**
 * @param {import("node:test").TestContext} t
 * @param {Vestibule} vestibule
 * @param {string[]} [protocols]
 */
async function open(t, vestibule, protocols = []) {
  const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, protocols, {
    origin: vestibule.url,
  });
  t.after(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

const GOOD = [
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  KEY,
  "Origin: http://chat.example",
];

test("a handshake from the site's own page is forwarded and gets the cookie", async (t) => {
  const { port, origin } = await deployment(t);
  const answer = await handshake(port, GOOD);
  assert.equal(answer.status, 101);
  assert.match(header(answer, "set-cookie")[0], /^__Host-session=/);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
});

for (const [what, line] of /** @type {[string, string[]][]} */ ([
  ["another site", ["Origin: http://evil.example"]],
  ["no Origin", []],
  ["a null Origin", ["Origin: null"]],
  ["a similar host name", ["Origin: http://chat.example.evil.example"]],
  ["a host name with the same ending", ["Origin: http://evilchat.example"]],
  ["another port", ["Origin: http://chat.example:8080"]],
  ["another scheme", ["Origin: https://chat.example"]],
])) {
  test(`a handshake with ${what} is refused before any origin is reached`, async (t) => {
    const { port, origin } = await deployment(t);
    const answer = await handshake(port, [...GOOD.slice(0, 3), ...line]);
    assert.deepEqual([answer.status, answer.code], [403, "csrf"]);
    assert.equal(origin.requests.length, 0);
  });
}

test("a page of a listed site may open a socket", async (t) => {
  const { port } = await deployment(t, { ALLOWED_ORIGINS: "https://shop.example" });
  const answer = await handshake(port, [...GOOD.slice(0, 3), "Origin: https://shop.example"]);
  assert.equal(answer.status, 101);
});

for (const [what, lines, status] of /** @type {[string, string[], number][]} */ ([
  ["version 8", ["Upgrade: websocket", "Sec-WebSocket-Version: 8", KEY], 426],
  ["no version", ["Upgrade: websocket", KEY], 426],
  ["no key", ["Upgrade: websocket", "Sec-WebSocket-Version: 13"], 400],
  [
    "a short key",
    ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c2hvcnQ="],
    400,
  ],
])) {
  test(`a handshake with ${what} gets ${status}`, async (t) => {
    const { port, origin } = await deployment(t);
    const answer = await handshake(port, [...lines, "Origin: http://chat.example"]);
    assert.equal(answer.status, status);
    if (status === 426) assert.deepEqual(header(answer, "sec-websocket-version"), ["13"]);
    assert.equal(origin.requests.length, 0);
  });
}

test("an upgrade to another protocol is handled as an ordinary request", async (t) => {
  const { port, origin } = await deployment(t);
  const answer = await handshake(port, ["Upgrade: foo"]);
  assert.equal(answer.status, 200);
  assert.deepEqual(origin.received("upgrade"), []);
});

test("a POST cannot open a socket without the checks", async (t) => {
  const { port } = await deployment(t);
  // The runtime shows such a request as a GET, so it is checked as one.
  const answer = await handshake(
    port,
    [...GOOD.slice(0, 3), "Origin: http://evil.example", "Content-Length: 0"],
    "POST",
  );
  assert.ok(answer.status >= 400, String(answer.status));
});

test("a handshake without a session gets 401 where sign-in is required", async (t) => {
  const { port, origin } = await deployment(t, { LOGIN_MODE: "required" });
  const answer = await handshake(port, GOOD);
  assert.deepEqual([answer.status, answer.code], [401, "no_session"]);
  assert.equal(origin.requests.length, 0);
});

test("a sub-protocol list of 16 KiB is refused with 431", async (t) => {
  const { port, origin } = await deployment(t);
  const answer = await handshake(port, [
    ...GOOD,
    `Sec-WebSocket-Protocol: ${"p,".repeat(8 * 1024 + 1)}`,
  ]);
  assert.equal(answer.status, 431);
  assert.equal(origin.requests.length, 0);
});

test("the origin chooses the sub-protocol", async (t) => {
  const { vestibule } = await deployment(t);
  assert.equal((await open(t, vestibule, ["chat.v1", "chat.v2"])).protocol, "chat.v2");
});

test("a sub-protocol that the origin did not choose is not sent", async (t) => {
  const { port } = await deployment(t);
  const answer = await handshake(port, [...GOOD, "Sec-WebSocket-Protocol: chat.v9"]);
  assert.deepEqual(header(answer, "sec-websocket-protocol"), []);
});

test("text and binary messages arrive unchanged and in order", async (t) => {
  const { vestibule, sockets } = await deployment(t);
  sockets.on("connection", (peer) =>
    peer.on("message", (data, binary) => peer.send(data, { binary })),
  );
  const socket = await open(t, vestibule);
  const sent = [Buffer.from([0, 255, 128]), "é𝄞", "", Buffer.alloc(100_000, 7)];
  /** @type {[Buffer, boolean][]} */
  const got = [];
  const all = new Promise((resolve) =>
    socket.on("message", (data, binary) => {
      got.push([/** @type {Buffer} */ (data), binary]);
      if (got.length === sent.length) resolve(undefined);
    }),
  );
  for (const message of sent) socket.send(message);
  await all;
  assert.deepEqual(
    got.map(([data, binary]) => (binary ? data : data.toString())),
    sent,
  );
});

test("the origin's close code and reason reach the client", async (t) => {
  const { vestibule, sockets } = await deployment(t);
  sockets.on("connection", (peer) => peer.close(4001, "bye"));
  const socket = await open(t, vestibule);
  const [code, reason] = await once(socket, "close");
  assert.deepEqual([code, String(reason)], [4001, "bye"]);
});

test("the client's close code and reason reach the origin", async (t) => {
  const { vestibule, sockets } = await deployment(t);
  const connected = once(sockets, "connection");
  const socket = await open(t, vestibule);
  const [peer] = await connected;
  const closed = once(peer, "close");
  socket.close(4002, "done");
  const [code, reason] = await closed;
  assert.deepEqual([code, String(reason)], [4002, "done"]);
});

test("an origin's socket closes at once when its client disconnects", async (t) => {
  const { vestibule, sockets } = await deployment(t);
  const connected = once(sockets, "connection");
  const socket = await open(t, vestibule);
  const [peer] = await connected;
  const closed = once(peer, "close");
  socket.terminate();
  assert.deepEqual((await closed)[0], 1006);
});

test("a socket outlives the limit on the origin's first byte", async (t) => {
  const { vestibule, sockets } = await deployment(t, { FIRST_BYTE_TIMEOUT: "1s" });
  sockets.on("connection", (peer) => setTimeout(() => peer.send("late"), 1_500));
  const socket = await open(t, vestibule);
  const [message] = await once(socket, "message");
  assert.equal(String(message), "late");
  assert.deepEqual(vestibule.logged("origin_failed"), []);
});
