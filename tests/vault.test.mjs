/** Tests the vault, which keeps the chat server's cookies in the session, as seen from all sides. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { enrol } from "./harness/accounts.mjs";
import { send } from "./harness/raw.mjs";
import { Browser, refused, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const ADMIN = "an-admin-token-for-tests";

/** Two locations; the second sees no write of the sessions' namespace. */
const sites = await Sites.start({ after }, { lags: [0, 3_600_000], vars: { ADMIN_TOKEN: ADMIN } });

const KEPT = "access_token=eyJ.of.the-origin; Path=/; HttpOnly; SameSite=Lax";

/** @typedef {Awaited<ReturnType<typeof open>>} Scene */

/**
 * Opens a site whose chat server responds with the query's headers: `/?set-cookie=a%3D1`.
 * @param {import("node:test").TestContext} t
 * @param {{ session?: Record<string, unknown>, login?: Record<string, unknown>,
 *   handler?: Parameters<Sites["open"]>[2] }} [more]
 */
async function open(t, { session = {}, login = {}, handler = echo } = {}) {
  const site = await sites.open(
    t,
    () => ({
      vault: ["access_token", "chunk_*"],
      login: { mode: "optional", methods: { password: true }, ...login },
      session: { cache: "1s", ...session },
    }),
    handler,
  );
  for (const user of ["alice", "bob"]) enrol(sites, site.id, { user, password: `of ${user}` });
  const browser = new Browser();
  /** Returns a path for which the server sets these cookies. */
  const setting = (/** @type {string[]} */ ...lines) => {
    const query = lines.map((line) => `set-cookie=${encodeURIComponent(line)}`);
    return `${site.url}/?${query.join("&")}`;
  };
  return {
    site,
    origin: site.origin,
    url: `${site.url}/`,
    browser,
    setting,
    /** Makes the server set cookies. */
    set: (/** @type {string[]} */ ...lines) => browser.fetchJson(setting(...lines)),
    /** Returns the cookies that the server receives at a path. */
    read: async (path = "/", who = browser) => {
      const answer = await who.fetchJson(new URL(path, site.url));
      assert.equal(answer.status, 200, answer.body);
      return pairs(site.origin);
    },
    signIn: async (/** @type {string} */ user, who = browser) => {
      const json = { username: user, password: `of ${user}` };
      const answer = await who.fetchJson(`${site.url}/_session/login`, { method: "POST", json });
      assert.equal(answer.status, 200, answer.body);
    },
    signOut: () => browser.fetchJson(`${site.url}/_session/logout`, { method: "POST" }),
  };
}

/**
 * @param {import("./harness/origin.mjs").Message} request
 * @param {import("./harness/origin.mjs").Reply} reply
 */
function echo(request, reply) {
  const { searchParams } = new URL(request.url ?? "/", "http://origin");
  for (const name of new Set(searchParams.keys())) {
    const values = searchParams.getAll(name);
    reply.setHeader(name, values.length > 1 ? values : values[0]);
  }
  reply.end("ok");
}

/**
 * Returns the cookies of the last request, in order.
 * @param {import("./harness/origin.mjs").Origin} origin
 */
function pairs(origin) {
  const lines = origin.received("cookie");
  assert.ok(lines.length <= 1, "more than one line");
  return lines.length ? lines[0].split("; ") : [];
}

/** Returns the URL of another location of the deployment. @param {string} url @param {number} at */
function elsewhere(url, at) {
  const place = new URL(url);
  place.port = String(sites.vestibule.ports[at]);
  return place.href;
}

/** Returns the only record of a site, if it is stored already. @param {{ id: string }} site */
const recordOf = ({ id }) =>
  [...sites.vestibule.kv.stored].find(([key]) => key.startsWith(`s:${id}:`))?.[1].value;

