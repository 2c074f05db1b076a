/** Shows that the checked path is the path that is sent, in any spelling. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { exchange, header, send } from "./harness/raw.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ORIGIN_KEY = "an-origin-key-of-32-characters!!";

/**
 * Opens a tenant whose origin signs in every visitor of `/public/in`. Each request carries a proof of the checked path.
 * @param {import("node:test").TestContext} t
 * @param {object} login
 */
async function guarded(t, login) {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const origin = await Origin.start(t, (request, reply) => {
    const isHandshake = /^[^?]*\?EIO=4&transport=polling$/.test(request.url ?? "");
    if (isHandshake) reply.setHeader("content-type", "text/plain; charset=UTF-8");
    reply.end(isHandshake ? '0{"sid":"abc","upgrades":[]}' : "ok");
  });
  tenants.plant("host:chat.example", "chat");
  const document = {
    id: "chat",
    hosts: ["chat.example"],
    origins: [{ url: origin.url }],
    session: { proof: true },
    login,
  };
  tenants.plant("tenant:chat", JSON.stringify(document));
  const vars = { CHAT__ORIGIN_KEY: ORIGIN_KEY };
  const { port } = await Vestibule.start(t, { tenants, origins: [], vars });
  return { origin, port };
}

const REQUIRED = { mode: "required", exceptions: [{ path: "/public/*", mode: "off" }] };
const OPTIONAL = { mode: "optional", exceptions: [{ path: "/admin/*", mode: "required" }] };

/** Returns whether the last request's proof covers its path. @param {Origin} origin */
function isProved(origin) {
  const { method, url } = origin.requests.at(-1) ?? assert.fail("nothing arrived");
  const [proof] = origin.received("x-session-proof");
  const [, at, mac] = /^v1;t=(\d+);k=[0-9a-f]{8};mac=([\w-]{43})$/.exec(proof) ?? [];
  const [handle] = origin.received("x-session-id");
  const message = [method, url.split("?")[0], handle, "", at].join("\n");
  return mac === createHmac("sha256", ORIGIN_KEY).update(message).digest("base64url");
}

const CLIMBING = [
  "/public/a%2fb/../../secret",
  "/public/a%5cb/../../secret",
  "/public/a;b/../../secret",
  "/public/a%252fb/../../secret",
  "/public/..%2fsecret",
  "/public/..;/secret",
  "/public/%252e%252e/secret",
  "/public/x\\..\\..\\secret",
  "/public//../../secret",
  "/public//../secret",
  "/public/%00/../../secret",
  "/public/%c0%ae%c0%ae/secret",
  "/public/x%00y",
  "/public/x%c0%afy",
];

test("an exception for /public/* opens no other path in any spelling", async (t) => {
  const { origin, port } = await guarded(t, REQUIRED);
  for (const target of CLIMBING) {
    const answer = await send(port, { target });
    assert.deepEqual([answer.status, answer.code], [400, "bad_path"], target);
  }
  assert.deepEqual(origin.requests, []);
});

test("dot segments are resolved as in browsers, and the resolved path is checked and sent", async (t) => {
  const { origin, port } = await guarded(t, REQUIRED);
  for (const [target, sent] of [
    ["/public/a/../b?x=/../y", "/public/b?x=/../y"],
    ["/secret/%2E%2e/public/./c", "/public/c"],
    ["/public/a/..", "/public/"],
    ['/public/{a}^"b', "/public/%7Ba%7D%5E%22b"],
  ]) {
    assert.equal((await send(port, { target })).status, 200, target);
    assert.equal(origin.requests.at(-1)?.url, sent);
    assert.ok(isProved(origin), target);
  }
  const before = origin.requests.length;
  for (const target of ["/public/../secret", "/public/%2e%2E/secret", "/public/./../secret/"]) {
    const answer = await send(port, { target });
    assert.deepEqual([answer.status, answer.code], [401, "no_session"], target);
  }
  const own = await send(port, { target: "/public/../_session/nowhere" });
  assert.deepEqual([own.status, own.code], [404, "not_found"]);
  assert.equal(origin.requests.length, before);
});

const ADMINS = [
  "/admin/x",
  "/a/../admin/x",
  "/admin%2fx",
  "/admin%2f",
  "/admin/%2e/x",
  "//admin/x",
  "/admin;a=b/x",
  "/%61dmin/x",
  "/a%2fb/../admin/x",
  "/x/..%2fadmin/x",
  "/a\\..\\admin\\x",
  "/a//../admin/x",
];

test("a sign-in rule for /admin/* covers every path that a server may read as that", async (t) => {
  const { origin, port } = await guarded(t, OPTIONAL);
  for (const target of ADMINS) {
    const answer = await send(port, { target });
    assert.ok(["no_session", "bad_path"].includes(answer.code), `${target}: ${answer.status}`);
  }
  assert.deepEqual(origin.requests, []);
});

