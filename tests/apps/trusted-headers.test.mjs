/**
 * Tests servers that trust a proxy's headers, each under its own names. They are Open WebUI's sign-in
 * (`signin` and `get_session_user` in backend/open_webui/routers/auths.py, `get_current_user` in
 * utils/auth.py); and servers that expect oauth2-proxy or Grafana's proxy.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { Origin } from "../harness/origin.mjs";
import { Browser } from "../harness/sign-in.mjs";
import { HOST, openSite, PASSWORD } from "./site.mjs";

const SIGN_IN = "/api/v1/auths/signin";
const WHO = "/api/v1/auths/";

const ACCOUNTS = {
  ada: { email: "Ada@acme.example", name: "Ada L." },
  fang: { email: "fang@acme.example", name: "王 芳 100%" },
  nameless: { email: "nameless@acme.example" },
  addressless: { name: "No Mail" },
};

const HEADERS = { "X-User-Email": "email", "X-User-Name": "name" };

/** Spellings of these headers that some server reads as the same. */
const FORGED = {
  "X-User-Email": "boss@acme.example",
  x_user_email: "boss@acme.example",
  "X.User.Email": "boss@acme.example",
  "x-user_email": "boss@acme.example",
  "X-User-Name": "Boss",
  X_USER_NAME: "Boss",
};

/**
 * Implements Open WebUI's sign-in, with WEBUI_AUTH_TRUSTED_EMAIL_HEADER=X-User-Email and
 * WEBUI_AUTH_TRUSTED_NAME_HEADER=X-User-Name.
 * @param {import("node:test").TestContext} t
 */
async function startOpenWebUi(t) {
  /** @typedef {{ email: string, name: string }} User */
  /** @type {Map<string, User>} */
  const users = new Map();
  /** @type {Map<string, User>} */
  const tokens = new Map();
  return Origin.start(t, (request, reply) => {
    const answer = (/** @type {number} */ status, /** @type {object} */ body) =>
      reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const trusted = /** @type {string | undefined} */ (request.headers["x-user-email"]);
    const email = trusted?.toLowerCase();
    if (request.method === "POST" && request.url === SIGN_IN) {
      if (email === undefined) return void answer(400, { detail: "no trusted header" });
      const name = decodeURIComponent(String(request.headers["x-user-name"] ?? email));
      const user = users.get(email) ?? { email, name };
      users.set(email, user);
      const token = randomUUID();
      tokens.set(token, user);
      reply.setHeader("set-cookie", `token=${token}; HttpOnly; Path=/; SameSite=lax`);
      return void answer(200, { token, token_type: "Bearer", ...user });
    }
    if (request.url === WHO) {
      const [, bearer] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
      const [, cookie] = /(?:^|; )token=([^;]+)/.exec(request.headers.cookie ?? "") ?? [];
      const user = tokens.get(bearer ?? cookie ?? "");
      if (!user) return void answer(401, { detail: "unauthorized" });
      if (email && email !== user.email) return void answer(401, { detail: "user mismatch" });
      return void answer(200, user);
    }
    reply.end("ok");
  });
}

/**
 * @param {string} url the site
 * @param {string} username
 */
async function signedIn(url, username) {
  const browser = new Browser();
  const answer = await browser.post(`${url}/_session/login`, {
    username,
    password: PASSWORD,
    return_to: "/",
  });
  assert.equal(answer.body, "ok", `signing in: ${answer.status} ${answer.code}`);
  return browser;
}

