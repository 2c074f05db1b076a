/**
 * Tests a chat on pages of another site in a real browser that blocks third-party cookies: in a frame, as Chainlit's
 * copilot, and with a sign-in in a pop-up window.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { hashed } from "../harness/accounts.mjs";
import { Origin } from "../harness/origin.mjs";
import { listen } from "../harness/ports.mjs";
import { Provider } from "../harness/provider.mjs";
import { clientOf, oidcMethod, Sites } from "../harness/sign-in.mjs";
import { until } from "../harness/until.mjs";
import { PATIENCE, sendMessage } from "./chainlit-page.mjs";
import { NO_THIRD_PARTY_COOKIES, openPage, picture } from "./chromium.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("node:test").TestContext} TestContext */

/** Cookies that Chainlit's page never reads itself: they would be third-party cookies. */
const VAULT = ["access_token*", "X-Chainlit-Session-id"];

const sites = await Sites.start({ after });

const PASSWORD = "correct horse";

/** The body of the pages of all other sites. */
let body = "";
const others = createServer((_, reply) => {
  reply.setHeader("content-type", "text/html");
  reply.end(`<!doctype html><meta charset="utf-8"><title>Shop</title><h1>Shop</h1>${body}`);
});
const port = await listen(others);
after(() => void others.close());
const SHOP = `http://shop.localhost:${port}`;
const EVIL = `http://evil.localhost:${port}`;

/** Chainlit's settings: it has to name the site whose pages may read its responses. */
const SETTINGS = `
[project]
allow_origins = ["${SHOP}"]
[features]
[UI]
name = "Assistant"
[meta]
generated_by = "2.12.0"
`;

/** A chat server that names its visitor. */
const chat = await Origin.start({ after }, (request, reply) => {
  if (request.url === "/favicon.ico") return void reply.writeHead(404).end();
  reply.setHeader("content-type", "text/html");
  const user = request.headers["x-session-user"] ?? "a guest";
  reply.end(`<p>Hello ${user}</p><p id="handle">${request.headers["x-session-id"]}</p>`);
});

/** @param {TestContext} t @param {Record<string, unknown>} [more] */
function embedded(t, more = {}) {
  return sites.open(t, () => ({ embed: [SHOP], origins: [{ url: chat.url }], ...more }));
}

/** @param {TestContext} t */
function openStrict(t) {
  return openPage(t, {}, NO_THIRD_PARTY_COOKIES);
}

/**
 * Opens a page of another site with the chat in a frame.
 * @param {Page} page
 * @param {string} url
 * @param {string} [at]
 */
async function frame(page, url, at = SHOP) {
  body = `<iframe title="Chat" src="${url}/" width="600" height="500"></iframe>`;
  await page.goto(at);
  return page.frameLocator("iframe");
}

/** @param {import("playwright-core").FrameLocator} shown */
function handle(shown) {
  return shown.locator("#handle").textContent(PATIENCE);
}

test("a visitor in a frame keeps the session after a reload, and has another one at each site", async (t) => {
  const { url } = await embedded(t);
  const page = await openStrict(t);
  const first = await handle(await frame(page, url));
  assert.match(String(first), /^[\w-]{20,}$/);
  await page.reload();
  assert.equal(await handle(page.frameLocator("iframe")), first);
  await page.goto(url);
  assert.notEqual(await page.locator("#handle").textContent(PATIENCE), first);
});

test("without named sites a browser keeps no session in a frame", async (t) => {
  const { url } = await embedded(t, { embed: [] });
  const page = await openStrict(t);
  const first = await handle(await frame(page, url));
  await page.reload();
  assert.notEqual(await handle(page.frameLocator("iframe")), first);
});

test("a site that is not named can show neither the chat nor the sign-in page", async (t) => {
  const { url } = await embedded(t, {
    login: { mode: "optional", methods: { password: true } },
  });
  const page = await openStrict(t);
  for (const path of ["", "/_session/login"]) {
    const blocked = page.waitForEvent("console", {
      predicate: (message) => message.text().includes("frame-ancestors"),
      ...PATIENCE,
    });
    await frame(page, url + path, EVIL);
    await blocked;
    // Chromium shows an error page in place of the chat.
    const shown = () => page.frames()[1]?.url() === "chrome-error://chromewebdata/";
    await until(shown, { within: PATIENCE.timeout, what: "the frame staying empty" });
  }
});

/**
 * Opens a page with a frame whose visitor must sign in at a provider.
 * @param {TestContext} t
 * @param {(request: import("node:http").IncomingMessage, reply: import("node:http").ServerResponse) => void} [onProvider]
 */
async function atSignIn(t, onProvider = () => {}) {
  const provider = await Provider.start(t, { accounts: { alice: { name: "Alice" } } });
  provider.onRequest = onProvider;
  const site = await embedded(t, {
    login: { mode: "required", methods: { oidc: [oidcMethod(provider.url)] } },
  });
  provider.register(clientOf(site));
  const page = await openStrict(t);
  const shown = await frame(page, site.url);
  return { site, page, shown };
}

/**
 * Presses the frame's button, and returns the pop-up window.
 * @param {Page} page
 * @param {import("playwright-core").FrameLocator} shown
 */
async function press(page, shown) {
  const opened = page.context().waitForEvent("page", PATIENCE);
  await shown.getByRole("link", { name: "Continue with Main" }).click(PATIENCE);
  return opened;
}

