/** Tests conversations over socket.io and event streams over a poor network: delay, little bandwidth, losses and cuts. */
import assert from "node:assert/strict";
import { get } from "node:http";
import { test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { Browser } from "./harness/browser.mjs";
import { inLossyNetwork, lossyNetworkMissing } from "./harness/lossy-network.mjs";
import { Origin } from "./harness/origin.mjs";
import { PoorLink } from "./harness/poor-link.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** @typedef {import("node:test").TestContext} TestContext */
/** @typedef {{ server: string, heard: number[] }} Talk what a server knows of a conversation */

/** A phone at the edge of its cell. */
const QUALITY = { delayMs: 60, bytesPerSecond: 16_000, loss: 0.03 };

const CLIENTS = 12;

/** Number of messages that a client sends, and at least of events that it receives. */
const MESSAGES = 24;

/** Pause before an event stream is opened again, in milliseconds. */
const RETRY = 100;

/** Time after which silence counts as a cut, whose own reset can be lost, in milliseconds. */
const SILENCE = 3_000;

/** Time for everything to arrive, in milliseconds. */
const PATIENCE = 90_000;

/**
 * Starts two servers behind Vestibule, and a poor link to it.
 * @param {TestContext} t
 * @param {(name: string, request: import("./harness/origin.mjs").Message, reply: import("./harness/origin.mjs").Reply) => void} serve
 */
async function deployment(t, serve) {
  const names = ["one", "two"];
  const origins = await Promise.all(
    names.map((name) => Origin.start(t, (request, reply) => serve(name, request, reply))),
  );
  const { port } = await Vestibule.start(t, { origins: origins.map(({ url }) => url) });
  return { origins, names, link: await PoorLink.start(t, port, QUALITY) };
}

/** Begins a browser's session. @param {Browser} browser */
function begin(browser) {
  return until(async () => (await (await browser.fetch("/")).text()).length > 0);
}

/** Returns the numbers from 1. @param {number} count */
function upTo(count) {
  return Array.from({ length: count }, (_, at) => at + 1);
}

test("socket.io over a poor link: nothing is lost, repeated or out of order, through two cuts", async (t) => {
  const { origins, names, link } = await deployment(t, (name, _request, reply) => reply.end(name));
  /** What the servers know, by the session's handle. @type {Map<string, Talk>} */
  const talks = new Map();
  for (const [at, { server }] of origins.entries()) {
    // Not with its recovery of connections: that fails if a cut is noticed only after the client is back.
    const sockets = new Server(server, { pingInterval: 1_000, pingTimeout: SILENCE });
    t.after(() => sockets.close());
    sockets.on("connection", (socket) => {
      const handle = String(socket.handshake.headers["x-session-id"]);
      const talk = talks.get(handle) ?? { server: names[at], heard: [] };
      talks.set(handle, talk);
      assert.equal(names[at], talk.server, "a socket comes back to its server");
      // What the client missed is in the memory of this server alone.
      for (const number of talk.heard.slice(socket.handshake.auth.seen)) {
        socket.emit("said", number);
      }
      socket.join(handle);
      socket.on("say", (/** @type {number} */ number, done) => {
        // A message whose acknowledgement was lost comes twice: socket.io promises "at least once".
        if (!talk.heard.includes(number)) {
          talk.heard.push(number);
          sockets.to(handle).emit("said", number);
        }
        done();
      });
    });
  }

  const client = async () => {
    const browser = new Browser(link.url);
    await begin(browser);
    /** @type {number[]} */
    const said = [];
    const socket = io(link.url, {
      forceNew: true,
      reconnectionDelay: 200,
      reconnectionDelayMax: 1_000,
      retries: 50,
      ackTimeout: 2_000,
      extraHeaders: { cookie: browser.cookie },
      auth: (tell) => tell({ seen: said.length }),
    });
    t.after(() => void socket.disconnect());
    let connections = 0;
    socket.on("connect", () => {
      connections += 1;
    });
    socket.on("said", (number) => said.push(number));
    await until(() => socket.connected, { within: PATIENCE, what: "the first connection" });
    return {
      said,
      connections: () => connections,
      say: (/** @type {number} */ number) => void socket.emit("say", number),
    };
  };
  const clients = await Promise.all(upTo(CLIENTS).map(client));

  for (const number of upTo(MESSAGES)) {
    for (const { say } of clients) say(number);
    // Two cuts, each while messages and events are under way.
    if (number % (MESSAGES / 3) === 0 && number < MESSAGES) {
      await until(() => clients.every(({ said }) => said.length > number / 2), {
        within: PATIENCE,
      });
      link.cut();
    }
  }
  const complete = () => clients.every(({ said }) => said.length >= MESSAGES);
  await until(complete, { within: PATIENCE, what: "every event" });
  assert.ok(link.lost > 10, `${link.lost} losses`);
  assert.equal(talks.size, CLIENTS);
  for (const { said, connections } of clients) {
    assert.deepEqual(said, upTo(MESSAGES));
    assert.ok(connections() > 1, "the connection was cut");
  }
  for (const { heard } of talks.values()) assert.deepEqual(heard, upTo(MESSAGES));
});

test("event streams over a poor link: no event is lost, repeated or out of order, through two cuts", async (t) => {
  /** Servers of each session. @type {Map<string, Set<string>>} */
  const servers = new Map();
  const { link } = await deployment(t, (name, request, reply) => {
    const handle = String(request.headers["x-session-id"]);
    servers.set(handle, (servers.get(handle) ?? new Set()).add(name));
    if (request.url !== "/events") return void reply.end(name);
    let id = Number(request.headers["last-event-id"] ?? 0);
    reply.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => {
      id += 1;
      reply.write(`id: ${id}\ndata: ${"a word of an answer ".repeat(4)}\n\n`);
    }, 40);
    reply.on("close", () => clearInterval(timer));
  });
  const clients = await Promise.all(
    upTo(CLIENTS).map(async () => {
      const browser = new Browser(link.url);
      await begin(browser);
      return follow(t, link, browser.cookie);
    }),
  );
  for (const part of [1, 2, 3]) {
    const before = clients.map(({ ids }) => ids.length);
    const enough = () => clients.every(({ ids }, at) => ids.length >= before[at] + MESSAGES / 3);
    await until(enough, { within: PATIENCE, what: "events" });
    if (part < 3) link.cut();
  }
  assert.ok(link.lost > 10, `${link.lost} losses`);
  for (const { ids, connections } of clients) {
    assert.deepEqual(ids, upTo(ids.length));
    assert.ok(connections() > 1, "the stream was cut");
  }
  for (const names of servers.values()) assert.equal(names.size, 1, "a session has one server");
  assert.equal(servers.size, CLIENTS);
});