/**
 * Signs in like the application's page after it loaded.
 * @param {Browser} browser
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
async function enter(browser, url, headers) {
  const json = { email: "", password: "" };
  const answer = await browser.fetchJson(url + SIGN_IN, { method: "POST", headers, json });
  return { status: answer.status, ...answer.json() };
}

test("Open WebUI signs in the user named in the headers, in any script", async (t) => {
  const origin = await startOpenWebUi(t);
  const { url } = await openSite(t, origin.url, ACCOUNTS, { headers: HEADERS });

  const ada = await signedIn(url, "ada");
  const { token, ...asAda } = await enter(ada, url);
  const expected = { email: "ada@acme.example", name: "Ada L." };
  assert.deepEqual(asAda, { status: 200, token_type: "Bearer", ...expected });
  // From then on its page sends the token as a bearer token, which is not the gateway's.
  const bearer = { authorization: `Bearer ${token}` };
  assert.deepEqual((await ada.fetchJson(url + WHO, { headers: bearer })).json(), expected);
  assert.deepEqual(origin.received("authorization"), [bearer.authorization]);

  const fang = await signedIn(url, "fang");
  assert.equal((await enter(fang, url)).name, "王 芳 100%");
  assert.deepEqual(origin.received("x-user-name"), ["%E7%8E%8B %E8%8A%B3 100%25"]);

  const nameless = await signedIn(url, "nameless");
  assert.equal((await enter(nameless, url)).name, "nameless@acme.example");
  assert.deepEqual(origin.received("x-user-name"), []);

  // Another user's token gives no access.
  const answer = await fang.fetchJson(url + WHO, { headers: bearer });
  assert.equal(answer.status, 401);
});

test("a client's identity headers never reach the server, in any spelling", async (t) => {
  const origin = await startOpenWebUi(t);
  const sockets = new WebSocketServer({ server: origin.server });
  t.after(async () => sockets.close());
  const { url, port } = await openSite(t, origin.url, ACCOUNTS, {
    mode: "optional",
    headers: HEADERS,
  });

  const ada = await signedIn(url, "ada");
  assert.equal((await enter(ada, url, FORGED)).email, "ada@acme.example");
  assert.deepEqual(origin.received("x-user-email"), ["Ada@acme.example"]);
  assert.deepEqual(origin.received("x-user-name"), ["Ada L."]);

  // A user without an email address does not get another user's.
  const addressless = await signedIn(url, "addressless");
  assert.equal((await enter(addressless, url, FORGED)).status, 400);
  assert.deepEqual(origin.received("x-user-email"), []);
  assert.deepEqual(origin.received("x-user-name"), ["No Mail"]);

  const guest = new Browser();
  for (const headers of [{}, FORGED]) {
    assert.equal((await enter(guest, url, headers)).status, 400);
    assert.deepEqual(origin.received("x-user-email"), []);
    assert.deepEqual(origin.received("x-user-name"), []);
  }

  for (const [cookie, expected] of [
    [`vestibule-session=${ada.sessionOf(url)}`, ["Ada@acme.example"]],
    ["", []],
  ]) {
    const accepted = new Promise((resolve) =>
      sockets.once("connection", (_, { rawHeaders }) => resolve(rawHeaders)),
    );
    const headers = { ...FORGED, host: `${HOST}:${port}`, origin: url, cookie: String(cookie) };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/socket.io/`, { headers });
    t.after(async () => socket.terminate());
    await once(socket, "open");
    const raw = /** @type {string[]} */ (await accepted);
    const isForged = (/** @type {string} */ text) => /boss/i.test(text);
    assert.deepEqual(raw.filter(isForged), []);
    const emails = raw.filter((_, at) => /^x.user.email$/i.test(raw[at - 1] ?? ""));
    assert.deepEqual(emails, expected);
  }
});

test("after signing out, the application's own cookie gives no access", async (t) => {
  const origin = await startOpenWebUi(t);
  const { url } = await openSite(t, origin.url, ACCOUNTS, {
    headers: HEADERS,
    login: { clear_cookies: ["token"] },
  });
  const ada = await signedIn(url, "ada");
  const { token } = await enter(ada, url);
  const names = () => ada.cookiesOf(url).map(({ name }) => name);
  assert.ok(names().includes("token"));

  const signedOut = await ada.fetchJson(`${url}/_session/logout`, { method: "POST" });
  assert.equal(signedOut.status, 204);
  assert.ok(!names().includes("token"));
  const seen = origin.requests.length;
  const headers = { authorization: `Bearer ${token}`, cookie: `token=${token}` };
  const answer = await ada.send(url + WHO, { headers });
  assert.equal(answer.status, 401);
  assert.equal(answer.code, "no_session");
  assert.equal(origin.requests.length, seen);
});

test("servers for oauth2-proxy and Grafana receive the identity under their header names", async (t) => {
  const origin = await Origin.start(t);
  const headers = {
    "X-WEBAUTH-USER": "user",
    "X-WEBAUTH-EMAIL": "email",
    "X-Forwarded-User": "user",
    "X-Forwarded-Preferred-Username": "user",
    "X-Forwarded-Email": "email",
    "X-Forwarded-Groups": "groups",
    "X-Auth-Request-User": "user",
    "X-Auth-Request-Email": "email",
  };
  const ada = { ...ACCOUNTS.ada, groups: ["editors", "staff"] };
  const { url } = await openSite(t, origin.url, { ada }, { mode: "optional", headers });
  const forged = Object.fromEntries(Object.keys(headers).map((name) => [name, "boss"]));

  const browser = await signedIn(url, "ada");
  await browser.fetchJson(`${url}/`, { headers: forged });
  const values = { ...ada, user: "ada", groups: "editors,staff" };
  for (const [name, source] of Object.entries(headers)) {
    const value = values[/** @type {keyof typeof values} */ (source)];
    assert.deepEqual(origin.received(name), [value], name);
  }

  await new Browser().fetchJson(`${url}/`, { headers: forged });
  for (const name of Object.keys(headers)) assert.deepEqual(origin.received(name), [], name);
});
