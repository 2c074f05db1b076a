/** The kit's FastAPI example before the real Worker: who is believed, and how sessions are changed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { Browser } from "../harness/browser.mjs";
import { outgrow } from "./processes.mjs";
import { fastapi, openKit } from "./server.mjs";

/** What a client says that wants to be somebody else. */
const FORGED = { "x-session-user": "boss", "x-session-id": "forged", x_session_user: "boss" };

/**
 * @param {Browser} browser
 * @param {string} path
 * @param {object} [body]
 */
async function post(browser, path, body = {}) {
  const headers = { "content-type": "application/json" };
  const answer = await browser.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/**
 * @param {import("node:test").TestContext} t
 * @param {{ url: string }} server
 * @param {Record<string, string>} headers
 */
async function openSocket(t, server, headers) {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/chat`, { headers });
  t.after(() => socket.terminate());
  await once(socket, "open");
  return async (/** @type {string} */ text) => {
    const answered = once(socket, "message");
    socket.send(text);
    return JSON.parse(String((await answered)[0]));
  };
}

for (const verify of /** @type {const} */ (["proof", "assertion"])) {
  test(`a request is believed only with a valid ${verify}`, async (t) => {
    const { vestibule, servers } = await openKit(t, fastapi, ["one"], { verify });
    const [server] = servers;
    const browser = new Browser(vestibule.url);
    const first = await browser.fetch("/?room=1");
    assert.equal(first.status, 200, await first.clone().text());
    const guest = await first.json();
    assert.match(guest.id, /^[\w-]{22}$/);
    assert.equal(guest.user, null);
    const forged = await (await browser.fetch("/", { headers: FORGED })).json();
    assert.deepEqual([forged.id, forged.user], [guest.id, null]);

    const direct = await fetch(server.url, { headers: FORGED });
    assert.equal(direct.status, 401);
    assert.match(await direct.text(), new RegExp(`no X-Session-${verify}`, "i"));
    const wrong = { ...FORGED, [`x-session-${verify}`]: "v1;t=1;k=00000000;mac=AAAA" };
    assert.equal((await fetch(server.url, { headers: wrong })).status, 403);
    assert.equal((await fetch(`${server.url}/healthz`, { headers: FORGED })).status, 200);

    const socket = new WebSocket(`${server.url.replace("http", "ws")}/chat`, { headers: FORGED });
    const [, refusal] = await once(
      socket.on("error", () => {}),
      "unexpected-response",
    );
    assert.equal(refusal.statusCode, 401);
  });
}

test("a path is believed in every spelling that Vestibule forwards", async (t) => {
  const { vestibule } = await openKit(t, fastapi, ["one"]);
  const browser = new Browser(vestibule.url);
  for (const path of [
    "/a%20b",
    "/a%2Fb",
    "/%e7%8e%8b",
    "/%E7%8E%8B?x=%27",
    "/王",
    "/a+b{c}|d",
    "/%",
  ]) {
    assert.equal((await browser.fetch(path)).status, 404, path);
  }
});

test("a response changes data, signs in and signs out", async (t) => {
  const { vestibule } = await openKit(t, fastapi, ["one"]);
  const browser = new Browser(vestibule.url);
  assert.deepEqual((await post(browser, "/visits")).data, { visits: 1 });
  assert.deepEqual((await post(browser, "/visits")).data, { visits: 2 });
  const guest = await browser.json("/");
  assert.deepEqual(guest.data, { visits: 2 });

  const cookie = browser.session;
  await post(browser, "/sign-in", { user: "éva", name: "王 芳 100%", groups: ["a b", "équipe"] });
  assert.notEqual(browser.session, cookie);
  const user = await browser.json("/");
  assert.deepEqual(
    [user.user, user.name, user.groups, user.data],
    ["éva", "王 芳 100%", ["a b", "équipe"], { visits: 2 }],
  );
  assert.notEqual(user.id, guest.id);

  await post(browser, "/sign-out");
  const next = await browser.json("/");
  assert.deepEqual([next.user, next.data], [null, {}]);
});

test("data too large for a request is read before it is changed", async (t) => {
  const { vestibule } = await openKit(t, fastapi, ["one"]);
  const browser = new Browser(vestibule.url);
  await post(browser, "/visits");
  const large = await outgrow(vestibule, (await browser.json("/")).id);
  assert.deepEqual((await post(browser, "/visits")).data, { visits: 2, ...large });
  const say = await openSocket(t, vestibule, { cookie: browser.cookie, origin: vestibule.url });
  assert.equal((await say("hello")).message, 1);
  const again = await openSocket(t, vestibule, { cookie: browser.cookie, origin: vestibule.url });
  assert.equal((await again("hello")).message, 2);
  assert.deepEqual((await browser.json("/")).data, { visits: 2, messages: 2, ...large });
});

test("a guest of whom nothing is recorded gets its record by a WebSocket", async (t) => {
  const { vestibule } = await openKit(t, fastapi, ["one"]);
  const browser = new Browser(vestibule.url);
  await browser.json("/");
  const guest = browser.session;
  assert.equal(vestibule.kv.operations.length, 0);
  const say = await openSocket(t, vestibule, { cookie: browser.cookie, origin: vestibule.url });
  assert.deepEqual(await say("hello"), { message: 1, text: "hello" });
  assert.deepEqual((await browser.json("/")).data, { messages: 1 });
  assert.notEqual(browser.session, guest, "the cookie names the record from now on");
  assert.deepEqual((await post(browser, "/visits")).data, { messages: 1, visits: 1 });
});

for (const consistency of ["strong", "eventual"]) {
  test(`a WebSocket changes and ends a session (${consistency})`, async (t) => {
    const vars = { CONSISTENCY: consistency };
    const { vestibule } = await openKit(t, fastapi, ["one"], { vars });
    const browser = new Browser(vestibule.url);
    await post(browser, "/visits");
    const say = await openSocket(t, vestibule, { cookie: browser.cookie, origin: vestibule.url });
    for (const count of [1, 2, 3]) {
      assert.deepEqual(await say("hello"), { message: count, text: "hello" });
    }
    assert.deepEqual((await browser.json("/")).data, { visits: 1, messages: 3 });
    await say("end the session");
    assert.equal((await browser.fetch("/_session/me")).status, 401);
  });
}