test("the same with real losses: the kernel drops packets between all parts", {
  skip: lossyNetworkMissing(),
}, async () => {
  const { passed, output } = await inLossyNetwork("tests/poor-network.test.mjs", "poor link");
  assert.equal(passed, 2, output);
});

/**
 * Follows an event stream as a browser does: after a cut it connects again and names the last event.
 * @param {TestContext} t
 * @param {PoorLink} link
 * @param {string} cookie
 */
function follow(t, { port }, cookie) {
  /** @type {number[]} */
  const ids = [];
  let connections = 0;
  let goesOn = true;
  /** @type {import("node:http").ClientRequest} */
  let request;
  const open = () => {
    if (!goesOn) return;
    const headers = { cookie, accept: "text/event-stream", "last-event-id": String(ids.length) };
    const options = { port, path: "/events", agent: false, headers, timeout: SILENCE };
    request = get(options, (answer) => {
      connections += 1;
      let rest = "";
      answer.setEncoding("utf8").on("data", (chunk) => {
        const events = (rest + chunk).split("\n\n");
        rest = events.pop() ?? "";
        for (const event of events) ids.push(Number(/^id: (\d+)$/m.exec(event)?.[1]));
      });
      answer.on("error", () => {});
    });
    request.on("error", () => {});
    request.on("timeout", () => request.destroy());
    request.on("close", () => setTimeout(open, RETRY));
  };
  open();
  t.after(() => {
    goesOn = false;
    request.destroy();
  });
  return { ids, connections: () => connections };
}
