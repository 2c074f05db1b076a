/** Tests how invalid session cookies are handled. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { mint, read } from "./harness/cookie.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

const CLEARED = "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
/** @param {number} hours */
const hoursAgo = (hours) => Math.floor(Date.now() / 1000) - hours * 3_600;
const SET =
  /^__Host-session=[A-Za-z0-9_-]{112}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=\d+$/;

/** @param {import("node:test").TestContext} t */
async function deployment(t, vars = {}) {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  const get = (/** @type {string | string[]} */ cookie, request = {}) => {
    const lines = [cookie].flat().map((value) => `Cookie: ${value}`);
    return send(vestibule.port, { ...request, lines });
  };
  return { origin, vestibule, get, key: vestibule.keys, kv: vestibule.kv };
}

test("a visitor without a cookie gets one with every attribute over https", async (t) => {
  const { get } = await deployment(t);
  const answer = await get([]);
  assert.equal(answer.status, 200);
  assert.match(header(answer, "set-cookie")[0], SET);
  assert.deepEqual(header(answer, "cache-control"), ["no-store"]);
  assert.deepEqual(header(answer, "vary"), ["Cookie"]);
});

test("the cookie for plain http on loopback works in every browser", async (t) => {
  const { get } = await deployment(t);
  const answer = await get([], { host: "localhost:8787" });
  assert.match(
    header(answer, "set-cookie")[0],
    /^vestibule-session=[\w-]{112}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/,
  );
});

test("a page request without a session is redirected to sign-in, and a call gets 401", async (t) => {
  const { vestibule, origin } = await deployment(t, { LOGIN_MODE: "required" });
  const page = await send(vestibule.port, {
    target: "/a?b=1",
    lines: ["Sec-Fetch-Mode: navigate"],
  });
  assert.equal(page.status, 303);
  assert.deepEqual(header(page, "location"), ["/_session/login?return_to=/a%3fb%3d1"]);
  for (const lines of [
    [],
    ["Accept: text/event-stream"],
    ["Sec-Fetch-Mode: cors", "Accept: text/html"],
  ]) {
    const call = await send(vestibule.port, { lines });
    assert.deepEqual([call.status, call.code], [401, "no_session"]);
    assert.equal(header(call, "www-authenticate").length, 1);
    assert.deepEqual(header(call, "set-cookie"), []);
  }
  assert.equal(origin.requests.length, 0);
  assert.equal(vestibule.kv.operations.length, 0);
});

test("a cookie changed in any position is rejected without reading storage", async (t) => {
  const { get, key, kv, origin } = await deployment(t, { LOGIN_MODE: "required" });
  const good = mint({ key, leastVersion: 1 });
  for (let at = 0; at < good.length; at += 1) {
    const changed = good.slice(0, at) + (good[at] === "A" ? "B" : "A") + good.slice(at + 1);
    const answer = await get(`__Host-session=${changed}`);
    // Some characters name the key, and an unknown key may be new and not yet known here.
    const namesKey = at >= 1 && at <= 6 && answer.status === 503;
    const expected = namesKey ? [503, "key_unknown"] : [401, "no_session"];
    assert.deepEqual([answer.status, answer.code], expected, `position ${at}`);
    assert.deepEqual(header(answer, "set-cookie"), namesKey ? [] : [CLEARED]);
  }
  assert.equal(kv.operations.length, 0);
  assert.equal(origin.requests.length, 0);
});

test("a guest with a forged cookie becomes a new guest", async (t) => {
  const { get, key, origin, kv, vestibule } = await deployment(t);
  const forged = mint({ key, tenant: "other" });
  const answer = await get(`__Host-session=${forged}`);
  assert.equal(answer.status, 200);
  const [line] = header(answer, "set-cookie");
  assert.match(line, SET);
  assert.notDeepEqual(read(line.slice(15, 103)).id, read(forged).id);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
  assert.equal(kv.operations.length, 0);
  assert.equal(vestibule.logged("cookie_forged").length, 1);
});

