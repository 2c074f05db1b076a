/** Tests origins that respond late, wrongly, or not at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin, rawOrigin } from "./harness/origin.mjs";
import { exchange, header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/**
 * Starts two raw origins with the same behaviour, so that the order does not matter.
 * @param {import("node:test").TestContext} t
 * @param {(socket: import("node:net").Socket, head: string) => void} behaviour
 * @param {Record<string, string>} [vars]
 */
async function behaving(t, behaviour, vars) {
  const [a, b] = [await rawOrigin(t, behaviour), await rawOrigin(t, behaviour)];
  const vestibule = await Vestibule.start(t, { origins: [a.url, b.url], vars });
  // The Worker's own probes name no session.
  const isClients = (/** @type {string} */ head) => /^x-session-id:/im.test(head);
  const tries = () => [...a.heads, ...b.heads].filter(isClients).length;
  return { vestibule, port: vestibule.port, tries };
}

test("an origin name that does not resolve gets 502", async (t) => {
  const vestibule = await Vestibule.start(t, { origins: ["http://nowhere.invalid"] });
  const answer = await send(vestibule.port, {});
  assert.deepEqual([answer.status, answer.code], [502, "origin_unreachable"]);
});

test("an https origin that does not speak TLS gets 502", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [`https://127.0.0.1:${origin.port}`] });
  const answer = await send(vestibule.port, {});
  assert.deepEqual([answer.status, answer.code], [502, "origin_unreachable"]);
  assert.ok(!answer.body.includes(`:${origin.port}`), "the origin's address is not shown");
});

test("an origin without a response in time gets 504, and its connection is closed", async (t) => {
  let hungUp = 0;
  const { port, tries } = await behaving(
    t,
    (socket) => {
      socket.on("close", () => {
        hungUp += 1;
      });
    },
    { FIRST_BYTE_TIMEOUT: "1s" },
  );
  const answer = await send(port, {});
  assert.deepEqual([answer.status, answer.code], [504, "origin_timeout"]);
  assert.equal(tries(), 1);
  await until(() => hungUp >= 1);
});

test("a response that began in time has no further deadline", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    reply.flushHeaders();
    setTimeout(() => reply.end("late"), 1500);
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { FIRST_BYTE_TIMEOUT: "1s" },
  });
  assert.equal(await (await fetch(vestibule.url)).text(), "late");
  assert.deepEqual(vestibule.logged("origin_failed"), []);
});

for (const [what, end] of /** @type {[string, (socket: import("node:net").Socket) => void][]} */ ([
  ["closes", (socket) => socket.end()],
  ["resets", (socket) => socket.resetAndDestroy()],
])) {
  test(`a GET is retried when the origin ${what} the connection, and a POST is not`, async (t) => {
    const { port, tries } = await behaving(t, end);
    const get = await send(port, {});
    assert.deepEqual([get.status, get.code, tries()], [502, "origin_unreachable", 3]);
    const others = await behaving(t, end);
    const body = { lines: ["Content-Length: 2"], body: "hi" };
    const post = await send(others.port, { method: "POST", ...body });
    assert.deepEqual([post.status, post.code, others.tries()], [502, "origin_unreachable", 1]);
  });
}

for (const [what, bytes] of [
  ["status 999", "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok"],
  ["status 600", "HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok"],
  ["status 42", "HTTP/1.1 42 Odd\r\nContent-Length: 2\r\n\r\nok"],
  ["bytes that are not HTTP", "hello, this is no HTTP\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
]) {
  test(`a response with ${what} becomes a 502`, async (t) => {
    const { port } = await behaving(t, (socket) => socket.end(bytes));
    const answer = await send(port, {});
    assert.equal(answer.status, 502);
    assert.match(answer.code, /^origin_(protocol|unreachable)$/);
  });
}

test("a response with 140 KiB of headers does not crash the Worker", async (t) => {
  const large = `HTTP/1.1 200 OK\r\nX-Large: ${"x".repeat(140 * 1024)}\r\nContent-Length: 2\r\n\r\nok`;
  const { vestibule, port } = await behaving(t, (socket) => socket.end(large));
  const answer = await send(port, {});
  assert.ok(answer.status === 200 || answer.status === 502, String(answer.status));
  assert.equal((await fetch(`${vestibule.url}/_session/healthz`)).status, 200);
});

for (const [what, bytes] of [
  ["a flood of 100 Continue", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50)],
  ["103 Early Hints", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"],
]) {
  test(`${what} before the response does not disturb it`, async (t) => {
    const { port } = await behaving(t, (socket) =>
      socket.end(`${bytes}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`),
    );
    const answer = await send(port, {});
    assert.deepEqual([answer.status, answer.body], [200, "ok"]);
  });
}

test("a truncated body stays detectable by its length", async (t) => {
  const { port } = await behaving(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    setTimeout(() => socket.destroy(), 50);
  });
  const answer = await send(port, {});
  assert.deepEqual(header(answer, "content-length"), ["100"]);
  assert.equal(answer.body, "short");
});

