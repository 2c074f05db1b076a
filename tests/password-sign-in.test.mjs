/** Tests sign-ins by name and password, as seen by the visitor, the chat server and an attacker. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { enrol, hashed, USUAL } from "./harness/accounts.mjs";
import { mint, read } from "./harness/cookie.mjs";
import { send } from "./harness/raw.mjs";
import { Browser, isIn, refused, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";
import { freshKey } from "./harness/workerd.mjs";

/** @typedef {import("./harness/sign-in.mjs").Answer} Answer */

/** Number of failed attempts without a wait. */
const FREE = 5;

const ALICE = {
  user: "alice",
  email: "alice@example.com",
  name: "Alice Liddell",
  groups: ["staff", "chess"],
  password: hashed("down the rabbit hole"),
};
const BOB = { user: "bob", password: hashed("builds a house") };
const RIGHT = { username: "alice", password: "down the rabbit hole" };
const WRONG = { username: "alice", password: "up the rabbit hole" };
const AS_BOB = { username: "bob", password: "builds a house" };

const DAY = 86_400;

/** Two locations; the second sees no write of the sessions' namespace. */
const sites = await Sites.start({ after }, { lags: [0, 3_600_000] });

/**
 * Opens a site with its own accounts, whose chat server responds with the query's headers.
 * @param {import("node:test").TestContext} t
 * @param {{ login?: Record<string, unknown>, session?: Record<string, unknown>, accounts?: (typeof BOB)[] }} [more]
 */
async function open(t, { login = {}, session = {}, accounts = [ALICE, BOB] } = {}) {
  const site = await sites.open(
    t,
    () => ({
      login: { mode: "required", methods: { password: true }, ...login },
      session: { cache: "1s", ...session },
    }),
    (request, reply) => {
      const { searchParams } = new URL(request.url ?? "/", "http://origin");
      for (const [name, value] of searchParams) reply.setHeader(name, value);
      reply.end("ok");
    },
  );
  for (const account of accounts) enrol(sites, site.id, account);
  const login_ = `${site.url}/_session/login`;
  return {
    site,
    origin: site.origin,
    url: `${site.url}/`,
    at: login_,
    browser: new Browser(),
    /** Attempts a sign-in as a program. */
    attempt: (
      /** @type {Record<string, unknown>} */ json,
      /** @type {Browser} */ browser = new Browser(),
      /** @type {string} */ where = login_,
    ) => browser.fetchJson(where, { method: "POST", json }),
  };
}

/** Both consistencies: sessions ordered by objects, and KV alone. */
const CONSISTENCIES = /** @type {["strong" | "eventual", string][]} */ ([
  ["strong", ""],
  ["eventual", ", with KV alone"],
]);

/**
 * Returns everything of a response except values that differ each time.
 * @param {Answer} answer
 */
function comparable({ status, headers, body }) {
  const { date: _, "server-timing": __, traceparent: ___, ...rest } = headers;
  const trace = /[0-9a-f]{32}/g;
  return {
    status,
    headers: JSON.stringify(rest).replace(trace, "…"),
    body: body.replace(trace, "…"),
  };
}

/**
 * Repeats an attempt until the account is locked: an attempt that comes after the wait of the one before counts, too, and
 * lengthens the wait.
 * @param {() => Promise<Answer>} attempt
 */
function locked(attempt) {
  const isLocked = async () => {
    const answer = await attempt();
    return answer.status === 429 && answer;
  };
  return until(isLocked, { what: "the lock" });
}