for (const [what, make] of /** @type {[string, (key: string) => string][]} */ ([
  ["an empty value", () => ""],
  ["a truncated MAC", (key) => mint({ key }).slice(0, -20)],
  ["no MAC", (key) => mint({ key }).slice(0, 46)],
  ["a longer MAC", (key) => `${mint({ key })}AAAA`],
  [
    "a key that was removed long ago",
    () => mint({ key: freshKey(), created: 1, issued: hoursAgo(2) }),
  ],
  ["a value of 10 kB", () => "A".repeat(10_000)],
  ["a path as its value", () => "../../etc/passwd"],
  [
    "an issue time in the future",
    (key) => mint({ key, issued: Math.floor(Date.now() / 1000) + 120 }),
  ],
  ["an issue time of zero", (key) => mint({ key, issued: 0, created: 0 })],
  ["a negative issue time", (key) => mint({ key, issued: 2 ** 32 - 1, created: 1 })],
  [
    "a creation time after its issue time",
    (key) => mint({ key, created: Math.floor(Date.now() / 1000) + 9 }),
  ],
  ["another tenant's token", (key) => mint({ key, tenant: "other" })],
  ["a JWT as its value", () => "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."],
  ["an id without a MAC", () => randomBytes(16).toString("base64url")],
  ["a quoted value", (key) => `"${mint({ key })}"`],
  ["a percent-encoded value", (key) => `%41${mint({ key }).slice(1)}`],
  ["a padded value", (key) => `${mint({ key })}==`],
  [
    "a value with spaces inside",
    (key) => `${mint({ key }).slice(0, 40)} ${mint({ key }).slice(40)}`,
  ],
  ["bytes above ASCII", (key) => `${mint({ key }).slice(0, 80)}\xc3\xa9\xff\xfe\x80\x81\x82`],
])) {
  test(`a cookie with ${what} is treated as no session`, async (t) => {
    const { get, kv, key, origin } = await deployment(t, { LOGIN_MODE: "required" });
    const answer = await get(`__Host-session=${make(key)}`);
    assert.deepEqual([answer.status, answer.code], [401, "no_session"]);
    assert.deepEqual(header(answer, "set-cookie"), [CLEARED]);
    assert.equal(kv.operations.length, 0);
    assert.equal(origin.requests.length, 0);
  });
}

for (const [what, make] of /** @type {[string, (good: string) => string][]} */ ([
  ["another case", (good) => `__host-session=${good}`],
  ["upper case", (good) => `__HOST-SESSION=${good}`],
  ["a Unicode space before the name", (good) => `\xe2\x80\x80__Host-session=${good}`],
  ["a no-break space before the name", (good) => `\xa0__Host-session=${good}`],
  ["a next-line byte before the name", (good) => `\x85__Host-session=${good}`],
  ["a quoted name", (good) => `"__Host-session"=${good}`],
  ["the bare loopback name", (good) => `vestibule-session=${good}`],
  ["no name", (good) => good],
  ["semicolons only", () => ";;;"],
  ["an equals sign", () => "="],
  ["an empty pair", () => ""],
  ["spaces", () => "   "],
])) {
  test(`a cookie with a wrong name is ignored: ${what}`, async (t) => {
    const { get, key, kv, origin } = await deployment(t);
    const answer = await get(make(mint({ key, leastVersion: 1 })));
    assert.equal(answer.status, 200);
    assert.deepEqual(origin.received("x-session-state"), ["new"]);
    assert.equal(kv.operations.length, 0);
  });
}

test("no Unicode space before the name makes a cookie ours", async (t) => {
  const { get, key, origin } = await deployment(t);
  const spaces = [
    0x85, 0xa0, 0x1680, 0x180e, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff,
  ];
  for (let code = 0x2000; code <= 0x200d; code += 1) spaces.push(code);
  assert.equal(spaces.length, 25);
  for (const code of spaces) {
    const name = Buffer.from(`${String.fromCodePoint(code)}__Host-session`).toString("latin1");
    await get(`${name}=${mint({ key })}`);
    assert.deepEqual(origin.received("x-session-state"), ["new"], code.toString(16));
  }
});

test("a NUL in a cookie is rejected", async (t) => {
  const { get, key, origin } = await deployment(t);
  assert.equal((await get(`__Host-session=${mint({ key })}\0`)).status, 400);
  assert.equal(origin.requests.length, 0);
});

