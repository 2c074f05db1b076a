/** Tests which headers of a client reach an origin. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mint } from "./harness/cookie.mjs";
import { KvServer } from "./harness/kv.mjs";
import { fold, Origin } from "./harness/origin.mjs";
import { exchange, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const IDENTITY = [
  "X-Session-User",
  "X-Session-Email",
  "X-Session-Name",
  "X-Session-Groups",
  "X-Session-Id",
  "X-Session-Tenant",
  "X-Session-State",
  "X-Session-Data",
  "X-Session-Proof",
  "X-Session-Assertion",
];

/** Returns spellings that some origin reads as the same name. @param {string} name */
function spellings(name) {
  const separators = ["-", "_", ".", "~", "!", "'", "*", "+", "^", "`"];
  return separators.flatMap((separator) => {
    const spelled = name.replaceAll("-", separator);
    return [spelled, spelled.toLowerCase(), spelled.toUpperCase()];
  });
}

const SPELLINGS = IDENTITY.flatMap(spellings);

/** @param {import("node:test").TestContext} t */
async function deployment(t) {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  return { origin, vestibule, port: vestibule.port, key: vestibule.keys };
}

/**
 * Asserts that nothing the client called evil arrived, and that our own headers did, once.
 * @param {Origin} origin
 */
function assertUnspoofed(origin) {
  const last = origin.requests.at(-1);
  assert.ok(last);
  const evil = last.headers.filter(([, value]) => value.includes("evil"));
  assert.deepEqual(evil, []);
  for (const name of ["x-session-id", "x-session-tenant", "x-session-state"]) {
    assert.equal(origin.received(name).length, 1, name);
  }
  assert.deepEqual(origin.received("x-session-user"), []);
}

for (const [kind, extra] of /** @type {[string, string[]][]} */ ([
  ["a call", []],
  ["an event stream", ["Accept: text/event-stream"]],
  [
    "a WebSocket",
    [
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Origin: http://chat.example",
    ],
  ],
])) {
  test(`${SPELLINGS.length} spellings of identity headers never reach the origin with ${kind}`, async (t) => {
    const { origin, port, key } = await deployment(t);
    const connection = extra.length > 1 ? "Connection: Upgrade" : "Connection: close";
    for (const cookie of [[], [`Cookie: __Host-session=${mint({ key })}`]]) {
      for (let at = 0; at < SPELLINGS.length; at += 75) {
        const lines = SPELLINGS.slice(at, at + 75).map((name) => `${name}: evil`);
        const head = [
          "GET / HTTP/1.1",
          "Host: chat.example",
          ...extra,
          ...cookie,
          ...lines,
          connection,
        ];
        await exchange(port, `${head.join("\r\n")}\r\n\r\n`);
        assertUnspoofed(origin);
      }
    }
  });
}

for (const [what, line] of [
  ["a space before the colon", "X-Session-User : evil"],
  ["a folded line", "X-Harmless: a\r\n X-Session-User: evil"],
  ["a bare LF", "X-Harmless: a\nX-Session-User: evil"],
  ["a bare CR", "X-Harmless: a\rX-Session-User: evil"],
]) {
  test(`a header smuggled by ${what} does not reach the origin`, async (t) => {
    const { origin, port } = await deployment(t);
    const answer = await send(port, { lines: [line] });
    if (answer.status >= 400) return assert.equal(origin.requests.length, 0);
    const names = origin.requests.at(-1)?.headers.map(([name]) => fold(name));
    assert.ok(!names?.includes("x-session-user"));
  });
}

test("a client's Connection header removes neither our headers nor the origin's cookies", async (t) => {
  const { origin, port } = await deployment(t);
  const head = [
    "GET / HTTP/1.1",
    "Host: chat.example",
    "Cookie: theirs=1",
    "Connection: close, X-Session-Id, X-Session-State, X-Forwarded-Host, Cookie",
  ];
  assert.equal((await exchange(port, `${head.join("\r\n")}\r\n\r\n`)).status, 200);
  assertUnspoofed(origin);
  assert.deepEqual(origin.received("x-forwarded-host"), ["chat.example"]);
  assert.deepEqual(origin.received("cookie"), ["theirs=1"]);
});

