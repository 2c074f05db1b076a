/** Tests where a sign-in leads: with many open tabs, from a form, and after the Back button. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HostileProvider } from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/**
 * Opens a site with its own valid provider, whose chat server accepts POST only at `/chat`.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [login]
 */
async function open(t, login = {}) {
  const issuer = provider.issuer();
  issuer.claims = (claims) => ({ ...claims, auth_time: Math.floor(Date.now() / 1000) });
  const methods = { oidc: [oidcMethod(issuer.url)] };
  const site = await sites.open(
    t,
    () => ({ login: { mode: "required", methods, ...login } }),
    (request, reply) => {
      const isForm = request.url?.startsWith("/send");
      reply.statusCode = isForm === (request.method === "POST") ? 200 : 405;
      reply.end(`${request.method} ${request.url}`);
    },
  );
  return { issuer, site, browser: new Browser(), url: `${site.url}/` };
}

/** Returns the size of the cookies of pending sign-ins in a request's header. */
function weightOf(/** @type {Browser} */ browser, /** @type {string} */ url) {
  const lengths = browser.signInsOf(url).map(({ name, value }) => name.length + value.length + 3);
  return lengths.reduce((sum, length) => sum + length, 0);
}

test("ten tabs that sign in at once all return to their own pages", async (t) => {
  const { browser, site, url } = await open(t);
  const backs = [];
  for (let tab = 0; tab < 10; tab += 1) {
    backs.push(await browser.beginSignIn(`${site.url}/chat?room=${tab}`));
  }
  assert.equal(browser.signInsOf(url).length, 10);
  assert.ok(weightOf(browser, url) <= 4_096);
  for (const tab of [7, 0, 9, 1, 2, 3, 4, 5, 6, 8]) {
    const answer = await browser.get(backs[tab]);
    assert.equal(answer.url, `${site.url}/chat?room=${tab}`, answer.code);
  }
  assert.deepEqual(browser.signInsOf(url), []);
});

test("only the oldest pending sign-ins are dropped when a header is full", async (t) => {
  const { browser, site, url } = await open(t);
  const backs = [];
  const page = (/** @type {number} */ tab) => `${site.url}/chat?room=${tab}&${"x".repeat(500)}`;
  for (let tab = 0; tab < 8; tab += 1) {
    const before = browser.signInsOf(url);
    backs.push(await browser.beginSignIn(page(tab)));
    const kept = browser.signInsOf(url).slice(0, -1);
    assert.deepEqual(kept, before.slice(before.length - kept.length), "another than the oldest");
    assert.ok(before.length - kept.length <= 1, "more than there had to");
    assert.ok(weightOf(browser, url) <= 4_096);
  }
  const kept = browser.signInsOf(url).length;
  assert.ok(kept > 2 && kept < 8, String(kept));
  for (const [tab, back] of backs.entries()) {
    const answer = await browser.get(back);
    if (tab < 8 - kept) assert.equal(answer.code, "login_state");
    else assert.equal(answer.url, page(tab));
  }
});

test("invalid cookies are dropped before those of pending sign-ins", async (t) => {
  const { browser, site, url } = await open(t);
  const back = await browser.beginSignIn(`${site.url}/chat`);
  for (const letter of ["A", "B", "C", "D", "E"]) {
    browser.plant(url, `vestibule-session-login-${letter.repeat(8)}`, letter.repeat(800));
  }
  browser.plant(url, "vestibule-session-console", "an operator's");
  await browser.beginSignIn(`${site.url}/other`);
  assert.ok(weightOf(browser, url) <= 4_096);
  assert.ok(browser.cookiesOf(url).some(({ name }) => name === "vestibule-session-console"));
  assert.equal((await browser.get(back)).url, `${site.url}/chat`);
});

test("a callback URL opened again leads to the same page", async (t) => {
  const { browser, site, issuer, url } = await open(t);
  const page = `${site.url}/chat?room=1&x=%2F`;
  const back = await browser.beginSignIn(page);
  assert.equal((await browser.get(back)).url, page);
  const session = browser.sessionOf(url);
  for (let time = 0; time < 2; time += 1) {
    const again = await browser.get(back);
    assert.deepEqual([again.status, again.url], [200, page], again.code);
  }
  assert.equal(issuer.count("token"), 1);
  assert.equal(browser.sessionOf(url), session);
});

