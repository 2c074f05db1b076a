/** Tests a sign-in for a frame of another site's page: a pop-up window visits the provider, and hands a code over. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DENY, Provider } from "./harness/provider.mjs";
import { Browser, clientOf, oidcMethod, Sites } from "./harness/sign-in.mjs";

/** @typedef {import("./harness/sign-in.mjs").Answer} Answer */

const SHOP = "http://shop.localhost:3000";
const WINDOW = { "sec-fetch-dest": "document" };
const FRAME = { "sec-fetch-dest": "iframe" };

const sites = await Sites.start({ after });

/**
 * Opens a site that the shop's pages may show, with its sign-in page in a frame.
 * @param {import("node:test").TestContext} t
 * @param {(provider: string) => Record<string, unknown>} [more] fields of the document
 */
async function open(t, more = () => ({})) {
  const accounts = { alice: { name: "Alice" }, bob: { name: "Bob" } };
  const provider = await Provider.start(t, { accounts });
  const site = await sites.open(t, () => ({
    embed: [SHOP],
    login: { mode: "required", methods: { oidc: [oidcMethod(provider.url)] } },
    ...more(provider.url),
  }));
  provider.register(clientOf(site));
  const frame = new Browser();
  return { site, frame, provider, ...(await begin(frame, site.url)) };
}

/**
 * @param {Browser} browser
 * @param {string} url
 * @param {Record<string, string>} [shown]
 */
function show(browser, url, shown = FRAME) {
  const mode = { accept: "text/html", "sec-fetch-mode": "navigate" };
  return browser.send(url, { headers: { ...mode, "sec-fetch-site": "cross-site", ...shown } });
}

/** Begins a sign-in in a frame. @param {Browser} frame @param {string} url */
async function begin(frame, url) {
  const page = await show(frame, `${url}/_session/login?return_to=%2Fchat`);
  const [, state] = /name="state" value="([^"]+)"/.exec(page.body) ?? assert.fail(page.body);
  return { page, state, popup: linked(page, /href="([^"]*\/popup\?[^"]+)"/) };
}

/** @param {Answer} page @param {RegExp} link */
function linked(page, link) {
  const [, found] = link.exec(page.body) ?? assert.fail(page.body);
  return new URL(found.replaceAll("&amp;", "&"), page.url);
}

/**
 * Signs in in a window, and returns the code on its last page.
 * @param {URL} popup
 * @param {{ account?: string, window?: Browser }} [as]
 */
async function codeOf(popup, { account = "alice", window = new Browser() } = {}) {
  const first = await window.get(popup);
  const last = await window.signIn(linked(first, /data-next="([^"]+)"/), { account });
  const [, code = ""] = /data-code="([^"]*)"/.exec(last.body) ?? [];
  return { code, first, last, window };
}

/**
 * @param {Browser} browser
 * @param {string} url
 * @param {{ state: string, code: string }} fields
 * @param {string} [from]
 */
function redeem(browser, url, { state, code }, from = url) {
  return browser.post(`${url}/_session/popup`, { state, code }, { before: "/chat", from });
}

test("the frame's session is signed in with the code of the window", async (t) => {
  const { site, frame, state, popup } = await open(t);
  const { code, window } = await codeOf(popup);
  const answer = await redeem(frame, site.url, { state, code });
  assert.deepEqual([answer.status, answer.location?.pathname], [303, "/chat"], answer.body);
  assert.match(answer.cookies[0], /^vestibule-session=.+; SameSite=None; Partitioned;/);
  assert.equal((await frame.me(site.url)).json().user, "alice");
  assert.deepEqual(frame.signInsOf(site.url), []);
  assert.equal(window.sessionOf(site.url), "", "the window is only a courier");
});

test("a sign-in by the window asks the frame to delete the last user's data, like any other", async (t) => {
  const { site, frame, state, popup } = await open(t, (url) => ({
    login: {
      mode: "required",
      methods: { oidc: [oidcMethod(url)] },
      clear_site_data: ["storage"],
    },
  }));
  const { code } = await codeOf(popup);
  const answer = await redeem(frame, site.url, { state, code });
  assert.equal(answer.header("clear-site-data"), '"storage"');
});

test("a guest's session goes on after the sign-in, under a new id", async (t) => {
  const { site, frame, state, popup } = await open(t, (url) => ({
    login: { mode: "optional", methods: { oidc: [oidcMethod(url)] } },
  }));
  await show(frame, site.url);
  const before = frame.sessionOf(site.url);
  const { handle } = (await frame.me(site.url)).json();
  const { code } = await codeOf(popup);
  await redeem(frame, site.url, { state, code });
  const me = (await frame.me(site.url)).json();
  // A sign-in adds to the name of the same session.
  assert.deepEqual([me.user, me.handle.split(".")[0]], ["alice", handle]);
  assert.notEqual(frame.sessionOf(site.url), before);
});

test("a frame never goes to the provider itself, also not by a direct link", async (t) => {
  const { site, frame } = await open(t);
  for (const path of ["/", "/_session/login", "/_session/login?provider=main"]) {
    let answer = await show(frame, site.url + path);
    if (answer.location) answer = await show(frame, answer.location.href);
    assert.equal(answer.status, 200, path);
    assert.match(answer.body, /target="_blank" rel="opener"/, path);
  }
  const window = await show(new Browser(), `${site.url}/_session/login`, WINDOW);
  assert.equal(window.status, 303, "a window still does");
});

