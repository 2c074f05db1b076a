/** Tests which cookies of the chat server a sign-in or sign-out clears from the browser. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Provider } from "./harness/provider.mjs";
import { header, send } from "./harness/raw.mjs";
import { Browser, clientOf, oidcMethod, Sites } from "./harness/sign-in.mjs";

const sites = await Sites.start({ after });

/** Cookies in the browser, and whether each belongs to a user. */
const HELD = {
  chat_token: true,
  oc_session: true,
  oc_draft: true,
  theme: false,
  chat_tokens: false,
};

/**
 * Opens a site that clears cookies, and a browser with some.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [methods]
 */
async function open(t, methods = {}) {
  const site = await sites.open(t, () => ({
    login: {
      mode: "optional",
      methods: { password: true, ...methods },
      clear_cookies: ["chat_token", "oc_*"],
    },
    vault: ["access_token"],
  }));
  for (const user of ["alice", "bob"]) enrol(sites, site.id, { user, password: `of ${user}` });
  const browser = new Browser();
  const url = `${site.url}/`;
  const signIn = (user = "alice") => {
    const json = { username: user, password: `of ${user}` };
    return browser.fetchJson(`${site.url}/_session/login`, { method: "POST", json });
  };
  const hold = () => {
    for (const name of Object.keys(HELD)) browser.plant(url, name, "1");
  };
  const names = () => browser.cookiesOf(url).map(({ name }) => name);
  return { site, url, browser, signIn, hold, names, logout: `${site.url}/_session/logout` };
}

/** Names of the cookies that must remain. */
const LEFT = Object.entries(HELD).flatMap(([name, isOnes]) => (isOnes ? [] : [name]));

test("a sign-in clears the listed cookies and no others", async (t) => {
  const { signIn, hold, names } = await open(t);
  hold();
  const answer = await signIn();
  const cleared = answer.cookies.filter((line) => !line.startsWith("vestibule-session="));
  assert.deepEqual(cleared.sort(), [
    "chat_token=; Path=/; Max-Age=0",
    "oc_draft=; Path=/; Max-Age=0",
    "oc_session=; Path=/; Max-Age=0",
  ]);
  assert.deepEqual(names().sort(), [...LEFT, "vestibule-session"].sort());
});

test("a sign-in by the page's form clears the listed cookies", async (t) => {
  const { browser, site, hold, names, url } = await open(t);
  const page = await browser.get(`${site.url}/_session/login`);
  hold();
  const answer = await browser.submit(page, { username: "alice", password: "of alice" });
  assert.equal(answer.url, url);
  assert.deepEqual(names().sort(), [...LEFT, "vestibule-session"].sort());
});

test("a sign-in at a provider clears the listed cookies", async (t) => {
  const provider = await Provider.start(t, { accounts: { alice: { name: "Alice" } } });
  const { browser, site, hold, names } = await open(t, { oidc: [oidcMethod(provider.url)] });
  provider.register(clientOf(site));
  hold();
  await browser.signIn(`${site.url}/_session/login?provider=main&return_to=%2F`);
  const left = names().filter((name) => name in HELD);
  assert.deepEqual(left.sort(), [...LEFT].sort());
});

for (const [
  what,
  signOut,
] of /** @type {[string, (browser: Browser, logout: string) => Promise<unknown>][]} */ ([
  ["out", (browser, logout) => browser.fetchJson(logout, { method: "POST" })],
  ["out by the page's form", (browser, logout) => browser.post(logout, {})],
  [
    "out everywhere",
    (browser, logout) => browser.fetchJson(logout, { method: "POST", json: { everywhere: true } }),
  ],
])) {
  test(`signing ${what} clears the listed cookies`, async (t) => {
    const { browser, signIn, hold, names, logout } = await open(t);
    await signIn();
    hold();
    await signOut(browser, logout);
    assert.deepEqual(names().sort(), [...LEFT].sort());
  });
}

test("a sign-in as another user clears the listed cookies", async (t) => {
  const { signIn, hold, names } = await open(t);
  await signIn();
  hold();
  await signIn("bob");
  assert.deepEqual(names().sort(), [...LEFT, "vestibule-session"].sort());
});

test("a failed sign-in clears no cookie", async (t) => {
  const { browser, site, hold, names } = await open(t);
  hold();
  const json = { username: "alice", password: "wrong" };
  const answer = await browser.fetchJson(`${site.url}/_session/login`, { method: "POST", json });
  assert.equal(answer.status, 401);
  assert.deepEqual(names().sort(), Object.keys(HELD).sort());
});

test("a listed cookie that the browser did not send is not cleared", async (t) => {
  const { browser, signIn, logout } = await open(t);
  const signedIn = await signIn();
  const signedOut = await browser.fetchJson(logout, { method: "POST" });
  for (const { cookies } of [signedIn, signedOut]) {
    assert.deepEqual(
      cookies.map((line) => line.split("=")[0]),
      ["vestibule-session"],
    );
  }
});

test("a request from another site clears no cookie", async (t) => {
  const { browser, hold, names, logout } = await open(t);
  hold();
  await browser.post(logout, {}, { from: "https://evil.example" });
  assert.deepEqual(names().sort(), Object.keys(HELD).sort());
});

test("a Secure cookie is cleared with a Secure attribute", async (t) => {
  const site = await sites.open(t, () => ({
    hosts: ["secure.example"],
    login: { mode: "optional", clear_cookies: ["__Secure-*", "__Host-chat"] },
  }));
  sites.tenants.plant("host:secure.example", site.id);
  const answer = await send(sites.vestibule.port, {
    method: "POST",
    host: "secure.example",
    target: "/_session/logout",
    lines: ["Cookie: __Secure-token=1; __Host-chat=2", "Content-Length: 0"],
  });
  const cleared = header(answer, "set-cookie").filter((line) => /token|chat/.test(line));
  assert.equal(cleared.length, 2);
  for (const line of cleared) assert.match(line, /; Secure(;|$)/);
});