for (const consistency of ["strong", "eventual"]) {
  const how = consistency === "strong" ? "" : ", with KV alone";

  test(`a vault cookie never reaches the browser and returns to the chat server${how}`, async (t) => {
    const { browser, set, read, url } = await open(t, { session: { cache: "1s", consistency } });
    const answer = await set(KEPT, "theme=dark; Path=/", "chunk_0=a; Path=/", "chunk_1=b; Path=/");
    assert.deepEqual([answer.status, answer.body], [200, "ok"]);
    const names = answer.cookies.map((line) => line.split("=")[0]);
    assert.deepEqual(names.sort(), ["theme", "vestibule-session"]);
    assert.ok(answer.cookies.includes("theme=dark; Path=/"));
    assert.match(answer.header("cache-control"), /no-store|private/);
    assert.doesNotMatch(JSON.stringify(answer.headers), /eyJ\.of|chunk_/);
    const expected = ["theme=dark", "access_token=eyJ.of.the-origin", "chunk_0=a", "chunk_1=b"];
    assert.deepEqual(await read(), expected);
    assert.deepEqual(await read("/deep/er?x=1"), expected);
    assert.doesNotMatch(JSON.stringify((await browser.me(url)).json()), /eyJ\./);
  });

  test(`the chat server's own cookies come back after a crash${how}`, async (t) => {
    const { set, read, site } = await open(t, { session: { cache: "1s", consistency } });
    await set(KEPT);
    await until(() => recordOf(site), { what: "the record" });
    await sites.vestibule.restart();
    assert.deepEqual(await read(), ["access_token=eyJ.of.the-origin"]);
  });

  test(`a sign-out deletes the chat server's vault cookies${how}`, async (t) => {
    const { set, read, browser, url, signIn, signOut } = await open(t, {
      session: { cache: "1s", consistency },
    });
    await signIn("alice");
    await set(KEPT);
    assert.equal((await read()).length, 1);
    const session = browser.sessionOf(url);
    await signOut();
    assert.deepEqual(await read(), []);
    await refused(url, session);
  });

  test(`vault cookies belong to the user for whom they were set${how}`, async (t) => {
    const { set, read, signIn } = await open(t, { session: { cache: "1s", consistency } });
    await set("access_token=guest; Path=/");
    assert.deepEqual(await read(), ["access_token=guest"]);
    await signIn("alice");
    assert.deepEqual(await read(), []);
    await set("access_token=alice; Path=/");
    await signIn("alice");
    assert.deepEqual(await read(), ["access_token=alice"]);
    await signIn("bob");
    assert.deepEqual(await read(), []);
  });
}

test("guests' cookies are kept too, in their own session only", async (t) => {
  const { set, read } = await open(t);
  await set(KEPT);
  assert.equal((await read()).length, 1);
  assert.deepEqual(await read("/", new Browser()), []);
});

test("a guest without vault cookies costs no storage operation", async (t) => {
  const { set, read, browser, url } = await open(t);
  const before = sites.vestibule.kv.operations.length;
  await set("theme=dark; Path=/");
  await set("access_token=; Path=/; Max-Age=0");
  await read();
  assert.equal((await browser.me(url)).json().stored, false);
  assert.equal(sites.vestibule.kv.operations.length, before);
});

test("a vault cookie set in one location is sent at once in another", async (t) => {
  const { set, read, url, browser, setting } = await open(t);
  await set(KEPT);
  assert.deepEqual(await read(elsewhere(url, 1)), ["access_token=eyJ.of.the-origin"]);
  await browser.fetchJson(elsewhere(setting("access_token=second; Path=/"), 1));
  assert.deepEqual(await read(), ["access_token=second"]);
});

/**
 * Opens a chat server with WebSockets whose handshake sets a cookie.
 * @param {Scene} scene
 * @param {string[]} [lines] cookies that its handshakes set
 */
function withSockets({ origin }, lines = []) {
  const sockets = new WebSocketServer({ server: origin.server });
  sockets.on("headers", (headers) => headers.push(...lines.map((line) => `Set-Cookie: ${line}`)));
  origin.server.prependListener("upgrade", ({ url = "", headers }) => {
    const all = Object.entries(headers).map(([name, value]) => [name, String(value)]);
    const received = /** @type {[string, string][]} */ (all);
    origin.requests.push({ method: "GET", url, headers: received, body: "" });
  });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
}

/**
 * Opens a socket and returns the handshake's response.
 * @param {import("node:test").TestContext} t
 * @param {Scene} scene
 * @param {string} [more] further cookies
 */
