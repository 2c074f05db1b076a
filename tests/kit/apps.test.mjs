/** The kit's examples for Gradio and Streamlit before the real Worker. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { openPage } from "../browser/chromium.mjs";
import { Browser } from "../harness/browser.mjs";
import { until } from "../harness/until.mjs";
import { gradio, openKit, streamlit } from "./server.mjs";

/** A page of this size may take a while to load on a busy machine. */
const PATIENCE = { timeout: 60_000 };

/** `BackMsg { rerun_script: ClientState {} }`, with which Streamlit's page begins. */
const RUN = Buffer.from([0x5a, 0x00]);

/** What a client says that wants to be somebody else. */
const FORGED = { "x-session-id": "forged", "x-session-user": "boss" };

test("a Gradio function reads and changes the session", async (t) => {
  const { vestibule, servers } = await openKit(t, gradio, ["one"]);
  const browser = new Browser(vestibule.url);
  // A response begins the record; the function runs after its own response began.
  await browser.fetch("/");
  const name = (await browser.json("/_session/me")).handle;
  const say = async (/** @type {string} */ text) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ data: [text] });
    const asked = await browser.fetch("/gradio_api/call/answer", { method: "POST", headers, body });
    const { event_id } = await asked.json();
    return (await browser.fetch(`/gradio_api/call/answer/${event_id}`)).text();
  };
  assert.match(await say("hello"), /message 1 of guest: hello/);
  assert.match(await say("again"), /message 2 of guest: again/);
  const me = await browser.json("/_session/me");
  assert.deepEqual([me.handle, me.data], [name, { count: 2 }]);
  assert.equal((await fetch(servers[0].url, { headers: FORGED })).status, 401);
});

test("a Streamlit script reads and changes the session", async (t) => {
  const { vestibule } = await openKit(t, streamlit, ["one"]);
  const page = await openPage(t);
  await page.goto(vestibule.url);
  await page.getByRole("heading", { name: "hello guest" }).waitFor(PATIENCE);
  await page.getByText("counted to 0").waitFor(PATIENCE);
  await page.getByRole("button", { name: "Count" }).click();
  await page.getByText("counted to 1").waitFor(PATIENCE);
  await page.reload();
  await page.getByText("counted to 1").waitFor(PATIENCE);
});

test("a Streamlit script shows nothing to who comes beside Vestibule", async (t) => {
  const { servers } = await openKit(t, streamlit, ["one"]);
  const { host } = new URL(servers[0].url);
  const socket = new WebSocket(`ws://${host}/_stcore/stream`, ["streamlit", "placeholder"], {
    headers: FORGED,
  });
  t.after(() => socket.terminate());
  let received = "";
  socket.on("message", (data) => {
    received += String(data);
  });
  await once(socket, "open");
  socket.send(RUN);
  await until(() => received.includes("no X-Session-Proof"), { within: 60_000, what: "a refusal" });
  assert.doesNotMatch(received, /hello|counted/);
});
