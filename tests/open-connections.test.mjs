/** Tests sessions that are used only by an open WebSocket or event stream, and guests past the idle limit. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const IDLE = { SESSION_IDLE: "8s", SESSION_CACHE: "1s" };

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} vars
 */
async function deployment(t, vars) {
  const origin = await Origin.start(t, (request, reply) => {
    const user = /user=(\w+)/.exec(request.url ?? "")?.[1];
    if (user) reply.setHeader("x-session-identify", JSON.stringify({ user }));
    if (request.headers.accept === "text/event-stream") {
      return void reply
        .writeHead(200, { "content-type": "text/event-stream" })
        .write("data: 1\n\n");
    }
    reply.end("ok");
  });
  const sockets = new WebSocketServer({ server: origin.server });
  /** @type {import("node:http").IncomingHttpHeaders[]} */
  const handshakes = [];
  sockets.on("connection", (_, request) => void handshakes.push(request.headers));
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ...IDLE, ...vars },
  });
  return { origin, handshakes, vestibule };
}

/** @param {string[] | undefined} lines @param {string} before */
function cookieIn(lines, before = "") {
  return lines?.[0]?.split(";")[0] ?? before;
}

/**
 * Visits a page like a browser.
 * @param {Vestibule} vestibule
 * @param {string} path
 * @param {Record<string, string>} [headers]
 */
async function visit(vestibule, path, headers = {}) {
  const response = await fetch(`${vestibule.url}${path}`, { headers });
  if (headers.accept !== "text/event-stream") await response.text();
  return cookieIn(response.headers.getSetCookie(), headers.cookie);
}

/**
 * Opens a socket like a browser, which keeps the handshake's cookie.
 * @param {import("node:test").TestContext} t
 * @param {Vestibule} vestibule
 * @param {string} cookie
 */
async function open(t, vestibule, cookie) {
  const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, {
    origin: vestibule.url,
    headers: { cookie },
  });
  t.after(() => socket.terminate());
  const upgraded = once(socket, "upgrade");
  await once(socket, "open");
  const [response] = await upgraded;
  return { socket, cookie: cookieIn(response.headers["set-cookie"], cookie) };
}

/** Waits until a guest without an open connection has expired. @param {Origin} origin @param {Vestibule} vestibule */
async function untilIdle(origin, vestibule) {
  const cookie = await visit(vestibule, "/bystander");
  const issued = Date.now();
  await until(() => Date.now() - issued > 9_000, { what: "more than the idle limit" });
  await visit(vestibule, "/bystander", { cookie });
  assert.deepEqual(
    origin.received("x-session-state"),
    ["new"],
    "a guest without a connection has expired",
  );
}

for (const streams of ["pass-through", "revocable"]) {
  test(`a guest with only an open socket keeps the session at a reconnect (${streams})`, async (t) => {
    const { origin, handshakes, vestibule } = await deployment(t, { STREAMS: streams });
    const first = await visit(vestibule, "/");
    const [handle] = origin.received("x-session-id");
    const { cookie } = await open(t, vestibule, first);
    await untilIdle(origin, vestibule);
    // Another isolate knows of the socket only from the cookie.
    await vestibule.restart();
    await open(t, vestibule, cookie);
    const last = handshakes.at(-1);
    assert.deepEqual([last?.["x-session-id"], last?.["x-session-state"]], [handle, "active"]);
    assert.equal(vestibule.kv.count("put"), 0, "a guest costs no storage");
  });

  test(`a guest without the handshake's new cookie keeps the session at the same isolate (${streams})`, async (t) => {
    const { origin, handshakes, vestibule } = await deployment(t, { STREAMS: streams });
    const first = await visit(vestibule, "/");
    const [handle] = origin.received("x-session-id");
    await open(t, vestibule, first);
    await untilIdle(origin, vestibule);
    await open(t, vestibule, first);
    assert.equal(handshakes.at(-1)?.["x-session-id"], handle);
  });

  test(`a user with only an open socket stays signed in at a reconnect (${streams})`, async (t) => {
    const { origin, handshakes, vestibule } = await deployment(t, { STREAMS: streams });
    const first = await visit(vestibule, "/?user=u1");
    const { cookie } = await open(t, vestibule, first);
    await untilIdle(origin, vestibule);
    await vestibule.restart();
    await open(t, vestibule, cookie);
    assert.equal(handshakes.at(-1)?.["x-session-user"], "u1");
  });

  test(`a guest with only an open event stream keeps the session (${streams})`, async (t) => {
    const { origin, vestibule } = await deployment(t, { STREAMS: streams });
    const first = await visit(vestibule, "/");
    const [handle] = origin.received("x-session-id");
    const cookie = await visit(vestibule, "/", { cookie: first, accept: "text/event-stream" });
    await untilIdle(origin, vestibule);
    await visit(vestibule, "/", { cookie });
    assert.deepEqual(origin.received("x-session-id"), [handle]);
  });
}

test("a guest past the idle limit gets a new session at the same server", async (t) => {
  const origins = await Promise.all([1, 2, 3, 4].map(() => Origin.start(t)));
  const vestibule = await Vestibule.start(t, {
    origins: origins.map(({ url }) => url),
    vars: { SESSION_IDLE: "1s" },
  });
  let visits = 0;
  const server = async (cookie = "") => {
    visits += 1;
    const path = `/${visits}`;
    const given = await visit(vestibule, path, cookie === "" ? {} : { cookie });
    const at = origins.findIndex(({ requests }) => requests.at(-1)?.url === path);
    return { at, cookie: given, state: origins[at].received("x-session-state")[0] };
  };
  const guests = [];
  for (let guest = 0; guest < 8; guest += 1) guests.push(await server());
  const last = guests.at(-1)?.cookie;
  await until(async () => (await server(last)).state === "new", { what: "an idle end" });
  for (const before of guests) {
    const after = await server(before.cookie);
    assert.deepEqual([after.state, after.at], ["new", before.at]);
    assert.notEqual(after.cookie, before.cookie);
  }
});