/** Signs in at the provider's page. @param {Page} popup */
async function signIn(popup) {
  await popup.getByLabel("Account").fill("alice", PATIENCE);
  await popup.getByRole("button", { name: "Continue" }).click();
}

test("a visitor signs in by a pop-up window, and stays signed in after a reload", async (t) => {
  const { page, shown, site } = await atSignIn(t);
  await picture(page, "embedded-sign-in");
  const popup = await press(page, shown);
  const closed = popup.waitForEvent("close", PATIENCE);
  await signIn(popup);
  await closed;
  await shown.getByText("Hello alice").waitFor(PATIENCE);
  await picture(page, "embedded-signed-in");
  await page.reload();
  await page.frameLocator("iframe").getByText("Hello alice").waitFor(PATIENCE);
  const cookies = await page.context().cookies(site.url);
  const sessions = cookies.filter(({ name }) => name === "vestibule-session");
  assert.deepEqual(
    sessions.map(({ partitionKey }) => partitionKey),
    ["http://shop.localhost"],
    "the window has no session of its own",
  );
});

test("a provider that cuts the window's connection costs one more click", async (t) => {
  const { page, shown } = await atSignIn(t, (_, reply) => {
    reply.setHeader("cross-origin-opener-policy", "same-origin");
  });
  const popup = await press(page, shown);
  await signIn(popup);
  await popup.getByText("press the same button once more").waitFor(PATIENCE);
  await popup.close();
  await press(page, shown);
  await shown.getByText("Hello alice").waitFor(PATIENCE);
});

test("a visitor signs in by name and password within the frame", async (t) => {
  const site = await embedded(t, { login: { mode: "required", methods: { password: true } } });
  const account = { user: "ann", password: hashed(PASSWORD), changed: 0 };
  sites.tenants.plant(`user:${site.id}:ann`, JSON.stringify(account));
  const page = await openStrict(t);
  const shown = await frame(page, site.url);
  await shown.getByLabel("Username").fill("ann", PATIENCE);
  await shown.getByLabel("Password").fill(PASSWORD);
  await shown.getByRole("button", { name: "Sign in" }).click();
  await shown.getByText("Hello ann").waitFor(PATIENCE);
  await page.reload();
  await page.frameLocator("iframe").getByText("Hello ann").waitFor(PATIENCE);
});

test("Chainlit's copilot answers on another site's page, and keeps its conversation", async (t) => {
  const servers = await startChainlit(t, ["left", "right"], SETTINGS);
  const site = await embedded(t, {
    origins: servers.map(({ name, url }) => ({ name, url })),
    vault: VAULT,
  });
  const page = await openStrict(t);
  body = `<script src="${site.url}/copilot/index.js"></script>
    <script type="module">
      const chat = "${site.url}";
      await fetch(chat + "/auth/header", { method: "POST", credentials: "include" });
      window.mountChainlitWidget({ chainlitServer: chat });
    </script>`;
  await page.goto(SHOP);
  await page.locator("#chainlit-copilot-button").click(PATIENCE);
  const first = await sendMessage(page, "hello");
  const [home] = first.split(" ");
  assert.equal(first, `${home} heard message 1: hello`);
  await picture(page, "copilot");

  // The copilot connects again by itself, and its conversation goes on.
  await sites.vestibule.restart();
  assert.equal(await sendMessage(page, "again"), `${home} heard message 2: again`);

  await page.reload();
  await page.locator("#chainlit-copilot-button").click(PATIENCE);
  assert.match(await sendMessage(page, "back"), new RegExp(`^${home} heard message \\d+: back$`));
  const handles = servers.flatMap((server) => server.signIns().map((one) => one["x-session-id"]));
  assert.equal(new Set(handles).size, 1, "one session before and after");
});

test("a copilot whose visitor signed in in a frame of the page speaks for that user", async (t) => {
  const [server] = await startChainlit(t, ["only"], SETTINGS);
  const site = await embedded(t, {
    origins: [{ url: server.url }],
    vault: VAULT,
    login: {
      mode: "required",
      methods: { password: true },
      exceptions: [{ path: "/copilot/*", mode: "off" }],
    },
  });
  const account = { user: "ann", password: hashed(PASSWORD), changed: 0 };
  sites.tenants.plant(`user:${site.id}:ann`, JSON.stringify(account));
  const page = await openStrict(t);
  body = `<iframe title="Sign in" hidden width="420" height="520"></iframe>
    <script src="${site.url}/copilot/index.js"></script>
    <script>
      const chat = "${site.url}";
      const frame = document.querySelector("iframe");
      async function start() {
        const me = await fetch(chat + "/_session/me", { credentials: "include" });
        frame.hidden = me.ok;
        if (!me.ok) return void (frame.src ||= chat + "/_session/login");
        await fetch(chat + "/auth/header", { method: "POST", credentials: "include" });
        window.mountChainlitWidget({ chainlitServer: chat });
      }
      frame.addEventListener("load", start);
      start();
    </script>`;
  await page.goto(SHOP);
  const shown = page.frameLocator("iframe");
  await shown.getByLabel("Username").fill("ann", PATIENCE);
  await shown.getByLabel("Password").fill(PASSWORD);
  await shown.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#chainlit-copilot-button").click(PATIENCE);
  assert.equal(await sendMessage(page, "hello"), "only heard message 1 of ann: hello");
  await until(async () => page.locator("iframe").isHidden(), { what: "the frame being hidden" });
});