test("each tab's callback URL leads to its own page when opened again", async (t) => {
  const { browser, site } = await open(t);
  const backs = [];
  for (const tab of [0, 1, 2, 3]) {
    backs.push(await browser.beginSignIn(`${site.url}/chat?room=${tab}`));
  }
  for (const back of backs) await browser.get(back);
  for (const tab of [2, 0, 3, 1]) {
    assert.equal((await browser.get(backs[tab])).url, `${site.url}/chat?room=${tab}`);
  }
});

test("a used callback URL is rejected in another browser, or with another state", async (t) => {
  const { browser, site, url } = await open(t);
  const back = await browser.beginSignIn(`${site.url}/chat`);
  await browser.get(back);
  const stranger = new Browser();
  assert.deepEqual(
    [(await stranger.get(back)).code, (await stranger.me(url)).status],
    ["login_state", 401],
  );
  assert.equal((await stranger.signIn(url)).status, 200);
  assert.equal((await stranger.get(back)).code, "login_state");
  for (const state of ["", "A".repeat(22), back.searchParams.get("state")?.slice(0, 8) ?? ""]) {
    const other = new URL(back);
    other.searchParams.set("state", state);
    assert.equal((await browser.get(other)).code, "login_state", state);
  }
  await browser.fetchJson(`${site.url}/_session/logout`, { method: "POST" });
  assert.equal((await browser.get(back)).code, "login_state");
});

/**
 * Sends a form like a browser, and signs in on the way.
 * @param {Browser} browser
 * @param {string} to
 * @param {Record<string, string>} headers
 */
async function sendForm(browser, to, headers) {
  const sent = await browser.send(to, {
    method: "POST",
    headers: {
      accept: "text/html",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
      "content-type": "application/x-www-form-urlencoded",
      ...headers,
    },
    body: "text=hello",
  });
  assert.equal(sent.status, 303, sent.body);
  return browser.get(sent.location ?? assert.fail("led nowhere"));
}

test("a user who sends a form after the session ended returns to the form's page", async (t) => {
  const { browser, site } = await open(t);
  const page = `${site.url}/chat?room=1`;
  const own = { referer: page, origin: site.url, "sec-fetch-site": "same-origin" };
  const answer = await sendForm(browser, `${site.url}/send?draft=1`, own);
  assert.deepEqual([answer.status, answer.url], [200, page]);
  assert.deepEqual(
    site.origin.requests.map(({ method }) => method),
    ["GET"],
  );
});

test("a user who must sign in again to send a form returns to the form's page", async (t) => {
  const exceptions = [{ path: "/send", methods: ["POST"], mode: "required", max_age: "1m" }];
  const { browser, site, issuer, url } = await open(t, { exceptions });
  const old = Math.floor(Date.now() / 1000) - 600;
  const fresh = issuer.claims;
  issuer.claims = (claims) => ({ ...claims, auth_time: old });
  assert.equal((await browser.signIn(url)).status, 200);
  issuer.claims = fresh;
  const page = `${site.url}/chat?room=1`;
  const own = { referer: page, origin: site.url, "sec-fetch-site": "same-origin" };
  const answer = await sendForm(browser, `${site.url}/send`, own);
  assert.deepEqual([answer.status, answer.url], [200, page]);
  const asked = issuer.requests.findLast(({ route }) => route === "authorize");
  assert.equal(asked?.query.get("max_age"), "60");
});

for (const [what, headers] of /** @type {[string, (site: string) => Record<string, string>][]} */ ([
  ["has no Referer", () => ({})],
  ["is from another site", () => ({ referer: "https://evil.example/chat" })],
  [
    "is from another site that names a page of ours",
    (site) => ({ referer: `${site}/chat`, "sec-fetch-site": "cross-site" }),
  ],
  [
    "is from another origin, for an old browser",
    (site) => ({ referer: `${site}/chat`, origin: "https://evil.example" }),
  ],
  ["is from the same host at another port", () => ({ referer: "http://site0.localhost:1/chat" })],
  ["is from a host that begins with ours", (site) => ({ referer: `${site}.evil.example/chat` })],
  ["is from a URL with a double slash", (site) => ({ referer: `${site}//evil.example/` })],
  ["is from the sign-in page", (site) => ({ referer: `${site}/_session/login` })],
  ["has an invalid Referer", () => ({ referer: "chat" })],
])) {
  test(`a form that ${what} leads to the front page after the sign-in`, async (t) => {
    const { browser, site, url } = await open(t);
    const answer = await sendForm(browser, `${site.url}/send`, headers(site.url));
    assert.deepEqual([answer.status, answer.url], [200, url], answer.code);
  });
}