test("a revocable event stream ends with an error when its origin dies", async (t) => {
  const { vestibule } = await behaving(
    t,
    (socket) => {
      socket.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
      );
      socket.write("9\r\ndata: 1\n\n\r\n");
      setTimeout(() => socket.destroy(), 50);
    },
    { STREAMS: "revocable" },
  );
  const text = await (await fetch(vestibule.url)).text();
  assert.equal(text, 'data: 1\n\n\n\nevent: error\ndata: {"code":"origin_lost"}\n\n');
  await until(() => vestibule.logged("stream_broken").length === 1);
});

test("a revocable event stream that ends normally passes unchanged", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    reply.end("data: 1\n\n");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { STREAMS: "revocable" },
  });
  assert.equal(await (await fetch(vestibule.url)).text(), "data: 1\n\n");
  assert.equal(vestibule.logged("stream_broken").length, 0);
});

test("an origin can neither set nor clear the session cookie", async (t) => {
  const large = `large=${"x".repeat(10 * 1024)}; Path=/`;
  const own = ["a=1; Path=/; HttpOnly", 'b="quoted, comma"; Domain=example.com', large];
  const evil = [
    "vestibule-session=evil",
    "__Host-session=evil; Secure; Path=/",
    "VESTIBULE-session=; Max-Age=0",
    "=vestibule-session=evil",
  ];
  const origin = await Origin.start(
    t,
    (_, reply) => void reply.setHeader("set-cookie", [...own, ...evil]).end(),
  );
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const browser = new Browser(vestibule.url);
  const first = (await browser.fetch("/")).headers.getSetCookie();
  assert.deepEqual(first.slice(0, 3), own);
  assert.match(first[3], /^vestibule-session=[\w-]{112};/);
  assert.equal(first.length, 4);
  assert.deepEqual((await browser.fetch("/")).headers.getSetCookie(), own);
});

test("an application's own cookie called session reaches the browser on localhost", async (t) => {
  const lines = ["session=theirs; Path=/; HttpOnly", "session=; Max-Age=0", "Session=1"];
  const origin = await Origin.start(
    t,
    (_, reply) => void reply.setHeader("set-cookie", lines).end(),
  );
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const answer = await fetch(vestibule.url);
  assert.deepEqual(answer.headers.getSetCookie().slice(0, 3), lines);
});

test("two hundred cookies of the origin reach the client byte for byte", async (t) => {
  const lines = Array.from({ length: 200 }, (_, at) => `c${at}=${at}; Path=/`);
  const origin = await Origin.start(
    t,
    (_, reply) => void reply.setHeader("set-cookie", lines).end(),
  );
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const got = (await fetch(vestibule.url)).headers.getSetCookie();
  assert.deepEqual(got.slice(0, 200), lines);
});

for (const [what, status, headers] of /** @type {[string, number, Record<string, string>][]} */ ([
  ["a redirect to itself", 302, { location: "/" }],
  ["a permanent redirect elsewhere", 308, { location: "https://elsewhere.example/x" }],
  ["a 401 with a challenge", 401, { "www-authenticate": 'Basic realm="origin"' }],
  ["a 503", 503, { "retry-after": "7" }],
])) {
  test(`${what} is passed on unchanged`, async (t) => {
    const origin = await Origin.start(t, (_, reply) => void reply.writeHead(status, headers).end());
    const vestibule = await Vestibule.start(t, { origins: [origin.url] });
    const response = await fetch(vestibule.url, { redirect: "manual" });
    assert.equal(response.status, status);
    for (const [name, value] of Object.entries(headers))
      assert.equal(response.headers.get(name), value);
    assert.equal(origin.requests.length, 1);
  });
}