test("the window's pages keep their connection to the frame, and show in no other site's frame", async (t) => {
  const { popup } = await open(t);
  const { first, last } = await codeOf(popup);
  for (const page of [first, last]) {
    assert.equal(page.header("cross-origin-opener-policy"), "");
    const policy = page.header("content-security-policy");
    assert.match(policy, /script-src 'sha256-[^']+'/);
    assert.match(policy, new RegExp(`frame-ancestors 'self' ${SHOP}`));
  }
});

test("a code works once", async (t) => {
  const { site, frame, state, popup } = await open(t);
  const { code } = await codeOf(popup);
  // The copy has the cookie of the frame's pending sign-in, too.
  const copy = new Browser();
  for (const { name, value } of frame.cookiesOf(site.url)) copy.plant(site.url, name, value);
  assert.equal((await redeem(frame, site.url, { state, code })).status, 303);
  for (const browser of [frame, copy]) {
    const again = await redeem(browser, site.url, { state, code });
    assert.deepEqual([again.status, again.code], [400, "login_state"]);
  }
  assert.equal(copy.sessionOf(site.url), "");
});

test("a code is worthless in another browser, and for another sign-in of the same one", async (t) => {
  const { site, frame, state, popup } = await open(t);
  const { code } = await codeOf(popup);
  const thief = new Browser();
  const own = await begin(thief, site.url);
  for (const stolen of [state, own.state]) {
    const answer = await redeem(thief, site.url, { state: stolen, code });
    assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
  }
  const second = await begin(frame, site.url);
  const answer = await redeem(frame, site.url, { state: second.state, code });
  assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
});

test("nobody signs a frame in as somebody else by a code of their own", async (t) => {
  const { site, frame, state } = await open(t);
  const attacker = await begin(new Browser(), site.url);
  const { code } = await codeOf(attacker.popup, { account: "bob" });
  const answer = await redeem(frame, site.url, { state, code });
  assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
  assert.equal((await frame.me(site.url)).status, 401);
});

test("a changed code, an empty one, and the sealed sign-in itself are refused", async (t) => {
  const { site, frame, state, popup } = await open(t);
  const { code } = await codeOf(popup);
  const [pending] = frame.signInsOf(site.url);
  const changed = `${code.slice(0, 60)}${code[60] === "A" ? "B" : "A"}${code.slice(61)}`;
  for (const wrong of [changed, "", pending.value, code.slice(1)]) {
    frame.plant(site.url, pending.name, pending.value);
    const answer = await redeem(frame, site.url, { state, code: wrong });
    assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
  }
});

test("a sign-in at the provider cannot be ended as a frame's", async (t) => {
  const { site, popup } = await open(t);
  const { code } = await codeOf(popup);
  const browser = new Browser();
  await browser.beginSignIn(site.url);
  const [pending] = browser.signInsOf(site.url);
  const state = pending.name.replace("vestibule-session-login-", "");
  const answer = await redeem(browser, site.url, { state, code });
  assert.deepEqual([answer.status, answer.code], [400, "login_state"]);
});

for (const from of [SHOP, "https://evil.example", "null"]) {
  test(`a page of ${from} cannot redeem a code`, async (t) => {
    const { site, frame, state, popup } = await open(t);
    const { code } = await codeOf(popup);
    const body = new URLSearchParams({ state, code }).toString();
    const headers = {
      origin: from,
      "sec-fetch-site": "cross-site",
      "content-type": "application/x-www-form-urlencoded",
    };
    const answer = await frame.send(`${site.url}/_session/popup`, {
      method: "POST",
      headers,
      body,
    });
    assert.deepEqual([answer.status, answer.code], [403, "csrf"]);
  });
}

test("a user who declines leaves the frame as it was", async (t) => {
  const { site, frame, popup } = await open(t);
  const { last, code } = await codeOf(popup, { account: DENY });
  assert.deepEqual([last.status, last.code, code], [403, "login_denied", ""]);
  assert.equal((await frame.me(site.url)).status, 401);
});

test("the code holds nothing readable", async (t) => {
  const { popup } = await open(t);
  const { code } = await codeOf(popup);
  const bytes = Buffer.from(code, "base64url").toString("latin1");
  assert.doesNotMatch(bytes + code, /alice|vestibule/i);
  // How a JWT begins: a shorter text occurs in random characters.
  assert.doesNotMatch(bytes + code, /eyJ(?:hbGci|raWQi|0eXAi)/);
});

test("without named sites there is no pop-up, and frames are not special", async (t) => {
  const { popup, site } = await open(t);
  const closed = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod("http://127.0.0.1:9")] } },
  }));
  const there = popup.href.replace(site.url, closed.url);
  assert.equal((await show(new Browser(), there, WINDOW)).status, 404);
});

test("signing out in a frame ends the session here, and opens no page of the provider", async (t) => {
  const { site, frame, state, popup } = await open(t);
  const { code } = await codeOf(popup);
  await redeem(frame, site.url, { state, code });
  const answer = await frame.send(`${site.url}/_session/logout`, {
    method: "POST",
    headers: {
      ...FRAME,
      accept: "text/html",
      origin: site.url,
      "sec-fetch-mode": "navigate",
      "sec-fetch-site": "same-origin",
    },
  });
  assert.deepEqual([answer.status, answer.location?.pathname], [303, "/_session/signed-out"]);
  assert.equal((await frame.me(site.url)).status, 401);
});