test("a trailer does not become a header", async (t) => {
  const { origin, port } = await deployment(t);
  const body = "5\r\nhello\r\n0\r\nX-Session-User: evil\r\n\r\n";
  const lines = ["Transfer-Encoding: chunked", "Trailer: X-Session-User"];
  await send(port, { method: "POST", lines, body });
  for (const request of origin.requests) {
    assert.ok(request.headers.every(([name]) => fold(name) !== "x-session-user"));
  }
});

test("a client's forwarding headers are replaced or dropped", async (t) => {
  const { origin, port } = await deployment(t);
  const claims = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X_Forwarded_For",
    "Forwarded",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "CF-Worker",
    "X-Client-IP",
    "Remote-User",
    "X-Auth-Request-User",
  ];
  const answer = await send(port, { lines: claims.map((name) => `${name}: evil`) });
  assert.equal(answer.status, 200);
  assertUnspoofed(origin);
  assert.deepEqual(origin.received("x-forwarded-host"), ["chat.example"]);
  assert.deepEqual(origin.received("x-forwarded-proto"), ["http"]);
  assert.deepEqual(origin.received("x-forwarded-port"), ["80"]);
  assert.deepEqual(origin.received("forwarded"), [
    'for=unknown;host="chat.example";proto=http;by=_vestibule',
  ]);
});

test("headers that override URL or method are dropped", async (t) => {
  const { origin, port } = await deployment(t);
  const names = [
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Internal-Auth",
    "Cloudflare-Workers-Version-Key",
    "Proxy-Connection",
    "Proxy-Authorization",
    "Expect",
    "HTTP2-Settings",
    "TE",
  ];
  await send(port, { lines: names.map((name) => `${name}: evil`) });
  assertUnspoofed(origin);
});

const ADMIN_TOKEN = "operators-know-this-token";

/** Headers that well-known servers trust from a proxy. */
const BELIEVED = [
  "Proxy",
  "X-Accel-Redirect",
  "X-Sendfile",
  "X-Sendfile-Type",
  "SSL-Client-Verify",
  "SSL-Client-S-DN",
  "X-SSL-Client-Cert",
  "Client-Cert",
  "X-Remote-User",
  "Remote-User",
  "Remote-Groups",
  "X-Authenticated-User",
  "X-WebAuth-User",
  "X-Script-Name",
  "Script-Name",
  "X-Original-URL",
  "X-Rewrite-URL",
  "X-Ms-Client-Principal",
  "X-Amzn-Oidc-Data",
  "X-Middleware-Subrequest",
];

test(`${BELIEVED.length} headers that servers trust are dropped in any spelling, and counted`, async (t) => {
  const origin = await Origin.start(t);
  const vars = { ADMIN_TOKEN };
  const { port, url } = await Vestibule.start(t, { origins: [origin.url], vars });
  // Names that differ only in case are one header.
  const names = [...new Set(BELIEVED.flatMap(spellings).map((name) => name.toLowerCase()))];
  for (let at = 0; at < names.length; at += 75) {
    const lines = names.slice(at, at + 75).map((name) => `${name}: evil`);
    assert.equal((await send(port, { lines })).status, 200);
    assertUnspoofed(origin);
  }
  const dropped = async () => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const page = await fetch(`${url}/_session/admin/metrics`, { headers });
    const series = (await page.text()).matchAll(
      /^vestibule_request_headers_dropped_total\{tenant="default",kind="(?:identity|routing)"\} (\d+)$/gm,
    );
    return [...series].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  await until(async () => (await dropped()) === names.length, { what: "every one being counted" });
});

test("a client's own header reaches the origin in its exact spelling, with any separators", async (t) => {
  const { origin, port } = await deployment(t);
  const own = [
    ["api_access_token", "t1"],
    ["X-Api_Key", "k1"],
    ["x.amz.date", "20261128"],
    ["X--Double", "d"],
    ["X-HTTP-Method-Override", "PATCH"],
    ["X-Method-Override", "PATCH"],
    ["X-Auth-Token", "a1"],
  ];
  await send(port, { method: "POST", lines: own.map(([name, value]) => `${name}: ${value}`) });
  const last = origin.requests.at(-1)?.headers ?? [];
  for (const [name, value] of own) {
    const arrived = last.filter(([other]) => other.toLowerCase() === name.toLowerCase());
    assert.deepEqual(
      arrived.map(([, values]) => values),
      [value],
      name,
    );
  }
});