async function handshake(t, { site, url, browser }, more = "") {
  const cookie = browser.cookiesOf(url).map(({ name, value }) => `${name}=${value}`);
  const socket = new WebSocket(`ws://127.0.0.1:${sites.vestibule.port}/ws/chat`, {
    origin: site.url,
    headers: { host: new URL(url).host, cookie: cookie.join("; ") + more },
  });
  t.after(() => socket.terminate());
  const upgraded = once(socket, "upgrade");
  await once(socket, "open");
  const [{ headers }] = await upgraded;
  socket.send("hello");
  assert.equal(String((await once(socket, "message"))[0]), "hello");
  return /** @type {string[]} */ (headers["set-cookie"] ?? []);
}

test("a WebSocket handshake carries the vault cookies and not the client's replacement", async (t) => {
  const scene = await open(t);
  withSockets(scene);
  await scene.set(KEPT, "chunk_0=a; Path=/ws", "chunk_1=b; Path=/other", "theme=dark; Path=/");
  await handshake(t, scene, "; access_token=evil; chunk_7=evil");
  assert.deepEqual(pairs(scene.origin), [
    "theme=dark",
    "chunk_0=a",
    "access_token=eyJ.of.the-origin",
  ]);
});

test("a cookie set by a WebSocket handshake is kept too", async (t) => {
  const scene = await open(t);
  withSockets(scene, [KEPT, "theme=dark; Path=/"]);
  await scene.set("chunk_0=a; Path=/");
  const cookies = await handshake(t, scene);
  assert.deepEqual(cookies.map((line) => line.split("=")[0]).sort(), [
    "theme",
    "vestibule-session",
  ]);
  const kept = ["chunk_0=a", "access_token=eyJ.of.the-origin"];
  assert.deepEqual(await scene.read(), kept);
});

test("a vault cookie's Path is applied as in browsers", async (t) => {
  const { browser, setting, read } = await open(t);
  const at = new URL(setting("chunk_default=1", "chunk_odd=2; Path=odd", "chunk_root=3; Path=/"));
  at.pathname = "/project/file";
  const longer = ["chunk_p=4; Path=/project", "chunk_s=5; Path=/project/", "chunk_r=6; Path=/"];
  for (const line of longer) at.searchParams.append("set-cookie", line);
  await browser.fetchJson(at);
  const names = async (/** @type {string} */ path) =>
    (await read(path)).map((pair) => pair.split("=")[0].slice(6));
  assert.deepEqual(await names("/project/x"), ["s", "default", "odd", "p", "root", "r"]);
  assert.deepEqual(await names("/project"), ["default", "odd", "p", "root", "r"]);
  assert.deepEqual(await names("/projects"), ["root", "r"]);
  assert.deepEqual(await names("/"), ["root", "r"]);
});

test("a vault cookie with the same name and another path is another cookie", async (t) => {
  const { set, read } = await open(t);
  await set("access_token=of-all; Path=/", "access_token=of-a; Path=/a");
  assert.deepEqual(await read("/a"), ["access_token=of-a", "access_token=of-all"]);
  await set("access_token=; Path=/; Max-Age=0");
  assert.deepEqual(await read("/a"), ["access_token=of-a"]);
  assert.deepEqual(await read("/"), []);
});

