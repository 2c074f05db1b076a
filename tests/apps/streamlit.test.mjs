/** Shows that a real Streamlit application knows the user, and that a client cannot forge another. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { openPage, picture } from "../browser/chromium.mjs";
import { Browser } from "../harness/sign-in.mjs";
import { until } from "../harness/until.mjs";
import { HOST, openSite, PASSWORD } from "./site.mjs";
import { startStreamlit } from "./streamlit.mjs";

/** A page of this size may take a while to load on a busy machine. */
const PATIENCE = { timeout: 30_000 };

const ACCOUNTS = { ada: { name: "Ada 王芳" }, mallory: { name: "Mallory" } };

/** Headers of a client that claims to be another user. */
const FORGED = { "X-Session-User": "ada", x_session_user: "ada", "X-Session-Name": "Ada" };

/** `BackMsg { rerun_script: ClientState {} }`, the first message of Streamlit's page. */
const RUN = Buffer.from([0x5a, 0x00]);

/** @param {import("playwright-core").Page} page */
async function signIn(page, user = "ada") {
  await page.locator("#username").fill(user);
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("a user sees their name, chats over the WebSocket, and must sign in again after signing out", async (t) => {
  const { url } = await openSite(t, await startStreamlit(t), ACCOUNTS);
  const page = await openPage(t);
  /** @type {string[]} */
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(new URL(socket.url()).pathname));

  await page.goto(`${url}/?page=1`);
  assert.equal(new URL(page.url()).pathname, "/_session/login");
  assert.deepEqual(sockets, []);
  await signIn(page);
  await page.getByRole("heading", { name: "hello ada" }).waitFor(PATIENCE);
  assert.equal(page.url(), `${url}/?page=1`);
  await page.getByText("known as Ada 王芳").waitFor(PATIENCE);
  assert.deepEqual(sockets, ["/_stcore/stream"]);

  const input = page.getByLabel("Say something");
  await input.fill("good morning");
  await input.press("Enter");
  await page.getByText("ada said good morning").waitFor(PATIENCE);
  await picture(page, "streamlit");

  const signedOut = await page.evaluate(async () => {
    const headers = { "content-type": "application/json" };
    return (await fetch("/_session/logout", { method: "POST", headers, body: "{}" })).status;
  });
  assert.equal(signedOut, 204);
  await page.goto(url);
  assert.equal(new URL(page.url()).pathname, "/_session/login");
  await page.locator("#password").waitFor(PATIENCE);
});

test("a forged identity header is ignored, and the page shows the real name", async (t) => {
  const { url, port } = await openSite(t, await startStreamlit(t), ACCOUNTS);
  const page = await openPage(t, { extraHTTPHeaders: FORGED });
  await page.goto(url);
  await signIn(page, "mallory");
  await page.getByRole("heading", { name: "hello mallory" }).waitFor(PATIENCE);
  await page.getByText("known as Mallory").waitFor(PATIENCE);

  // A page cannot set a WebSocket's headers; a program can.
  const browser = new Browser();
  const credentials = { username: "mallory", password: PASSWORD, return_to: "/" };
  await browser.post(`${url}/_session/login`, credentials);
  const cookie = `vestibule-session=${browser.sessionOf(url)}`;
  const headers = { ...FORGED, host: `${HOST}:${port}`, origin: url, cookie };
  const address = `ws://127.0.0.1:${port}/_stcore/stream`;
  const socket = new WebSocket(address, ["streamlit", "placeholder"], { headers });
  t.after(() => socket.terminate());
  let received = "";
  socket.on("message", (data) => {
    received += String(data);
  });
  await once(socket, "open");
  assert.equal(socket.protocol, "streamlit");
  socket.send(RUN);
  await until(() => received.includes("known as"), { what: "the application's greeting" });
  assert.match(received, /hello mallory/);
  assert.match(received, /known as Mallory/);
  assert.doesNotMatch(received, /\bada\b/i);
});