test("a nameless cookie without the MAC is rejected", async (t) => {
  const { get, origin } = await deployment(t);
  assert.equal((await get("=__Host-session=x")).status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
});

for (const [what, make] of /** @type {[string, (good: string) => string | string[]][]} */ ([
  ["a cookie of a sub-domain", (good) => `x=1,__Host-session=1; __Host-session=${good}`],
  ["a cookie of a sub-domain after it", (good) => `__Host-session=${good}; x=1,__Host-session=1`],
  ["an invalid one after it", (good) => `__Host-session=${good}; __Host-session=x`],
  ["an invalid one before it", (good) => `a=1; __Host-session=x; __Host-session=${good}`],
  ["an empty one", (good) => `__Host-session=; __Host-session=${good}`],
  ["a copy of it", (good) => `__Host-session=${good}; __Host-session=${good}`],
  ["a nameless one", (good) => `=__Host-session=x; __Host-session=${good}`],
  [
    "another tenant's",
    (good, key = "") => `__Host-session=${mint({ key, tenant: "other" })}; __Host-session=${good}`,
  ],
  [
    "one by an unknown key",
    (good) => `__Host-session=${mint({ key: freshKey() })}; __Host-session=${good}`,
  ],
  ["ten forged ones", (good) => `${"__Host-session=AAAA; ".repeat(10)}__Host-session=${good}`],
  ["a second Cookie line", (good) => [`__Host-session=${good}`, "a=1"]],
  ["$Version", (good) => `$Version=1; __Host-session=${good}`],
])) {
  test(`our cookie is used although the request also has ${what}`, async (t) => {
    const { get, key, origin } = await deployment(t);
    const good = mint({ key });
    const lines = /** @type {(good: string, key: string) => string} */ (make)(good, key);
    const answer = await get(lines);
    assert.equal(answer.status, 200, answer.code);
    assert.deepEqual(origin.received("x-session-state"), ["active"]);
    assert.deepEqual(header(answer, "set-cookie"), []);
    assert.doesNotMatch(origin.received("cookie").join(), /__Host-session/);
  });
}

test("an invalid cookie set by a sub-domain is ignored", async (t) => {
  const { get, key, origin } = await deployment(t);
  const planted = "x=1,__Host-session=1";
  const first = await get(planted);
  assert.equal(first.status, 200);
  const [own] = header(first, "set-cookie")[0].split(";");
  assert.equal((await get(`${planted}; ${own}`)).status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  assert.deepEqual(origin.received("cookie"), ["x=1"]);
  // A genuine token there has no meaning: any site may set another cookie's value.
  await get(`x=1,__Host-session=${mint({ key })}`);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
  assert.deepEqual(origin.received("cookie"), ["x=1"]);
});

test("the newer of two valid cookies is used", async (t) => {
  const { get, key, origin } = await deployment(t);
  const id = (/** @type {string} */ value) => read(value).handle.toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const [old, late] = [90, 10].map((ago) => mint({ key, created: now - 900, issued: now - ago }));
  for (const pair of [
    [old, late],
    [late, old],
  ]) {
    await get(pair.map((value) => `__Host-session=${value}`).join("; "));
    assert.deepEqual(origin.received("x-session-id"), [id(late)]);
  }
});

test("an application's own cookie called session reaches it on localhost, even twice", async (t) => {
  const { get, origin } = await deployment(t);
  const host = "localhost:8787";
  const first = await get("session=theirs; session=theirs-too", { host });
  assert.equal(first.status, 200);
  assert.deepEqual(origin.received("cookie"), ["session=theirs; session=theirs-too"]);
  const [own] = header(first, "set-cookie")[0].split(";");
  assert.equal((await get(`session=theirs; ${own}`, { host })).status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  assert.deepEqual(origin.received("cookie"), ["session=theirs"]);
});

test("a cookie of an unknown key is kept without storage reads, and a flood is limited", async (t) => {
  const { get, kv, origin, vestibule } = await deployment(t);
  const unknown = () => get(`__Host-session=${mint({ key: freshKey(), leastVersion: 1 })}`);
  const answer = await unknown();
  assert.deepEqual([answer.status, answer.code], [503, "key_unknown"]);
  assert.ok(Number(header(answer, "retry-after")[0]) > 0);
  assert.deepEqual(header(answer, "set-cookie"), []);
  assert.equal(vestibule.logged("cookie_key_unknown").length, 1);
  const flood = await Promise.all(Array.from({ length: 320 }, unknown));
  assert.deepEqual([...new Set(flood.map(({ status }) => status))].sort(), [429, 503]);
  assert.ok(flood.every((one) => header(one, "set-cookie").length === 0));
  assert.equal(kv.operations.length + origin.requests.length, 0);
});

test("a cookie of a removed key can sign out here, but not everywhere", async (t) => {
  const { get, vestibule } = await deployment(t);
  const cookie = `__Host-session=${mint({ key: freshKey(), leastVersion: 1 })}`;
  const post = { method: "POST", target: "/_session/logout" };
  const answer = await get(cookie, post);
  assert.equal(answer.status, 204, answer.code);
  assert.deepEqual(header(answer, "set-cookie"), [CLEARED]);
  assert.equal(vestibule.logged("cookie_key_unknown").length, 1);
  // Only the cookie's record could name the user of these sessions.
  const body = JSON.stringify({ everywhere: true });
  const everywhere = await send(vestibule.port, {
    ...post,
    lines: [
      `Cookie: ${cookie}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    ],
    body,
  });
  assert.deepEqual([everywhere.status, everywhere.code], [503, "key_unknown"]);
  assert.deepEqual(header(everywhere, "set-cookie"), []);
});

for (const [what, cookie] of [
  ["181 cookies", Array.from({ length: 181 }, (_, at) => `c${at}=1`).join("; ")],
  ["2,000 cookies", Array.from({ length: 2000 }, () => "a=b").join(";")],
  ["17 KiB of cookies", `a=${"x".repeat(17 * 1024)}`],
  ["100 KiB of cookies", `a=${"x".repeat(100 * 1024)}`],
  ["130 KiB of cookies", `a=${"x".repeat(130 * 1024)}`],
]) {
  test(`${what} are refused with 431`, async (t) => {
    const { get, origin, vestibule } = await deployment(t);
    assert.equal((await get(cookie)).status, 431);
    assert.equal(origin.requests.length, 0);
    assert.equal((await send(vestibule.port, {})).status, 200);
  });
}

test("a session id outside of the cookie is ignored", async (t) => {
  const { vestibule, key, kv, origin } = await deployment(t);
  const id = mint({ key, leastVersion: 1 });
  const lines = [`X-Session-Id: ${id}`, `Authorization: Bearer ${id}`, `X-Session: ${id}`];
  const answer = await send(vestibule.port, {
    target: `/?vestibule-session=${id}&__Host-session=${id}`,
    lines,
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
  assert.equal(kv.operations.length, 0);
});

test("a cookie of a retired key is accepted and reissued until the key is removed", async (t) => {
  const origin = await Origin.start(t);
  const [old, next] = [freshKey(), freshKey()];
  const rotating = await Vestibule.start(t, { origins: [origin.url], keys: `${next},${old}` });
  const cookie = mint({ key: old });
  const browser = new Browser(rotating.url);
  browser.jar.set("vestibule-session", cookie);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  assert.deepEqual(read(browser.session).id, read(cookie).id);
  assert.notEqual(browser.session.slice(0, 6), cookie.slice(0, 6), "signed by the other key");

  const rotated = await Vestibule.start(t, { origins: [origin.url], keys: next });
  const again = new Browser(rotated.url);
  again.jar.set("vestibule-session", browser.session);
  await again.fetch("/");
  assert.deepEqual(origin.received("x-session-state"), ["active"]);
  again.jar.set("vestibule-session", cookie);
  assert.equal((await again.fetch("/")).status, 503, "as if the key were still to come");
  assert.equal(again.session, cookie);
  again.jar.set("vestibule-session", mint({ key: old, created: 1, issued: hoursAgo(2) }));
  await again.fetch("/");
  assert.deepEqual(origin.received("x-session-state"), ["new"]);
});

test("a flood of forged cookies is limited and other visitors are unaffected", async (t) => {
  const { vestibule } = await deployment(t, { LOGIN_MODE: "optional" });
  const good = new Browser(vestibule.url);
  await good.fetch("/");
  const flood = async () => {
    const cookie = `vestibule-session=${randomBytes(66).toString("base64url")}`;
    const response = await fetch(vestibule.url, { headers: { cookie } });
    await response.arrayBuffer();
    return response;
  };
  const answers = [];
  for (let round = 0; round < 10; round += 1) {
    answers.push(...(await Promise.all(Array.from({ length: 50 }, flood))));
    assert.equal((await good.fetch("/")).status, 200);
  }
  const refused = answers.filter((answer) => answer.status === 429);
  assert.ok(refused.length >= 100, `${refused.length} refused`);
  assert.ok(refused.every((answer) => Number(answer.headers.get("retry-after")) >= 1));
  assert.equal(answers.at(0)?.status, 200);
});