for (const [what, line] of [
  ["Max-Age=0", "access_token=; Path=/; Max-Age=0"],
  ["a Max-Age below zero", "access_token=x; Path=/; max-age=-1"],
  ["an Expires in the past", "access_token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
  [
    "an Expires as Python writes it",
    'access_token=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax',
  ],
  ["an Expires with dashes", "access_token=; path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT"],
]) {
  test(`a vault cookie is deleted by ${what}`, async (t) => {
    const { set, read } = await open(t);
    await set(KEPT, "chunk_0=a; Path=/");
    const answer = await set(line);
    assert.doesNotMatch(answer.cookies.join(), /access_token/);
    assert.deepEqual(await read(), ["chunk_0=a"]);
  });
}

test("a vault cookie is sent until it expires", async (t) => {
  const { set, read } = await open(t);
  const at = (/** @type {number} */ seconds) => new Date(Date.now() + seconds * 1000).toUTCString();
  await set(
    "access_token=short; Path=/; Max-Age=2",
    `chunk_0=short; Path=/; Expires=${at(3)}`,
    `chunk_1=long; Path=/; Expires=${at(3600)}`,
    "chunk_2=long; Path=/; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "chunk_3=long; Path=/",
  );
  assert.equal((await read()).length, 5);
  const left = await until(
    async () => {
      const pairs = await read();
      return pairs.length <= 3 && pairs;
    },
    { what: "the end of the short ones" },
  );
  assert.deepEqual(left, ["chunk_1=long", "chunk_2=long", "chunk_3=long"]);
});

test("a vault cookie that is set again has the new value, byte for byte", async (t) => {
  const { set, read } = await open(t);
  await set("access_token=first; Path=/", "chunk_0=a; Path=/");
  const odd = `"a=b,c%20d{}[]'()*+/?:@"`;
  await set(`access_token=${odd}; Path=/; Domain=chat.example; Secure; SameSite=None`);
  assert.deepEqual(await read(), [`access_token=${odd}`, "chunk_0=a"]);
});

test("cookies with similar names pass unchanged both ways", async (t) => {
  const { set, read, browser, url } = await open(t);
  const lines = ["access_token2=1; Path=/", "xaccess_token=2; Path=/", "Access_Token=3; Path=/"];
  await read();
  const answer = await set(...lines, 'chunk=4; Path=/; Secure; Comment="a, b"', "theme=5");
  for (const line of lines) assert.ok(answer.cookies.includes(line), line);
  assert.equal(answer.cookies.length, 5);
  browser.plant(url, "chunks", "6");
  const expected = ["access_token2=1", "xaccess_token=2", "Access_Token=3", "chunk=4", "theme=5"];
  assert.deepEqual(await read(), [...expected, "chunks=6"]);
});

/** Characters that Python's `str.strip` removes, as Starlette does when it reads cookies. */
const BLANK = new Set([..." \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0"]);

/** @param {string} text */
function stripped(text) {
  const chars = [...text];
  const first = chars.findIndex((char) => !BLANK.has(char));
  const last = chars.findLastIndex((char) => !BLANK.has(char));
  return first < 0 ? "" : chars.slice(first, last + 1).join("");
}

/**
 * Returns the names that a server reads in a Cookie header.
 * @param {string} line
 */
function lenientNames(line) {
  return line.split(";").map((pair) => stripped(pair.split("=")[0]));
}

for (const [what, line] of [
  ["plainly", "Cookie: access_token=evil"],
  ["among others", "Cookie: a=1; access_token=evil; chunk_9=evil; b=2"],
  ["twice", "Cookie: access_token=evil; access_token=evil"],
  ["with spaces around it", "Cookie: a=1;  access_token =evil;\tchunk_0\t=evil"],
  ["without a name", "Cookie: =access_token=evil"],
  ["without a value", "Cookie: access_token; chunk_0"],
  ["within quotes", 'Cookie: a="1; access_token=evil"'],
  ["in another line", "Cookie: a=1\r\nCookie: access_token=evil"],
  ["after a semicolon too many", "Cookie: ;;access_token=evil;;"],
  ["after a no-break space", "Cookie: \xa0access_token=evil"],
  ["after a next-line character", "Cookie: a=1; \x85access_token=evil"],
  ["before a no-break space", "Cookie: access_token\xa0=evil"],
  ["after a vertical tab", "Cookie: a=1; \x0baccess_token=evil"],
  ["after a separator character", "Cookie: a=1; \x1faccess_token=evil"],
]) {
  test(`a client's cookie with a vault name never reaches the server: ${what}`, async (t) => {
    const { set, read, browser, url, origin } = await open(t);
    await set(KEPT);
    await read();
    const own = `vestibule-session=${browser.sessionOf(url)}`;
    for (const [cookie, kept] of [
      ["", []],
      [`Cookie: ${own}; `, ["access_token"]],
    ]) {
      const lines = (cookie ? line.replace("Cookie: ", String(cookie)) : line).split("\r\n");
      const count = origin.requests.length;
      const host = new URL(url).host;
      const { status } = await send(sites.vestibule.port, { host, lines });
      if (status >= 400) {
        assert.equal(origin.requests.length, count);
        continue;
      }
      assert.equal(status, 200);
      const read = origin.received("cookie").flatMap(lenientNames);
      assert.deepEqual(
        read.filter((name) => /^(access_token|chunk_.*)$/.test(name)),
        kept,
        JSON.stringify(origin.received("cookie")),
      );
    }
  });
}

/** Returns the number of log lines about cookies that are not kept. */
const ignored = () =>
  sites.vestibule.logged("control_ignored").filter(({ control }) => control === "vault").length;

test("a too large cookie is not kept but logged, and the response arrives", async (t) => {
  const { set, read } = await open(t);
  await set(KEPT);
  const before = ignored();
  const value = "x".repeat(5 * 1024);
  const answer = await set(`access_token=${value}; Path=/`, "chunk_0=a; Path=/", "theme=dark");
  assert.deepEqual([answer.status, answer.body], [200, "ok"]);
  assert.doesNotMatch(answer.cookies.join(), /access_token|chunk_0/);
  await until(() => ignored() > before, { what: "the log" });
  assert.doesNotMatch(sites.vestibule.printed, /xxxxxxxx|eyJ\.of/);
  // A cookie that the server replaced is not sent with its old value.
  assert.deepEqual(await read(), ["theme=dark", "chunk_0=a"]);
});

test("a guest's cookie set and deleted in one response is not kept, unless set again", async (t) => {
  const { site, set, read } = await open(t);
  const answer = await set(
    "access_token=bar; Path=/",
    "access_token=x; Path=/; Max-Age=0",
    "chunk_0=a; Path=/",
    "chunk_0=; Path=/; Expires=Thu, 01-Jan-70 00:00:01 GMT",
    "chunk_0=b; Path=/",
    "chunk_1=c; Path=/elsewhere",
    "chunk_1=; Path=/; Max-Age=0",
  );
  assert.doesNotMatch(answer.cookies.join(), /access_token|chunk_/);
  assert.deepEqual(await read(), ["chunk_0=b"]);
  assert.deepEqual(await read("/elsewhere"), ["chunk_1=c", "chunk_0=b"]);
  assert.ok(await until(() => recordOf(site)));
});

test("a guest's response that deletes all its cookies stores nothing", async (t) => {
  const { site, set, read } = await open(t);
  await set("access_token=bar; Path=/", "access_token=x; Path=/; Max-Age=0");
  assert.deepEqual(await read(), []);
  assert.equal(recordOf(site), undefined);
});

test("a nameless cookie is kept and sent as browsers send it", async (t) => {
  const { set, read } = await open(t);
  const answer = await set("=access_token=nameless; Path=/", "chunk_0; Path=/none");
  assert.doesNotMatch(answer.cookies.join(), /access_token|chunk_/);
  assert.deepEqual(await read(), ["access_token=nameless"]);
  assert.deepEqual(await read("/none"), ["chunk_0", "access_token=nameless"]);
  await set("=access_token=; Path=/; Max-Age=0");
  assert.deepEqual(await read("/none"), ["chunk_0"]);
});

test("a cookie of 4,096 bytes is kept, and one byte more is refused and logged", async (t) => {
  const { set, read } = await open(t);
  const largest = "x".repeat(4_096 - "chunk_0".length);
  await set(`chunk_0=${largest}; Path=/; HttpOnly; Max-Age=600`);
  assert.deepEqual(await read(), [`chunk_0=${largest}`]);
  const before = ignored();
  await set(`chunk_1=x${largest}; Path=/`);
  await until(() => ignored() > before, { what: "the log" });
  assert.deepEqual(await read(), [`chunk_0=${largest}`]);
});

for (const [date, isDate] of /** @type {[string, boolean][]} */ ([
  ["Thu, 01 Jan 1970 00:00:00 GMT", true],
  ["Thursday, 01-Jan-70 00:00:01 GMT", true],
  ["Thu Jan  1 00:00:00 1970", true],
  ["1 Jan 1970 0:0:0", true],
  ["01 January 1970AD 00:00:00GMT", true],
  ["1st/Jan/1970 00:00:00", true],
  ["(01)~Jan~[1970] <00:00:00>", true],
  ["01.Jan.1970.00:00:00", true],
  ["00:00:00:99 01 Jan 1970", true],
  ["01 Jan 1601 00:00:00", true],
  ["1970-01-01T00:00:00Z", false],
  ["01 Jan 1970 00:00", false],
  ["01 Jan 1970 24:00:00", false],
  ["31 Feb 1970 00:00:00", false],
  ["001 Jan 1970 00:00:00", false],
  ["yesterday", false],
  ["0", false],
])) {
  test(`a vault cookie's Expires of ${date} ${isDate ? "deletes it" : "is no date and is ignored"}`, async (t) => {
    const { set, read } = await open(t);
    await set(KEPT);
    await set(`access_token=anew; Path=/; Expires=${date}`);
    assert.deepEqual(await read(), isDate ? [] : ["access_token=anew"]);
  });
}

for (const [what, count, value, fits] of /** @type {[string, number, string, number][]} */ ([
  ["forty cookies", 40, "x", 32],
  ["more bytes than a server accepts", 8, "y".repeat(3_000), 5],
])) {
  test(`the first of ${what} are kept, the rest logged, and the response arrives`, async (t) => {
    const pairs = Array.from({ length: count }, (_, at) => `chunk_${at}=${value}`);
    const { read, browser, url } = await open(t, {
      handler: (request, reply) => {
        if (request.url !== "/set") return echo(request, reply);
        reply.setHeader("set-cookie", [...pairs.map((pair) => `${pair}; Path=/`), "theme=dark"]);
        reply.end("ok");
      },
    });
    const before = ignored();
    const answer = await browser.fetchJson(new URL("/set", url));
    assert.deepEqual([answer.status, answer.body], [200, "ok"]);
    assert.doesNotMatch(answer.cookies.join(), /chunk/);
    await until(() => ignored() > before, { what: "the log" });
    assert.doesNotMatch(sites.vestibule.printed, /yyyyyyyy/);
    assert.deepEqual(await read(), ["theme=dark", ...pairs.slice(0, fits)]);
  });
}

test("the last of many cookies with one name counts, as in browsers", async (t) => {
  const { read, browser, url } = await open(t, {
    handler: (request, reply) => {
      if (request.url !== "/set") return echo(request, reply);
      const numbers = Array.from({ length: 40 }, (_, at) => at);
      const lines = numbers.flatMap((at) => [`access_token=${at}; Path=/`, `theme=${at}; Path=/`]);
      reply.setHeader("set-cookie", lines).end("ok");
    },
  });
  await browser.fetchJson(new URL("/set", url));
  assert.deepEqual(await read(), ["theme=39", "access_token=39"]);
});

test("ending a session as an operator deletes its vault cookies", async (t) => {
  const { set, read, browser, url, signIn } = await open(t);
  await signIn("alice");
  await set(KEPT);
  const { handle } = (await browser.me(url)).json();
  const session = browser.sessionOf(url);
  const headers = { authorization: `Bearer ${ADMIN}` };
  const at = new URL(`/_session/admin/sessions/${handle}`, url);
  assert.equal((await new Browser().send(at, { method: "DELETE", headers })).status, 204);
  const answer = await browser.fetchJson(url);
  assert.equal(answer.status, 401, "at once, where it was ended");
  await refused(url, session);
  await refused(elsewhere(url, 1), session);
  await signIn("alice");
  assert.deepEqual(await read(), []);
});

test("ending all of a user's sessions as an operator deletes their vault cookies", async (t) => {
  const scene = await open(t);
  const { set, read, browser, url, signIn } = scene;
  const bob = new Browser();
  await signIn("bob", bob);
  await bob.fetchJson(scene.setting("access_token=of-bob; Path=/"));
  await signIn("alice");
  await set(KEPT);
  const session = browser.sessionOf(url);
  const headers = { authorization: `Bearer ${ADMIN}` };
  const at = new URL("/_session/admin/sessions?user=alice", url);
  assert.equal((await new Browser().send(at, { method: "DELETE", headers })).status, 204);
  const count = scene.origin.requests.length;
  const answer = await browser.fetchJson(url);
  assert.equal(answer.status, 401, "at once, where it was ended");
  assert.equal(scene.origin.requests.length, count);
  await refused(url, session);
  await signIn("alice");
  assert.deepEqual(await read(), []);
  assert.deepEqual(await read("/", bob), ["access_token=of-bob"]);
});

test("a user named by the chat server inherits no vault cookies of the user before", async (t) => {
  const { browser, read, url } = await open(t);
  const identify = (/** @type {string} */ user, more = "") =>
    browser.fetchJson(
      `${url}?x-session-identify=${encodeURIComponent(JSON.stringify({ user }))}${more}`,
    );
  const own = (/** @type {string} */ user) =>
    `&set-cookie=${encodeURIComponent(`access_token=${user}; Path=/`)}`;
  await identify("u1", own("u1"));
  assert.deepEqual(await read(), ["access_token=u1"]);
  await identify("u1");
  assert.deepEqual(await read(), ["access_token=u1"]);
  await identify("u2");
  assert.deepEqual(await read(), []);
  await identify("u3", own("u3"));
  assert.deepEqual(await read(), ["access_token=u3"]);
});

test("a response that ends the session stores no cookies", async (t) => {
  const { browser, read, url, set } = await open(t);
  await set(KEPT);
  const late = `${url}?x-session-destroy=1&set-cookie=${encodeURIComponent("chunk_0=late; Path=/")}`;
  const answer = await browser.fetchJson(late);
  assert.equal(answer.status, 200);
  assert.doesNotMatch(answer.cookies.join(), /chunk_0|access_token/);
  assert.deepEqual(await read(), []);
});

test("a response that arrives after the session's end stores no cookies", async (t) => {
  const held = /** @type {import("./harness/origin.mjs").Reply[]} */ ([]);
  const scene = await open(t, {
    handler: (request, reply) => {
      if (request.url === "/late") held.push(reply.setHeader("set-cookie", KEPT));
      else echo(request, reply);
    },
  });
  const { browser, url, set, signOut, read } = scene;
  await set("chunk_0=a; Path=/");
  const session = browser.sessionOf(url);
  const late = new Browser();
  late.plant(url, "vestibule-session", session);
  const asked = late.fetchJson(new URL("/late", url));
  await until(() => held.length === 1, { what: "the request" });
  await signOut();
  held[0].end("late");
  const answer = await asked;
  assert.equal(answer.body, "late");
  assert.doesNotMatch(answer.cookies.join(), /access_token/);
  await refused(url, session);
  assert.deepEqual(await read(), []);
});

test("an ended session's vault cookies are deleted from storage too", async (t) => {
  const { set, browser, url, site, signOut, read } = await open(t);
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(2_000))).toString("base64url");
  await set(`access_token=${noise}; Path=/`);
  await until(() => (recordOf(site)?.length ?? 0) > 2_000, { what: "the record" });
  const session = browser.sessionOf(url);
  await signOut();
  await until(() => (recordOf(site)?.length ?? 0) < 500, { what: "the tombstone" });
  await sites.vestibule.restart();
  await refused(url, session);
  assert.deepEqual(await read(), []);
});

