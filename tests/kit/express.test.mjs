/** The Node kit's example for Express and socket.io before the real Worker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import { Browser } from "../harness/browser.mjs";
import { until } from "../harness/until.mjs";
import { testVerification } from "./believed.mjs";
import { FORGED, homeOf, openNodeKit, post, proved } from "./node-server.mjs";

testVerification("express-app.js");

/**
 * @param {import("node:test").TestContext} t
 * @param {string} url
 * @param {Record<string, string>} extraHeaders
 * @param {Partial<import("socket.io-client").ManagerOptions>} [options]
 */
function connect(t, url, extraHeaders, options = { transports: ["websocket"] }) {
  const socket = io(url, { extraHeaders, forceNew: true, reconnectionDelayMax: 500, ...options });
  t.after(async () => void socket.close());
  const say = (/** @type {string} */ text) => socket.timeout(20_000).emitWithAck("message", text);
  return { socket, say };
}

/** @param {{ url: string }} vestibule @param {Browser} browser */
function headersOf({ url }, browser) {
  return { cookie: browser.cookie, origin: url };
}

test("a socket is connected only with a valid proof", async (t) => {
  const { servers } = await openNodeKit(t, "express-app.js", ["one"]);
  const [{ url }] = servers;
  const { socket: genuine } = connect(t, url, proved("/socket.io/"));
  await new Promise((resolve) => genuine.once("connect", () => resolve(null)));
  for (const [headers, status] of /** @type {const} */ ([
    [FORGED, 401],
    [proved("/"), 403],
    [proved("/socket.io/", 120), 403],
  ])) {
    const { socket } = connect(t, url, headers);
    const error = await new Promise((resolve) => socket.once("connect_error", resolve));
    assert.deepEqual(error.data, { status });
  }
});

for (const transports of [["websocket"], ["polling", "websocket"]]) {
  test(`a guest's conversation continues in another process, by ${transports.join(", then ")}`, async (t) => {
    const { vestibule, servers } = await openNodeKit(t, "express-app.js", [
      "left",
      "middle",
      "right",
    ]);
    const browser = new Browser(vestibule.url);
    await browser.json("/");
    assert.equal(vestibule.kv.operations.length, 0, "nothing is recorded of the guest");
    const { socket, say } = connect(t, vestibule.url, headersOf(vestibule, browser), {
      transports,
    });
    for (const message of [1, 2, 3]) {
      const answer = { message, user: null, text: "hello", isTakenOver: false };
      assert.deepEqual(await say("hello"), answer);
    }
    await until(() => socket.io.engine.transport.name === "websocket", { what: "a WebSocket" });
    const server = await homeOf(vestibule, servers);
    const back = new Promise((resolve) => socket.once("connect", () => resolve(null)));
    await server.kill();
    await back;
    const { message, isTakenOver } = await say("again");
    assert.deepEqual([message, isTakenOver], [4, true]);
    assert.deepEqual((await browser.json("/")).data, { messages: 4 });
    assert.deepEqual((await post(browser, "/visits")).data, { messages: 4, visits: 1 });
  });
}

for (const consistency of ["strong", "eventual"]) {
  test(`a socket changes a session, and ends with it (${consistency})`, async (t) => {
    const vars = { CONSISTENCY: consistency };
    const { vestibule } = await openNodeKit(t, "express-app.js", ["one"], { vars });
    const browser = new Browser(vestibule.url);
    await post(browser, "/visits");
    await post(browser, "/sign-in", { user: "ada" });
    const { socket, say } = connect(t, vestibule.url, headersOf(vestibule, browser));
    for (const message of [1, 2, 3]) {
      const answer = { message, user: "ada", text: "hello", isTakenOver: false };
      assert.deepEqual(await say("hello"), answer);
    }
    assert.deepEqual((await browser.json("/")).data, { visits: 1, messages: 3 });
    const closed = new Promise((resolve) => socket.once("disconnect", resolve));
    await post(browser, "/sign-out");
    socket.emit("message", "anyone?", () => {});
    assert.equal(await closed, "io server disconnect");
  });
}