/** Returns what must be equal for any locked account: not how long the wait is. @param {Answer} answer */
function locking(answer) {
  const { status, headers, body } = comparable(answer);
  const wait = /(?<="retry-after":")\d+|\b\d+ ?s(?:econds?)?\b/g;
  return { status, headers: headers.replace(wait, "…"), body: body.replace(wait, "…") };
}

for (const [consistency, how] of CONSISTENCIES) {
  test(`a form signs in and returns to the requested page${how}`, async (t) => {
    const { browser, site, origin } = await open(t, { session: { cache: "1s", consistency } });
    const page = await browser.get(`${site.url}/chat?room=1`);
    assert.deepEqual([page.status, new URL(page.url).pathname], [200, "/_session/login"]);
    const answer = await browser.submit(page, RIGHT);
    assert.deepEqual([answer.status, answer.body], [200, "ok"], answer.code);
    assert.equal(answer.url, `${site.url}/chat?room=1`);
    const sent = browser.trail.at(-2);
    assert.equal(sent?.status, 303);
    assert.match(sent?.header("cache-control") ?? "", /no-store/);
    assert.deepEqual(
      origin.requests.map(({ url }) => url),
      ["/chat?room=1"],
    );
    assert.deepEqual(origin.received("x-session-user"), ["alice"]);
    assert.deepEqual(origin.received("x-session-email"), ["alice@example.com"]);
    assert.deepEqual(origin.received("x-session-groups"), ["staff,chess"]);
    assert.match(origin.received("x-session-name")[0], /^Alice(%20| )Liddell$/);
  });

  test(`a program signs in with JSON${how}`, async (t) => {
    const { browser, url, attempt, origin } = await open(t, {
      session: { cache: "1s", consistency },
    });
    const answer = await attempt({ ...RIGHT, return_to: "/chat" }, browser);
    assert.equal(answer.status, 200, answer.body);
    assert.deepEqual(answer.json(), { return_to: "/chat" });
    assert.match(answer.header("cache-control"), /no-store/);
    assert.match(
      answer.cookies.join(),
      /^vestibule-session=[^;]+; Path=\/; HttpOnly; SameSite=Lax/,
    );
    assert.ok(await isIn(browser, url));
    assert.deepEqual(origin.received("x-session-user"), ["alice"]);
    const { user, email, name, groups } = (await browser.me(url)).json();
    const { password: _, ...alice } = ALICE;
    assert.deepEqual({ user, email, name, groups }, alice);
  });

  test(`a visitor sees on the page that the password is wrong${how}`, async (t) => {
    const { browser, url, at, origin } = await open(t, { session: { cache: "1s", consistency } });
    const page = await browser.get(url);
    const answer = await browser.submit(page, WRONG);
    assert.equal(answer.status, 401);
    assert.equal(answer.url, at);
    assert.match(answer.header("content-type"), /^text\/html/);
    assert.match(answer.header("cache-control"), /no-store/);
    assert.match(answer.body, /<p[^>]* role="alert">[^<]+</);
    assert.match(answer.body, /name="username" value="alice"/);
    assert.doesNotMatch(answer.body, /rabbit/);
    assert.equal(browser.sessionOf(url), "");
    assert.equal(origin.requests.length, 0);
    const again = await browser.submit(answer, RIGHT);
    assert.deepEqual([again.url, again.body], [url, "ok"]);
  });

  test(`a program gets problem details for a wrong password${how}`, async (t) => {
    const { browser, url, attempt } = await open(t, { session: { cache: "1s", consistency } });
    const answer = await attempt(WRONG, browser);
    assert.deepEqual([answer.status, answer.code], [401, "login_wrong"]);
    assert.match(answer.header("content-type"), /^application\/problem\+json/);
    assert.equal(browser.sessionOf(url), "");
    assert.equal(await isIn(browser, url), false);
  });
}

test("an account with a password hash of the Worker signs in too", async (t) => {
  const carol = { user: "carol", password: hashed("Zoë's bridge", USUAL) };
  const { attempt, browser, url } = await open(t, { accounts: [carol] });
  const typed = { username: "carol", password: "Zoe\u0308's bridge" };
  assert.equal((await attempt({ ...typed, password: "Zoe's bridge" })).status, 401);
  assert.equal((await attempt(typed, browser)).status, 200);
  assert.equal((await browser.me(url)).json().user, "carol");
});

test("an account of one site is unknown at another", async (t) => {
  const one = await open(t);
  const other = await open(t, { accounts: [] });
  assert.equal((await one.attempt(RIGHT)).status, 200);
  assert.equal((await other.attempt(RIGHT)).status, 401);
});

for (const name of ["ALICE", "Alice", " alice ", "aLiCe\t"]) {
  test(`the name ${JSON.stringify(name)} signs in alice`, async (t) => {
    const { attempt, browser, url } = await open(t);
    assert.equal((await attempt({ ...RIGHT, username: name }, browser)).status, 200);
    assert.equal((await browser.me(url)).json().user, "alice");
  });
}

test("a name with an accent is the same account in capitals", async (t) => {
  const zoe = { user: "zo\u00eb", password: hashed("down the rabbit hole") };
  const { attempt, browser, url } = await open(t, { accounts: [zoe] });
  for (const username of ["zo\u00eb", "Zo\u00eb", "ZO\u00cb"]) {
    assert.equal((await attempt({ ...RIGHT, username }, browser)).status, 200, username);
  }
  assert.equal((await browser.me(url)).json().user, "zo\u00eb");
});

test("five failures in a row lock an account, also for the right password", async (t) => {
  const { attempt } = await open(t);
  for (let at = 0; at < FREE; at += 1) assert.equal((await attempt(WRONG)).status, 401);
  const right = await attempt(RIGHT);
  assert.deepEqual([right.status, right.code], [429, "login_locked"]);
  assert.match(right.header("content-type"), /^application\/problem\+json/);
  assert.match(right.header("retry-after"), /^[1-9]\d*$/);
  assert.deepEqual(right.cookies, []);
  assert.equal((await attempt(AS_BOB)).status, 200);
});

test("a locked-out user sees so on the page, and can sign in later", async (t) => {
  const { browser, attempt, url } = await open(t);
  const page = await browser.get(url);
  for (let at = 0; at < FREE; at += 1) await attempt(WRONG);
  const locked = await browser.submit(page, RIGHT);
  assert.equal(locked.status, 429);
  assert.match(locked.header("retry-after"), /^[1-9]\d*$/);
  assert.match(locked.header("content-type"), /^text\/html/);
  assert.match(locked.body, /role="alert"/);
  await until(async () => (await browser.submit(page, RIGHT)).body === "ok", { what: "the end" });
  // A success resets the count.
  for (let at = 0; at < FREE; at += 1) assert.equal((await attempt(WRONG)).status, 401);
});

test("a successful sign-in resets the failures", async (t) => {
  const { attempt } = await open(t);
  for (let round = 0; round < 3; round += 1) {
    for (let at = 0; at < FREE - 1; at += 1) assert.equal((await attempt(WRONG)).status, 401);
    assert.equal((await attempt(RIGHT)).status, 200);
  }
});

test("all spellings of a name share one budget of attempts, in every location", async (t) => {
  const { attempt, at } = await open(t);
  const [here, there] = sites.vestibule.ports.map((port) => {
    const url = new URL(at);
    url.port = String(port);
    return url.href;
  });
  const names = ["alice", "ALICE", "Alice", " alice", "aLICE "];
  for (const [index, username] of names.entries()) {
    const answer = await attempt({ ...WRONG, username }, new Browser(), index % 2 ? here : there);
    assert.equal(answer.status, 401);
  }
  for (const where of [here, there]) {
    assert.equal((await attempt({ ...RIGHT, username: "ALice" }, undefined, where)).status, 429);
  }
});

test("at most five of fifty concurrent guesses are checked", async (t) => {
  const { attempt } = await open(t);
  const guesses = Array.from({ length: 50 }, (_, at) =>
    attempt({ ...WRONG, password: `pass ${at}` }),
  );
  const begun = Date.now();
  const statuses = (await Promise.all(guesses)).map(({ status }) => status);
  const seconds = (Date.now() - begun) / 1000;
  const checked = statuses.filter((status) => status === 401).length;
  // After the waits, which double from one second, one more each is possible.
  const most = FREE + Math.floor(Math.log2(1 + seconds)) + 1;
  assert.ok(checked >= 1 && checked <= most, `${checked} checked in ${seconds} s`);
  assert.equal(statuses.filter((status) => status === 429).length, 50 - checked);
});

test("with KV alone guesses at one account are limited too", async (t) => {
  const { attempt } = await open(t, { session: { consistency: "eventual" } });
  const guesses = Array.from({ length: 50 }, (_, at) =>
    attempt({ ...WRONG, password: `pass ${at}` }),
  );
  const statuses = (await Promise.all(guesses)).map(({ status }) => status);
  // Some of many concurrent attempts are not checked at all.
  for (let at = 0; at < 12; at += 1) {
    statuses.push((await attempt({ ...WRONG, password: `once more ${at}` })).status);
  }
  assert.ok(statuses.filter((status) => status === 401).length <= 10);
  const right = await attempt({ ...RIGHT, username: "ALICE" });
  assert.deepEqual([right.status, right.code], [429, "login_locked"]);
  assert.ok(Number(right.header("retry-after")) > 0);
  assert.equal((await attempt(AS_BOB)).status, 200);
});

test("with KV alone a user with the right password may sign in any number of times", async (t) => {
  const { attempt } = await open(t, { session: { consistency: "eventual" } });
  for (let at = 0; at < 15; at += 1) assert.equal((await attempt(RIGHT)).status, 200, String(at));
});

test("unknown, disabled and wrong-password accounts are indistinguishable", async (t) => {
  const disabled = { user: "carol", password: hashed("down the rabbit hole"), disabled: true };
  const { attempt, at } = await open(t, { accounts: [ALICE, disabled] });
  const seen = [];
  for (const [username, password] of [
    ["alice", "up the rabbit hole"],
    ["dinah", "up the rabbit hole"],
    ["carol", "down the rabbit hole"],
  ]) {
    const answers = [];
    for (let attempts = 0; attempts < FREE; attempts += 1) {
      answers.push(comparable(await attempt({ username, password })));
    }
    answers.push(locking(await locked(() => attempt({ username, password }))));
    const page = await locked(() => new Browser().post(at, { username, password }));
    const { body, ...rest } = locking(page);
    answers.push({ ...rest, body: body.replaceAll(`value="${username}"`, "") });
    seen.push(answers);
  }
  const [alice, dinah, carol] = seen;
  assert.deepEqual(
    alice.map(({ status }) => status),
    [401, 401, 401, 401, 401, 429, 429],
  );
  assert.deepEqual(dinah, alice);
  assert.deepEqual(carol, alice);
});

test("an unknown name takes as long as a known one", async (t) => {
  const names = Array.from({ length: 10 }, (_, at) => `known${at}`);
  const password = hashed("down the rabbit hole", USUAL);
  const { attempt } = await open(t, { accounts: names.map((user) => ({ user, password })) });
  /** @type {Record<"known" | "unknown", number[]>} */
  const took = { known: [], unknown: [] };
  await attempt({ ...WRONG, username: "warm" });
  for (let round = 0; round < FREE - 1; round += 1) {
    for (const known of names) {
      for (const username of [known, known.replace("known", "nobody")]) {
        const began = performance.now();
        assert.equal((await attempt({ ...WRONG, username })).status, 401);
        took[username.startsWith("known") ? "known" : "unknown"].push(performance.now() - began);
      }
    }
  }
  const median = (/** @type {number[]} */ all) => all.sort((a, b) => a - b)[all.length >> 1];
  const ratio = median(took.known) / median(took.unknown);
  assert.ok(ratio > 0.7 && ratio < 1.4, `${ratio}`);
});

test("a disabled account is refused with 401, and signs in when enabled", async (t) => {
  const { attempt, site } = await open(t);
  enrol(sites, site.id, /** @type {any} */ ({ ...ALICE, disabled: true }));
  const answer = await attempt(RIGHT);
  assert.deepEqual([answer.status, answer.code], [401, "login_wrong"]);
  enrol(sites, site.id, ALICE);
  await until(async () => (await attempt(RIGHT)).status === 200, { what: "signing in" });
});

test("an empty or too long password is refused and counts as no attempt", async (t) => {
  const { attempt, at } = await open(t);
  for (let round = 0; round <= FREE; round += 1) {
    const empty = await attempt({ ...RIGHT, password: "" });
    assert.equal(empty.status, 422, empty.body);
    const long = await attempt({ ...RIGHT, password: "x".repeat(1_025) });
    assert.deepEqual([long.status, long.code], [413, "body_too_large"]);
  }
  const bytes = await attempt({ ...RIGHT, password: "\u20ac".repeat(342) });
  assert.equal(bytes.status, 413);
  const form = (/** @type {string} */ password) => new Browser().post(at, { ...RIGHT, password });
  assert.equal((await form("")).status, 422);
  assert.equal((await form("x".repeat(1_025))).status, 413);
  assert.equal((await attempt({ ...RIGHT, password: "x".repeat(1_024) })).status, 401);
  assert.equal((await attempt(RIGHT)).status, 200);
});

test("a body over 20 KiB is refused with 413", async (t) => {
  const { attempt, at } = await open(t);
  const pad = "x".repeat(20 * 1024);
  const json = await attempt({ ...RIGHT, return_to: `/${pad}` });
  assert.deepEqual([json.status, json.code], [413, "body_too_large"]);
  const form = await new Browser().post(at, { ...RIGHT, pad });
  assert.equal(form.status, 413);
  assert.equal((await attempt(RIGHT)).status, 200);
});

for (const [what, type, body] of [
  [
    "a text that is not JSON",
    "application/json",
    '{"username":"alice","password":"down the rabbit hole"',
  ],
  ["a list", "application/json", '["alice","down the rabbit hole"]'],
  ["an unknown member", "application/json", '{"username":"alice","password":"x","user":"bob"}'],
  [
    "a name that is not a string",
    "application/json",
    '{"username":["alice"],"password":"down the rabbit hole"}',
  ],
  ["a password that is not a string", "application/json", '{"username":"alice","password":true}'],
  ["two names", "application/x-www-form-urlencoded", "username=alice&username=bob&password=x"],
  ["plain text", "text/plain", '{"username":"alice","password":"down the rabbit hole"}'],
]) {
  test(`an invalid body is refused: ${what}`, async (t) => {
    const { at, url, browser, site } = await open(t);
    const headers = { "content-type": type, origin: site.url };
    const answer = await browser.send(at, { method: "POST", headers, body });
    assert.ok([400, 415, 422].includes(answer.status), String(answer.status));
    assert.match(answer.header("content-type"), /^application\/problem\+json/);
    assert.doesNotMatch(answer.body, /rabbit/);
    assert.equal(browser.sessionOf(url), "");
  });
}

for (const [what, body] of [
  ["is garbled", "ZZ\r\nabc\r\n"],
  ["is garbled later on", "1\r\n{\r\nZZ\r\n"],
]) {
  test(`a body that ${what} is refused`, async (t) => {
    const { site } = await open(t);
    const { host, port } = new URL(site.url);
    const lines = ["Content-Type: application/json", "Transfer-Encoding: chunked"];
    const request = { method: "POST", target: "/_session/login", host, lines, body };
    const { status, code } = await send(Number(port), request);
    assert.deepEqual([status, code], [400, "broken_body"]);
  });
}

for (const [consistency, how] of CONSISTENCIES) {
  test(`while accounts cannot be read sign-ins fail and existing sessions continue${how}`, async (t) => {
    const { attempt, browser, url, at } = await open(t, { session: { cache: "1s", consistency } });
    await attempt(AS_BOB, browser);
    const late = new Browser();
    sites.tenants.mood.get = 500;
    try {
      for (const asked of [RIGHT, WRONG, { ...WRONG, username: "nobody" }]) {
        const answer = await attempt(asked, late);
        assert.deepEqual([answer.status, answer.code], [503, "accounts_unavailable"]);
        assert.match(answer.header("retry-after"), /^[1-9]\d*$/);
        assert.equal(late.sessionOf(url), "");
      }
      assert.equal((await late.post(at, RIGHT)).status, 503);
      assert.equal(await isIn(late, url), false);
      assert.ok(await isIn(browser, url));
    } finally {
      sites.tenants.mood.get = "fine";
    }
    assert.equal((await attempt(RIGHT, late)).status, 200);
  });
}

test("a malformed account cannot sign in", async (t) => {
  const { attempt, site } = await open(t);
  for (const text of [
    "",
    "nonsense",
    "[]",
    '{"user":"alice"}',
    '{"user":"alice","password":"x"}',
  ]) {
    sites.tenants.plant(`user:${site.id}:alice`, text);
    assert.equal((await attempt({ ...RIGHT, password: "x" })).status, 401, text);
    enrol(sites, site.id, ALICE);
    assert.equal((await attempt(RIGHT)).status, 200);
  }
});

const EVIL = [
  "//evil.example",
  "///evil.example",
  "////evil.example/%2e%2e",
  "//evil.example/..",
  "//evil%E3%80%82example",
  "/\\evil.example",
  "\\/evil.example",
  "\\\\evil.example",
  "/\\/evil.example",
  "//\\evil.example",
  "https:evil.example",
  "https:/evil.example",
  "https://evil.example",
  "https:///evil.example",
  "HTTPS://evil.example",
  "http:evil.example",
  "ftp://evil.example",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "java\tscript:alert(1)",
  "data:text/html,x",
  "vbscript:x",
  "/%2fevil.example",
  "/%2Fevil.example",
  "/%2f%2fevil.example",
  "/%2f/evil.example",
  "%2f%2fevil.example",
  "/a/%2f/..//evil.example",
  "/\t/evil.example",
  "\t//evil.example",
  "/\n/evil.example",
  "/\r\n/evil.example",
  "/x\r\nSet-Cookie: evil=1",
  " //evil.example",
  "/ /evil.example",
  "/.//evil.example",
  "/..//evil.example",
  "/./\\evil.example",
  "/%5cevil.example/../\\evil.example",
  "/a//evil.example",
  "@evil.example",
  "user@evil.example",
  ".evil.example",
  "evil.example",
  "?//evil.example",
  "#//evil.example",
  "/\u2028/evil.example",
  "/\u3000/evil.example",
  "/\u0000/evil.example",
  "\uff0f\uff0fevil.example",
  "/_session/login?return_to=//evil.example",
  "/_session/logout",
  "/%252fevil.example",
  "/%5cevil.example",
  "/.%2fevil.example",
  "/a/..//evil.example",
  "/a%2f..%2f..//evil.example",
  "/a\\..\\..\\\\evil.example",
  "/x/../_session/logout",
  "/%5fsession/logout",
  `/${"a".repeat(3_000)}`,
  "",
];

const KEPT = [
  "/api/vhosts/%2F/permissions",
  "/files/.hidden",
  "/files/..hidden/x",
  "/?p=C:\\dir",
  "/?next=//other.example/",
  "/chat#//x",
  `/chat?${"a".repeat(2_112)}`,
];

test("a sign-in returns to any address of this site, byte for byte", async (t) => {
  const { attempt, at } = await open(t);
  for (const address of KEPT) {
    const program = await attempt({ ...RIGHT, return_to: address });
    assert.deepEqual([program.status, program.json()], [200, { return_to: address }]);
    const browser = new Browser();
    await browser.post(at, { ...RIGHT, return_to: address }, { before: "/" });
    const [answer] = browser.trail;
    assert.deepEqual([answer.status, answer.header("location")], [303, address]);
  }
});

test(`${EVIL.length} return addresses to other sites become the front page`, async (t) => {
  const { attempt, at, url } = await open(t);
  for (const address of EVIL) {
    const program = await attempt({ ...RIGHT, return_to: address });
    assert.deepEqual([program.status, program.body], [200, '{"return_to":"/"}'], address);
    const browser = new Browser();
    await browser.post(at, { ...RIGHT, return_to: address }, { before: "/" });
    const [answer] = browser.trail;
    assert.deepEqual([answer.status, answer.header("location")], [303, "/"], address);
    assert.doesNotMatch(answer.cookies.join(), /evil/);
    assert.notEqual(browser.sessionOf(url), "");
  }
});

test("the error page of a sign-in keeps no return address to another site", async (t) => {
  const { browser, at, url } = await open(t);
  const page = await browser.post(at, { ...WRONG, return_to: "//evil.example" });
  assert.equal(page.status, 401);
  assert.doesNotMatch(page.body, /evil/);
  assert.equal((await browser.submit(page, RIGHT)).url, url);
});

test("typed values are escaped when shown again", async (t) => {
  const { browser, at } = await open(t);
  const username = `"><script>alert(1)</script>`;
  const page = await browser.post(at, { username, password: "x y z", return_to: `/"><script>` });
  assert.equal(page.status, 401);
  assert.doesNotMatch(page.body, /<script>/);
});

test("a form of another site cannot sign a visitor in", async (t) => {
  const { browser, site, at, url } = await open(t);
  const form = await browser.post(at, RIGHT, { from: "https://evil.example" });
  assert.equal(form.status, 403);
  for (const headers of /** @type {Record<string, string>[]} */ ([
    { origin: "null", "sec-fetch-site": "cross-site" },
    { origin: site.url.replace("//", "//x."), "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "nonsense" },
    { origin: "https://evil.example", "sec-fetch-site": "same-site" },
  ])) {
    const answer = await browser.fetchJson(at, { method: "POST", json: RIGHT, headers });
    assert.deepEqual([answer.status, answer.code], [403, "csrf"], JSON.stringify(headers));
  }
  const body = JSON.stringify(RIGHT);
  for (const origin of ["https://evil.example", "null", `${site.url}.evil.example`]) {
    const headers = { "content-type": "application/json", origin };
    const answer = await browser.send(at, { method: "POST", headers, body });
    assert.deepEqual([answer.status, answer.code], [403, "csrf"], origin);
  }
  assert.equal(browser.sessionOf(url), "");
});

test("without password sign-in the form is refused", async (t) => {
  const { attempt } = await open(t, { login: { mode: "optional", methods: {} } });
  const answer = await attempt(RIGHT);
  assert.ok(answer.status >= 400, String(answer.status));
  assert.deepEqual(answer.cookies, []);
});

for (const [consistency, how] of CONSISTENCIES) {
  test(`a sign-in as another user starts a new session and ends the old one${how}`, async (t) => {
    const session = { cache: "1s", consistency, streams: "revocable" };
    const { browser, attempt, url, origin } = await open(t, { session });
    await attempt(RIGHT, browser);
    await browser.fetchJson(`${url}?x-session-patch=${encodeURIComponent('{"alices":1}')}`);
    const before = browser.sessionOf(url);
    const [handle] = origin.received("x-session-id");
    await attempt(AS_BOB, browser);
    await browser.fetchJson(url);
    assert.deepEqual(origin.received("x-session-user"), ["bob"]);
    assert.deepEqual(origin.received("x-session-data"), []);
    assert.notDeepEqual(origin.received("x-session-id"), [handle]);
    assert.notDeepEqual(read(browser.sessionOf(url)).id, read(before).id);
    await refused(url, before);
    assert.equal((await browser.me(url)).json().user, "bob");
  });
}

test("open sockets and streams are closed when another user signs in", async (t) => {
  const { browser, attempt, url, site, origin } = await open(t, {
    session: { cache: "1s", streams: "revocable" },
  });
  new WebSocketServer({ server: origin.server });
  await attempt(RIGHT, browser);
  const socket = new WebSocket(`ws://127.0.0.1:${sites.vestibule.port}/ws`, {
    origin: site.url,
    headers: { host: new URL(url).host, cookie: `vestibule-session=${browser.sessionOf(url)}` },
  });
  t.after(() => socket.terminate());
  await once(socket, "open");
  const closed = once(socket, "close");
  await attempt(AS_BOB, browser);
  assert.equal((await closed)[0], 4401);
});

for (const [consistency, how] of CONSISTENCIES) {
  test(`a guest who signs in keeps the stored data, under a new cookie${how}`, async (t) => {
    const { browser, attempt, url, origin } = await open(t, {
      login: { mode: "optional" },
      session: { cache: "1s", consistency },
    });
    const patch = encodeURIComponent(JSON.stringify({ draft: "hello" }));
    await browser.get(`${url}?x-session-patch=${patch}`);
    await browser.get(url);
    assert.deepEqual(origin.received("x-session-data"), ['{"draft":"hello"}']);
    assert.deepEqual(origin.received("x-session-user"), []);
    const guest = browser.sessionOf(url);
    assert.equal((await attempt(RIGHT, browser)).status, 200);
    assert.notDeepEqual(read(browser.sessionOf(url)).id, read(guest).id);
    await browser.get(url);
    assert.deepEqual(origin.received("x-session-data"), ['{"draft":"hello"}']);
    assert.deepEqual(origin.received("x-session-user"), ["alice"]);
    const fixed = new Browser();
    fixed.plant(url, "vestibule-session", guest);
    const answer = await fixed.me(url);
    assert.ok([401, 409].includes(answer.status) || answer.json().user === null, answer.body);
  });
}

test("session fixation is prevented", async (t) => {
  const { browser, attempt, url } = await open(t, { login: { mode: "optional" } });
  const attacker = new Browser();
  await attacker.get(`${url}?x-session-patch=${encodeURIComponent('{"trap":1}')}`);
  browser.plant(url, "vestibule-session", attacker.sessionOf(url));
  assert.equal((await attempt(RIGHT, browser)).status, 200);
  const answer = await attacker.me(url);
  assert.ok([401, 409].includes(answer.status) || answer.json().user === null, answer.body);
});

test("an invalid cookie does not prevent a sign-in", async (t) => {
  const { browser, attempt, url } = await open(t);
  browser.plant(url, "vestibule-session", "junk");
  assert.equal((await attempt(RIGHT, browser)).status, 200);
  assert.ok(await isIn(browser, url));
});

test("a cookie of a removed key does not prevent a new sign-in", async (t) => {
  const { browser, attempt, url } = await open(t);
  browser.plant(url, "vestibule-session", mint({ key: freshKey(), leastVersion: 1 }));
  assert.equal((await browser.fetchJson(url)).code, "key_unknown");
  const answer = await attempt(RIGHT, browser);
  assert.equal(answer.status, 200, answer.code);
  assert.ok(await isIn(browser, url));
});

for (const [what, asked, days] of /** @type {[string, Record<string, unknown>, number][]} */ ([
  ["whoever wants to stay signed in stays for longer", { remember: true }, 30],
  ["whoever does not want to stay signed in does not", { remember: false }, 7],
  ["whoever says nothing does not stay signed in", {}, 7],
])) {
  test(what, async (t) => {
    const { browser, attempt, url } = await open(t);
    await attempt({ ...RIGHT, ...asked }, browser);
    const { absolute_seconds_left: left } = (await browser.me(url)).json();
    assert.ok(left <= days * DAY && left > days * DAY - 60, `${left}`);
  });
}

test("the checkbox on the sign-in page keeps a user signed in for 30 days", async (t) => {
  const { browser, url } = await open(t);
  const page = await browser.get(url);
  assert.match(page.body, /<input type="checkbox" name="remember" value="true">/);
  await browser.submit(page, { ...RIGHT, remember: "true" });
  const { absolute_seconds_left: left } = (await browser.me(url)).json();
  assert.ok(left > 29 * DAY, `${left}`);
});

/**
 * Opens a site where alice is signed in on two devices and bob on one.
 * @param {import("node:test").TestContext} t
 * @param {"strong" | "eventual"} [consistency]
 */
async function withDevices(t, consistency = "strong") {
  const scene = await open(t, { session: { cache: "1s", consistency } });
  const [device, other, bob] = [new Browser(), new Browser(), new Browser()];
  for (const browser of [device, other]) await scene.attempt(RIGHT, browser);
  await scene.attempt(AS_BOB, bob);
  return { ...scene, device, other, bob, form: `${scene.site.url}/_session/password` };
}

const NEW = "through the looking-glass";

for (const [consistency, how] of CONSISTENCIES) {
  test(`a password change ends the other sessions, and the new password signs in${how}`, async (t) => {
    const { device, other, bob, form, url, attempt, site } = await withDevices(t, consistency);
    const sessions = [device, other].map((browser) => browser.sessionOf(url));
    const page = await device.get(form);
    assert.equal(page.status, 200);
    assert.match(page.body, /autocomplete="current-password"/);
    const done = await device.submit(page, { current: RIGHT.password, new: NEW });
    assert.equal(done.status, 200, done.body);
    assert.doesNotMatch(done.body, /<form/);
    for (const session of sessions) await refused(url, session);
    assert.ok(await isIn(bob, url));
    const old = await attempt(RIGHT);
    assert.deepEqual([old.status, old.code], [401, "login_wrong"]);
    const browser = new Browser();
    assert.equal((await attempt({ ...RIGHT, password: NEW }, browser)).status, 200);
    assert.ok(await isIn(browser, url));
    const { email, name, groups, user } = (await browser.me(url)).json();
    const { password: _, ...alice } = ALICE;
    assert.deepEqual({ user, email, name, groups }, alice);
    const kept = JSON.parse(String(sites.tenants.stored.get(`user:${site.id}:alice`)?.value));
    assert.match(kept.password, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.ok(Math.abs(kept.changed - Date.now() / 1000) < 60);
  });

  test(`a wrong current password changes nothing${how}`, async (t) => {
    const { device, other, form, url, attempt } = await withDevices(t, consistency);
    const answer = await device.post(form, { current: WRONG.password, new: NEW });
    assert.equal(answer.status, 401);
    assert.match(answer.body, /role="alert"/);
    assert.doesNotMatch(answer.body, /looking-glass|rabbit/);
    assert.ok((await isIn(device, url)) && (await isIn(other, url)));
    assert.equal((await attempt({ ...RIGHT, password: NEW })).status, 401);
    assert.equal((await attempt(RIGHT)).status, 200);
  });
}

test("a new password that is too short or too long changes nothing", async (t) => {
  const { device, form, url, attempt } = await withDevices(t);
  for (const password of ["", "seven77", "\u20ac".repeat(7), "x".repeat(1_025)]) {
    const answer = await device.post(form, { current: RIGHT.password, new: password });
    assert.equal(answer.status, 422);
    assert.match(answer.body, /role="alert"/);
  }
  assert.ok(await isIn(device, url));
  assert.equal((await attempt(RIGHT)).status, 200);
  const eight = await device.post(form, { current: RIGHT.password, new: "eight888" });
  assert.equal(eight.status, 200);
  assert.equal((await attempt({ ...RIGHT, password: "eight888" })).status, 200);
});

test("wrong current passwords count as failed attempts", async (t) => {
  const { device, form, attempt } = await withDevices(t);
  for (let at = 0; at < FREE; at += 1) {
    assert.equal((await device.post(form, { current: "guess", new: NEW })).status, 401);
  }
  const locked = await device.post(form, { current: RIGHT.password, new: NEW });
  assert.equal(locked.status, 429);
  assert.match(locked.header("retry-after"), /^[1-9]\d*$/);
  assert.equal((await attempt(RIGHT)).status, 429);
});

test("only a signed-in user can change a password, and only their own", async (t) => {
  const { device, form, url, attempt, bob } = await withDevices(t);
  const fields = { current: RIGHT.password, new: NEW };
  const stranger = await new Browser().fetchJson(form, { method: "POST", json: fields });
  assert.equal(stranger.status, 401);
  assert.equal((await bob.post(form, fields)).status, 401);
  const foreign = { ...fields, username: "alice", user: "alice" };
  const named = await bob.fetchJson(form, { method: "POST", json: foreign });
  assert.ok([401, 422].includes(named.status), String(named.status));
  const cross = await device.post(form, fields, { from: "https://evil.example" });
  assert.equal(cross.status, 403);
  assert.ok(await isIn(device, url));
  assert.equal((await attempt(RIGHT)).status, 200);
});

test("a program gets problem details for an invalid password change", async (t) => {
  const { device, form, url } = await withDevices(t);
  const change = (/** @type {Record<string, string>} */ json) =>
    device.fetchJson(form, { method: "POST", json });
  for (const [json, status] of /** @type {[Record<string, string>, number][]} */ ([
    [{ current: WRONG.password, new: NEW }, 401],
    [{ current: RIGHT.password, new: "short" }, 422],
  ])) {
    const answer = await change(json);
    assert.equal(answer.status, status);
    assert.match(answer.header("content-type"), /^application\/problem\+json/);
  }
  const session = device.sessionOf(url);
  const done = await change({ current: RIGHT.password, new: NEW });
  assert.ok([200, 204].includes(done.status), String(done.status));
  assert.doesNotMatch(done.header("content-type"), /html/);
  await refused(url, session);
});

test("while accounts cannot be read or written no password is changed", async (t) => {
  const { device, form, attempt } = await withDevices(t);
  const fields = { current: RIGHT.password, new: NEW };
  for (const mood of /** @type {("get" | "put")[]} */ (["get", "put"])) {
    await attempt(RIGHT, device);
    sites.tenants.mood[mood] = 500;
    try {
      const answer = await device.post(form, fields);
      assert.deepEqual([answer.status, answer.code], [503, "accounts_unavailable"], mood);
    } finally {
      sites.tenants.mood[mood] = "fine";
    }
    assert.equal((await attempt({ ...RIGHT, password: NEW })).status, 401);
    assert.equal((await attempt(RIGHT)).status, 200);
  }
});

test("no password is printed, logged or stored", async (t) => {
  const { device, form, attempt, at, site } = await withDevices(t);
  const secret = (/** @type {number} */ number) => `tell-nobody ${number}`;
  const headers = { "content-type": "application/json", origin: site.url };
  const send = (/** @type {string} */ body) => device.send(at, { method: "POST", headers, body });
  const answers = [
    await attempt({ ...RIGHT, password: secret(1) }),
    await attempt({ username: secret(2), password: secret(2) }),
    await new Browser().post(at, { ...RIGHT, password: secret(3) }),
    await attempt({ ...RIGHT, password: secret(4).repeat(100) }),
    await send(`{"username":"alice","password":"${secret(5)}`),
    await send(`{"username":"alice","password":"${secret(5)}","x":1}`),
    await device.post(form, { current: secret(6), new: secret(6) }),
    await device.post(form, { current: RIGHT.password, new: secret(7) }),
    await attempt({ ...RIGHT, password: secret(7) }),
  ];
  assert.equal(answers.at(-1)?.status, 200);
  sites.tenants.mood.get = 500;
  answers.push(await attempt({ ...RIGHT, password: secret(8) }));
  sites.tenants.mood.get = "fine";
  assert.equal(answers.at(-1)?.status, 503);
  const { vestibule, tenants } = sites;
  await until(() => vestibule.logged("password_changed").length > 0, { what: "the log" });
  const secrets =
    /tell-nobody|tell%20nobody|dGVsbC1ub2JvZH|rabbit hole|builds a house|looking-glass/;
  assert.doesNotMatch(vestibule.printed, secrets);
  assert.doesNotMatch(JSON.stringify(answers), /tell-nobody [13-9]/);
  for (const namespace of [vestibule.kv, tenants]) {
    for (const [key, { value }] of namespace.stored) {
      assert.doesNotMatch(key, secrets);
      assert.doesNotMatch(value.toString("latin1"), secrets);
    }
    for (const { key } of namespace.operations) {
      assert.doesNotMatch(key, /tell-nobody [13-9]|rabbit hole|looking-glass/);
    }
  }
});
