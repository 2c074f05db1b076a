/**
 * Generates load through a Worker in a separate process: 64 sockets, each with one message in flight at a
 * time, or as many listeners of event streams. It reports how many messages have passed the Worker
 * on request. `fork("bench/message-load.mjs", [KIND, URL, COOKIE])`.
 */
import { get } from "node:http";
import { DOWN, frameUp, MESSAGE } from "./frames.mjs";

const CONNECTIONS = 64;
const FRAME = frameUp("A message of a conversation.".padEnd(MESSAGE, " And more of it."));

/** Number of messages that passed: an echo passes twice. */
let passed = 0;

const [kind, url, cookie] = process.argv.slice(2);
const headers = { origin: url, ...(cookie ? { cookie } : {}) };

/** @type {Record<string, () => Promise<void>>} */
const OPENING = { sockets: converse, events: listen };

await Promise.all(Array.from({ length: CONNECTIONS }, OPENING[kind]));
process.on("message", () => process.send?.(passed));
process.on("disconnect", () => process.exit());
process.send?.("ready");

/** @returns {Promise<void>} */
function converse() {
  const handshake = {
    connection: "upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  return new Promise((resolve) => {
    const request = get(url, { headers: { ...headers, ...handshake }, agent: false });
    request.on("error", fail).on("response", ({ statusCode }) => fail(`answered ${statusCode}`));
    request.on("upgrade", (_, socket) => {
      let bytes = 0;
      socket.on("data", (/** @type {Buffer} */ chunk) => {
        for (bytes += chunk.length; bytes >= DOWN; bytes -= DOWN) {
          passed += 2;
          socket.write(FRAME);
        }
      });
      socket.on("error", fail).on("close", () => fail("the socket was closed"));
      socket.write(FRAME);
      resolve();
    });
  });
}

/** @returns {Promise<void>} */
function listen() {
  return new Promise((resolve) => {
    const request = get(`${url}/events`, { headers, agent: false }, (response) => {
      if (response.statusCode !== 200) fail(`answered ${response.statusCode}`);
      response.on("data", (chunk) => {
        passed += chunk.length / MESSAGE;
      });
      response.on("error", fail).on("end", () => fail("the stream ended"));
      resolve();
    });
    request.on("error", fail);
  });
}

/** Ends the process: an incomplete load would yield a wrong figure. @param {unknown} why */
function fail(why) {
  process.stderr.write(`${kind} at ${url}: ${why}\n`);
  process.exit(1);
}