test("vault cookies are readable neither in storage nor in the log", async (t) => {
  const { set, read, site, signIn } = await open(t);
  const secret = "tell-nobody-of-the-vault";
  await set(`access_token=${secret}; Path=/`);
  await signIn("alice");
  await set(`chunk_0=${secret}; Path=/`, `access_token=${secret}; Path=/`);
  await read();
  await until(() => recordOf(site), { what: "the record" });
  const forms = [0, 1, 2].map((at) =>
    Buffer.from(" ".repeat(at) + secret)
      .toString("base64")
      .slice(4, 28),
  );
  forms.push(secret, Buffer.from(secret).toString("hex"));
  for (const [key, { value }] of sites.vestibule.kv.stored) {
    const text = value.toString("latin1");
    for (const form of forms) assert.ok(!key.includes(form) && !text.includes(form), form);
    assert.ok(!text.includes("access_token") && !text.includes("chunk_0"));
  }
  assert.ok(!sites.vestibule.printed.includes(secret));
});

test("a long response that sets a vault cookie is streamed", async (t) => {
  /** @type {import("./harness/origin.mjs").Reply | undefined} */
  let streaming;
  const { read, browser, url } = await open(t, {
    handler: (request, reply) => {
      if (request.url !== "/stream") return echo(request, reply);
      reply.writeHead(200, { "content-type": "text/event-stream", "set-cookie": KEPT });
      reply.write("data: first\n\n");
      streaming = reply;
    },
  });
  await browser.fetchJson(url);
  const asked = get({
    host: "127.0.0.1",
    port: sites.vestibule.port,
    path: "/stream",
    headers: { host: new URL(url).host, cookie: `vestibule-session=${browser.sessionOf(url)}` },
  });
  const [response] = await once(asked, "response");
  assert.equal(response.statusCode, 200);
  const chunks = response.setEncoding("utf8").iterator();
  const next = async () => (await chunks.next()).value;
  assert.equal(await next(), "data: first\n\n");
  const cookies = /** @type {string[]} */ (response.headers["set-cookie"] ?? []);
  assert.deepEqual(
    cookies.map((line) => line.split("=")[0]),
    ["vestibule-session"],
  );
  browser.plant(
    url,
    "vestibule-session",
    cookies[0].split(";")[0].replace("vestibule-session=", ""),
  );
  // It is stored before the response has ended.
  assert.deepEqual(await read(), ["access_token=eyJ.of.the-origin"]);
  streaming?.end("data: last\n\n");
  assert.equal(await next(), "data: last\n\n");
  assert.equal(await next(), undefined);
});