test("a client cannot send a mapped header in another spelling", async (t) => {
  const origin = await Origin.start(t);
  const vars = { HEADERS: JSON.stringify({ "X-Chat-User": "user" }) };
  const { port } = await Vestibule.start(t, { origins: [origin.url], vars });
  const lines = spellings("X-Chat-User").map((name) => `${name}: evil`);
  await send(port, { lines });
  assertUnspoofed(origin);
});

test("a method override header does not bypass a stricter sign-in rule", async (t) => {
  const origin = await Origin.start(t);
  const exceptions = [{ path: "/items", methods: ["POST"], mode: "off" }];
  const kv = new KvServer();
  t.after(() => kv.stop());
  const document = {
    id: "acme",
    hosts: ["chat.example"],
    login: { mode: "required", exceptions },
    origins: [{ url: origin.url }],
  };
  kv.plant("host:chat.example", "acme");
  kv.plant("tenant:acme", JSON.stringify(document));
  const { port } = await Vestibule.start(t, { tenants: kv });
  const post = (/** @type {string[]} */ lines) =>
    send(port, { method: "POST", target: "/items", lines: [...lines, "Content-Length: 0"] });
  assert.equal((await post([])).status, 200);
  for (const name of ["X-HTTP-Method-Override", "x_http_method_override", "X-Method-Override"]) {
    for (const method of ["delete", "DELETE, POST", "post,Delete"]) {
      assert.equal((await post([`${name}: ${method}`])).status, 401, `${name}: ${method}`);
    }
  }
  assert.equal(origin.requests.length, 1);
});

test("a valid trace is continued and an invalid one replaced", async (t) => {
  const { origin, port } = await deployment(t);
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const lines = [`traceparent: 00-${trace}-b7ad6b7169203331-01`, "tracestate: a=b"];
  await send(port, { lines });
  assert.match(
    origin.received("traceparent")[0],
    new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`),
  );
  assert.deepEqual(origin.received("tracestate"), ["a=b"]);
  await send(port, { lines: ["traceparent: evil", "tracestate: evil"] });
  assert.match(origin.received("traceparent")[0], /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.deepEqual(origin.received("tracestate"), []);
});

test("our cookie never reaches an origin, and its own cookies arrive unchanged", async (t) => {
  const { origin, port, key } = await deployment(t);
  const lines = [`Cookie: a="b c"; __Host-session=${mint({ key })}; session=theirs; d=%20`];
  await send(port, { lines });
  assert.deepEqual(origin.received("cookie"), ['a="b c"; session=theirs; d=%20']);
});

test("a request with two Content-Length headers never reaches an origin", async (t) => {
  const { origin, port } = await deployment(t);
  const lines = ["Content-Length: 5", "Transfer-Encoding: chunked"];
  const answer = await send(port, { method: "POST", lines, body: "0\r\n\r\n" });
  // If the runtime shows both, the request is refused; if it has chosen, one is left.
  if (answer.status === 400) return assert.equal(origin.requests.length, 0);
  const values = [...origin.received("content-length"), ...origin.received("transfer-encoding")];
  assert.equal(values.length, 1);
  assert.equal(origin.requests[0].body, "");
});

test("headers named by Connection are dropped, up to the maximum number", async (t) => {
  const origin = await Origin.start(t);
  const { port } = await Vestibule.start(t, { origins: [origin.url] });
  const names = Array.from({ length: 230 }, (_, at) => `X-Hop-${at}`);
  const listed = [`Connection: ${names.join(" ,\t")}`, ...names.map((name) => `${name}: 1`)];
  assert.equal((await send(port, { lines: [...listed, "X-Other: 1"] })).status, 200);
  const arrived = origin.requests[0].headers.map(([name]) => name.toLowerCase());
  assert.ok(arrived.includes("x-other"));
  assert.deepEqual(
    arrived.filter((name) => name.startsWith("x-hop")),
    [],
  );
  assert.equal((await send(port, { lines: ["Connection: x-other", "X-Other: 1"] })).status, 200);
  assert.deepEqual(origin.received("x-other"), []);
  const answer = await send(port, { lines: [`Connection: ${"a,".repeat(257)}`] });
  assert.deepEqual([answer.status, answer.code], [431, "headers_too_large"]);
  assert.equal(origin.requests.length, 2);
});