test("a redirect to the origin's own address becomes a public URL", async (t) => {
  const origin = await Origin.start(t, (request, reply) => {
    reply.writeHead(302, { location: `http://${request.headers.host}/next?a=b` }).end();
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const response = await fetch(vestibule.url, { redirect: "manual" });
  assert.equal(response.headers.get("location"), `${vestibule.url}/next?a=b`);
});

for (const [what, address] of /** @type {[string, (here: string, other: string) => string][]} */ ([
  ["its own address with a user", (here) => `http://user:pw@${here}`],
  ["its own address and another scheme", (here) => `https://${here}`],
  ["its own address and no scheme", (here) => `//${here}`],
  ["its own address in capitals", (here) => `HTTP://${here.replace("localhost", "LocalHost")}`],
  ["another server's address", (_, other) => `http://${other}`],
])) {
  test(`a URL with ${what} becomes public in every response header`, async (t) => {
    const other = await Origin.start(t);
    const origin = await Origin.start(t, (_, reply) => {
      const own = address(`localhost:${origin.port}`, `127.0.0.1:${other.port}`);
      reply.setHeader("location", `${own}/path/?a=b#c`);
      reply.setHeader("content-location", `${own}/path`);
      reply.setHeader("refresh", `3; url="${own}/path"`);
      reply.setHeader(
        "link",
        `<${own}/a>; rel="next", </b>; rel=prev, <https://cdn.example/>; x=y`,
      );
      reply.writeHead(307).end();
    });
    // The other origin has no sessions.
    const origins = [`http://localhost:${origin.port}`, `${other.url};state=down`];
    const { url } = await Vestibule.start(t, { origins });
    const { headers } = await fetch(url, { redirect: "manual" });
    const received = ["location", "content-location", "refresh", "link"];
    assert.deepEqual(
      received.map((name) => headers.get(name)),
      [
        `${url}/path/?a=b#c`,
        `${url}/path`,
        `3; url="${url}/path"`,
        `<${url}/a>; rel="next", </b>; rel=prev, <https://cdn.example/>; x=y`,
      ],
    );
  });
}

test("a redirect to another site passes unchanged", async (t) => {
  const origin = await Origin.start(t, (request, reply) => {
    reply.writeHead(302, { location: String(request.headers["x-to"]) }).end();
  });
  const { port } = await Vestibule.start(t, { origins: [origin.url] });
  for (const [to, expected] of [
    ["http://chat.example:8787/a", "http://chat.example:8787/a"],
    ["https://elsewhere.example/a", "https://elsewhere.example/a"],
    ["/a", "/a"],
    [
      `http://localhost.evil.example:${origin.port}/a`,
      `http://localhost.evil.example:${origin.port}/a`,
    ],
  ]) {
    const answer = await send(port, { lines: [`X-To: ${to}`] });
    assert.deepEqual(header(answer, "location"), [expected]);
  }
});

test("a cookie's Domain of the server's host becomes the public host, or is removed", async (t) => {
  const lines = ["a=1; Domain=localhost; Path=/x; HttpOnly", "b=2; domain=.LOCALHOST", "c=3"];
  const origin = await Origin.start(
    t,
    (_, reply) => void reply.setHeader("set-cookie", lines).end(),
  );
  const { port } = await Vestibule.start(t, { origins: [`http://localhost:${origin.port}`] });
  const set = async (/** @type {string} */ host) =>
    header(await send(port, { host }), "set-cookie").filter((line) => /^[abc]=/.test(line));
  assert.deepEqual(await set("chat.example"), [
    "a=1; Domain=chat.example; Path=/x; HttpOnly",
    "b=2; Domain=chat.example",
    "c=3",
  ]);
  assert.deepEqual(await set("127.0.0.1"), ["a=1; Path=/x; HttpOnly", "b=2", "c=3"]);
});

test("a public response becomes private, so that no shared cache stores it", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    reply.setHeader("cache-control", "public, max-age=60, s-maxage=600").end();
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const browser = new Browser(vestibule.url);
  await browser.fetch("/");
  const response = await browser.fetch("/");
  assert.equal(response.headers.get("cache-control"), "private, max-age=60");
  assert.equal(response.headers.get("vary"), "Cookie");
});

test("control headers never reach the client", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    for (const name of ["patch", "ttl", "identify", "anything"])
      reply.setHeader(`x-session-${name}`, "{}");
    reply.end();
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const names = [...(await fetch(vestibule.url)).headers.keys()];
  assert.deepEqual(
    names.filter((name) => name.startsWith("x-session")),
    [],
  );
});

test("a client that half-closes its connection gets the whole response", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    reply.write("first ");
    setTimeout(() => reply.end("last"), 100);
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const { connect } = await import("node:net");
  const text = await new Promise((resolve, reject) => {
    const socket = connect({ port: vestibule.port, host: "127.0.0.1", allowHalfOpen: true });
    let got = "";
    socket.on("data", (chunk) => {
      got += chunk;
    });
    socket.on("end", () => resolve(got)).on("error", reject);
    socket.end("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  });
  assert.match(String(text), /first [\s\S]*last/);
});

test("an Expect header does not hold up a request", async (t) => {
  const origin = await Origin.start(t, (_, reply, body) => void reply.end(body));
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  const head =
    "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
  const answer = await exchange(vestibule.port, head);
  assert.ok(answer.status === 200 || answer.status === 100, String(answer.status));
  await until(() => origin.requests.length === 1);
  assert.deepEqual(origin.received("expect"), []);
});