const PLAIN = [
  "/api/vhosts/%2F/permissions",
  "/api/vhosts/%2f",
  "/proxy/https%3A%2F%2Fother.example%2Fa",
  "/proxy/https://other.example/a",
  "/a;b=c/d",
  "/a%252fb",
  "/caf%e9/%C3%A9",
  "/a|b[c]'d",
  "/?p=C:\\dir&q={}|^`%00",
];

test("an unambiguous path reaches the server byte for byte", async (t) => {
  const { origin, port } = await guarded(t, OPTIONAL);
  for (const target of PLAIN) {
    assert.equal((await send(port, { target })).status, 200, target);
    assert.equal(origin.requests.at(-1)?.url, target);
    assert.ok(isProved(origin), target);
  }
});

test("the runtime escapes only four characters in a query", async (t) => {
  const { origin, port } = await guarded(t, OPTIONAL);
  // The runtime's HTTP parser rejects quotation marks and angle brackets.
  await send(port, { target: "/?q='a'&b=!$()*,-./:;=?@[\\]^_`{|}~%27%zz%" });
  const sent = "/?q=%27a%27&b=!$()*,-./:;=?@[\\]^_`{|}~%27%zz%";
  assert.equal(origin.requests.at(-1)?.url, sent);
});

test("a cached decision is not reused for another path", async (t) => {
  const origin = await Origin.start(t);
  const { port } = await Vestibule.start(t, { origins: [origin.url] });
  const first = await send(port, { target: "/" });
  const [cookie] = header(first, "set-cookie")[0].split(";");
  const paths = ["/a/../b", "/c", "/a/../b", "/a/./b", "/c/../../d/", "/a/../b", "/c"];
  for (const target of paths) await send(port, { target, lines: [`Cookie: ${cookie}`] });
  const sent = origin.requests.slice(1).map(({ url }) => url);
  assert.deepEqual(sent, ["/b", "/c", "/b", "/a/b", "/d/", "/b", "/c"]);
});

/** Returns pseudo-random numbers, the same ones each time. @param {number} seed */
function draws(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PIECES = [
  "/ / / / a b ; ' \" ^ { | public public/ admin admin/ secret _session . .. ... /../ /./",
  "%2e %2E%2e %2f %5C \\ %25 %252f %252e %00 %c0%af %C3%A9 %3b",
].flatMap((pieces) => pieces.split(" "));

/** Decodes a path completely, like the most lenient server. @param {string} text */
function laid(text) {
  let before = "";
  let now = text;
  while (now !== before) {
    before = now;
    now = now.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
  const names = now.split(/[/\\]/).map((name) => name.split(";")[0].trimEnd());
  const full = names.filter((name) => name !== "");
  const end = full.length > 0 && names.at(-1) === "" ? "/" : "";
  return { names, path: `/${full.join("/")}${end}` };
}

for (const [what, login, isOpen] of /** @type {[string, object, (path: string) => boolean][]} */ ([
  ["except at /public/*", REQUIRED, (path) => path.startsWith("/public/")],
  ["only at /admin/*", OPTIONAL, (path) => !path.startsWith("/admin/")],
])) {
  test(`each of 600 random paths arrives as it was checked, with sign-in required ${what}`, async (t) => {
    const { origin, port } = await guarded(t, login);
    const draw = draws(20_261_128);
    const arrived = new Set();
    for (let at = 0; at < 600; at += 1) {
      const pieces = Array.from({ length: 1 + draw(8) }, () => PIECES[draw(PIECES.length)]);
      const target = `${draw(2) ? "/public/" : "/"}${pieces.join("")}`;
      const before = origin.requests.length;
      const answer = await send(port, { target });
      assert.ok([200, 400, 401, 404].includes(answer.status), `${target}: ${answer.status}`);
      assert.equal(origin.requests.length - before, answer.status === 200 && !answer.code ? 1 : 0);
      if (origin.requests.length === before) continue;
      const { url } = origin.requests[before];
      arrived.add(url);
      assert.ok(isProved(origin), `${target} was not judged as ${url}`);
      assert.ok(isOpen(url), `${target} arrived as ${url}`);
      const { names, path } = laid(url);
      assert.ok(!names.includes(".") && !names.includes(".."), `${target} arrived as ${url}`);
      assert.ok(isOpen(path), `${target} may be read as ${path}`);
      assert.ok(!/^\/_session(\/|$)/i.test(path), `${target} may be read as ${path}`);
    }
    assert.ok(arrived.size > 100, `only ${arrived.size} arrived`);
  });
}

test("the route in a sid is removed only from the query, and the path stays the checked one", async (t) => {
  const { origin, port } = await guarded(t, OPTIONAL);
  const begun = await send(port, { target: "/socket.io/?EIO=4&transport=polling" });
  const [, route] = /"sid":"abc(~[^"]+)"/.exec(begun.body) ?? assert.fail(begun.body);
  for (const [target, arrives] of [
    [`/sid=/..${route}/admin/x?EIO=4&sid=/..${route}`, `/sid=/..${route}/admin/x?EIO=4&sid=/..`],
    [
      `/sid=/..${route}/_session/me?EIO=4&sid=/..${route}`,
      `/sid=/..${route}/_session/me?EIO=4&sid=/..`,
    ],
    [`/x?EIO=4&xsid=a${route}&sid=a${route}`, `/x?EIO=4&xsid=a${route}&sid=a`],
  ]) {
    assert.equal((await send(port, { target })).status, 200, target);
    assert.equal(origin.requests.at(-1)?.url, arrives);
    assert.ok(isProved(origin), target);
  }
});

