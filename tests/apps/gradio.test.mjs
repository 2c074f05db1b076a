/** Shows that a real Gradio application knows the user in each call, and that a client cannot forge another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, picture } from "../browser/chromium.mjs";
import { startGradio } from "./gradio.mjs";
import { openSite, PASSWORD } from "./site.mjs";

/** A page of this size may take a while to load on a busy machine. */
const PATIENCE = { timeout: 60_000 };

const ACCOUNTS = { "ada 王": {}, mallory: {} };

/** @param {import("playwright-core").Page} page @param {string} url @param {string} user */
async function signIn(page, url, user) {
  await page.goto(url);
  assert.equal(new URL(page.url()).pathname, "/_session/login");
  await page.locator("#username").fill(user);
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** @param {import("playwright-core").Page} page @param {string} text */
async function say(page, text) {
  const input = page.getByRole("textbox").last();
  await input.waitFor(PATIENCE);
  await input.fill(text);
  await input.press("Enter");
}

test("a user chats over Gradio's queue, and must sign in again after signing out", async (t) => {
  const { url } = await openSite(t, await startGradio(t), ACCOUNTS);
  const page = await openPage(t);
  /** @type {string[]} */
  const streams = [];
  page.on("response", (response) => {
    const type = response.headers()["content-type"] ?? "";
    if (type.startsWith("text/event-stream")) streams.push(new URL(response.url()).pathname);
  });
  await signIn(page, url, "ada 王");
  await say(page, "good morning");
  await page.getByText("ada 王 said good morning").waitFor(PATIENCE);
  await picture(page, "gradio");
  assert.ok(streams.includes("/gradio_api/queue/data"), streams.join(", "));

  const signedOut = await page.evaluate(async () => {
    return (await fetch("/_session/logout", { method: "POST" })).status;
  });
  assert.equal(signedOut, 204);
  await page.goto(url);
  assert.equal(new URL(page.url()).pathname, "/_session/login");
});

test("a forged identity header is ignored in the calls of a page", async (t) => {
  const { url } = await openSite(t, await startGradio(t), ACCOUNTS);
  const page = await openPage(t, {
    extraHTTPHeaders: { "X-Session-User": "ada", x_session_user: "ada" },
  });
  await signIn(page, url, "mallory");
  await say(page, "hello");
  await page.getByText("mallory said hello").waitFor(PATIENCE);
});
