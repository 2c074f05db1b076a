/** Shows that a real Open WebUI knows its users by Vestibule's headers, with its socket and two browsers. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, picture } from "../browser/chromium.mjs";
import { HEADERS, SKIPPED, startOpenWebUi } from "./open-webui.mjs";
import { openSite, PASSWORD } from "./site.mjs";

/** Its page loads megabytes of scripts. */
const PATIENCE = { timeout: 90_000 };

const ACCOUNTS = {
  ada: { email: "ada@acme.example", name: "Ada L.", groups: ["staff"] },
  bea: { email: "bea@acme.example", name: "Bea 王" },
};

/** Starting it takes a minute, so that all tests share one. */
const shared = SKIPPED === false ? await startOpenWebUi({ after }) : "";

/** @param {import("node:test").TestContext} t */
async function open(t) {
  return openSite(t, shared, ACCOUNTS, {
    headers: HEADERS,
    login: { clear_cookies: ["token"] },
  });
}

/**
 * Signs in at the gateway's page, and waits for Open WebUI's.
 * @param {import("playwright-core").Page} page
 * @param {string} url
 * @param {string} user
 */
async function enter(page, url, user) {
  await page.goto(url);
  assert.equal(new URL(page.url()).pathname, "/_session/login");
  await page.locator("#username").fill(user);
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#chat-input").waitFor(PATIENCE);
  // The news of the release, which it shows once.
  const news = page.getByRole("button", { name: /Let's Go/ });
  if (await news.isVisible()) await news.click();
}

/** Returns whom Open WebUI takes the page's user for. @param {import("playwright-core").Page} page */
function userOf(page) {
  return page.evaluate(async () => {
    const headers = { authorization: `Bearer ${localStorage.getItem("token")}` };
    const { email, name } = await (await fetch("/api/v1/auths/", { headers })).json();
    return { email, name };
  });
}

/** @param {import("playwright-core").Page} page @param {string} text */
async function say(page, text) {
  await page.locator("#chat-input").click();
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
  await page.getByText(`You said ${text}`).first().waitFor(PATIENCE);
}

test("two users chat at once, each over a socket of their own", { skip: SKIPPED }, async (t) => {
  const { url } = await open(t);
  const pages = { ada: await openPage(t), bea: await openPage(t) };
  /** @type {Record<string, string[]>} */
  const received = { ada: [], bea: [] };
  for (const [user, page] of Object.entries(pages)) {
    page.on("websocket", (socket) => {
      if (new URL(socket.url()).pathname !== "/ws/socket.io/") return;
      socket.on("framereceived", ({ payload }) => received[user].push(String(payload)));
    });
    await enter(page, url, user);
  }
  const [ada, bea] = [await userOf(pages.ada), await userOf(pages.bea)];
  assert.deepEqual(ada, { email: "ada@acme.example", name: "Ada L." });
  assert.deepEqual(bea, { email: "bea@acme.example", name: "Bea 王" });
  await Promise.all([say(pages.ada, "apples"), say(pages.bea, "berries")]);
  await picture(pages.ada, "open-webui");
  // The answers came through the sockets, to their own user alone.
  assert.match(received.ada.join("\n"), /apples/);
  assert.match(received.bea.join("\n"), /berries/);
  assert.doesNotMatch(received.ada.join("\n"), /berries/);
  assert.doesNotMatch(received.bea.join("\n"), /apples/);
});

test("a browser that claims to be another user stays its own", { skip: SKIPPED }, async (t) => {
  const { url } = await open(t);
  const forged = { "X-User-Email": "ada@acme.example", "X-User-Name": "Ada L." };
  const page = await openPage(t, { extraHTTPHeaders: forged });
  await enter(page, url, "bea");
  assert.deepEqual(await userOf(page), { email: "bea@acme.example", name: "Bea 王" });
});

test("after signing out, the next user of the browser is known as themselves", {
  skip: SKIPPED,
}, async (t) => {
  const { url } = await open(t);
  const page = await openPage(t);
  await enter(page, url, "ada");
  const signedOut = await page.evaluate(async () => {
    return (await fetch("/_session/logout", { method: "POST" })).status;
  });
  assert.equal(signedOut, 204);
  await enter(page, url, "bea");
  await page.waitForFunction(async () => {
    const headers = { authorization: `Bearer ${localStorage.getItem("token")}` };
    const response = await fetch("/api/v1/auths/", { headers });
    return response.ok && (await response.json()).email === "bea@acme.example";
  }, PATIENCE);
});