for (const places of [1, 2]) {
  test(`vault cookies of thirty concurrent responses in ${places} location(s) are all kept`, async (t) => {
    const { browser, setting, read, url } = await open(t);
    await browser.fetchJson(setting("chunk_first=1; Path=/"));
    const session = browser.sessionOf(url);
    const numbers = Array.from({ length: 30 }, (_, at) => at);
    const answers = await Promise.all(
      numbers.map((number) => {
        const tab = new Browser();
        tab.plant(url, "vestibule-session", session);
        const at = setting(`chunk_${number}=${number}; Path=/`);
        return tab.fetchJson(elsewhere(at, number % places));
      }),
    );
    for (const { status, cookies } of answers) {
      assert.equal(status, 200);
      assert.doesNotMatch(cookies.join(), /chunk_/);
    }
    const expected = ["chunk_first=1", ...numbers.map((number) => `chunk_${number}=${number}`)];
    const kept = await until(
      async () => {
        const pairs = await read();
        return pairs.length === expected.length && pairs;
      },
      { what: "all of them" },
    );
    assert.deepEqual(kept.sort(), expected.sort());
  });
}

for (const status of [204, 302, 404, 500]) {
  test(`a vault cookie from a response with status ${status} is kept too`, async (t) => {
    const { read, browser, url } = await open(t, {
      handler: (request, reply) => {
        if (request.url === "/") return echo(request, reply);
        reply.writeHead(status, { "set-cookie": KEPT, location: "/" }).end();
      },
    });
    const answer = await browser.fetchJson(new URL("/login", url));
    assert.equal(answer.status, status);
    assert.doesNotMatch(answer.cookies.join(), /access_token/);
    assert.deepEqual(await read(), ["access_token=eyJ.of.the-origin"]);
  });
}

test("a browser's own cookie with a vault name is not forwarded, and cleared at sign-in", async (t) => {
  const { browser, read, url, signIn } = await open(t);
  browser.plant(url, "access_token", "of-before");
  browser.plant(url, "theme", "dark");
  assert.deepEqual(await read(), ["theme=dark"]);
  await signIn("alice");
  const names = browser.cookiesOf(url).map(({ name }) => name);
  assert.deepEqual(names.sort(), ["theme", "vestibule-session"]);
});