test("an absolute target with another host is not forwarded with that host", async (t) => {
  const { origin, port } = await guarded(t, OPTIONAL);
  const line = "GET http://chat.example,evil.example/x HTTP/1.1";
  const answer = await exchange(port, `${line}\r\nHost: chat.example\r\nConnection: close\r\n\r\n`);
  // The runtime takes the host of an absolute target from the Host header.
  assert.equal(answer.status, 200);
  assert.deepEqual(origin.received("x-forwarded-host"), ["chat.example"]);
});

// CONNECT is an exception: the runtime answers it without the Worker.
test("no request line is answered with 500", async (t) => {
  const { origin, port } = await guarded(t, OPTIONAL);
  for (const line of [
    "OPTIONS * HTTP/1.1",
    "GET * HTTP/1.1",
    "POST * HTTP/1.1",
    "OPTIONS ** HTTP/1.1",
    "GET chat.example HTTP/1.1",
    "GET http://chat.example HTTP/1.1",
    "GET http://chat.example?x HTTP/1.1",
    "GET https://other.example/x HTTP/1.1",
    "GET ftp://chat.example/x HTTP/1.1",
    "GET http:///x HTTP/1.1",
    "GET http://[::1/x HTTP/1.1",
    "GET /\x80 HTTP/1.1",
    "GET /%ff?%ff HTTP/1.1",
    "GET /? HTTP/1.1",
    "GET ? HTTP/1.1",
    "GET # HTTP/1.1",
    "GET /# HTTP/1.1",
    "PROPFIND / HTTP/1.1",
    "get / HTTP/1.1",
  ]) {
    const request = `${line}\r\nHost: chat.example\r\nConnection: close\r\n\r\n`;
    const answer = await exchange(port, request);
    assert.ok(answer.status < 500 || answer.status === 501, `${line}: ${answer.status}`);
  }
  const asterisk = await send(port, { method: "OPTIONS", target: "*" });
  assert.deepEqual([asterisk.status, asterisk.code], [400, "bad_path"]);
  for (const { url } of origin.requests) assert.match(url, /^\//);
});

test("a request without exactly one Host is refused with 400", async (t) => {
  const origin = await Origin.start(t);
  const { port } = await Vestibule.start(t, { origins: [origin.url] });
  for (const hosts of [
    ["chat.example", "evil.example"],
    ["chat.example", "chat.example"],
    ["chat.example, evil.example"],
    ["chat.example,evil.example"],
    ["chat.example/x"],
    ["chat.example?x"],
    ["evil@chat.example"],
    ["chat.e%78ample"],
    ["chat.example:x"],
  ]) {
    const lines = hosts.map((host) => `Host: ${host}`).join("\r\n");
    for (const target of ["/", "/_session/healthz", "/_session/me", "/_session/console/"]) {
      const request = `GET ${target} HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n`;
      const answer = await exchange(port, request);
      assert.deepEqual([answer.status, answer.code], [400, "bad_host"], `${hosts} ${target}`);
    }
  }
  assert.deepEqual(origin.requests, []);
});

test("the request's one host reaches the origin", async (t) => {
  const origin = await Origin.start(t);
  const { port } = await Vestibule.start(t, { origins: [origin.url] });
  for (const host of ["chat.example", "chat.example:8787", "my_app", "[::1]:80", "127.0.0.1"]) {
    assert.equal((await send(port, { host })).status, 200, host);
    assert.deepEqual(origin.received("x-forwarded-host"), [host]);
  }
});

test("the longest paths with nested escapes cost no more than others", async (t) => {
  const { origin, port } = await guarded(t, REQUIRED);
  const room = 8 * 1024 - 1;
  const flood = (/** @type {string} */ part) => `/${part.repeat(room / part.length)}`;
  const nested = `/%${"25".repeat((room - 3) / 2)}41`;
  const targets = [nested, flood("%25"), flood("%2525"), flood("/a"), flood("%2f"), flood("a/../")];
  const timed = async (/** @type {string} */ target) => {
    const from = performance.now();
    for (let at = 0; at < 10; at += 1) assert.notEqual((await send(port, { target })).status, 500);
    return performance.now() - from;
  };
  const plain = await timed(flood("a"));
  // Decoded layer by layer, one of these would take seconds.
  for (const target of targets) {
    const took = await timed(target);
    assert.ok(took < 10 * plain + 2_000, `${target.slice(0, 12)}: ${took} ms, not ${plain} ms`);
  }
  assert.deepEqual(origin.requests, []);
});
