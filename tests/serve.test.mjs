/** Tests `npm run serve`: one machine, without wrangler and without Cloudflare. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { exchange } from "./harness/raw.mjs";
import { dataFolder, Serve } from "./harness/serve.mjs";
import { until } from "./harness/until.mjs";

/**
 * Starts a server whose path says what its response does: a header by the query, or a stream.
 * @param {import("node:test").TestContext} t
 */
async function chatServer(t) {
  /** @type {import("node:http").ServerResponse[]} */
  const streams = [];
  const origin = await Origin.start(t, (request, reply) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    if (pathname !== "/stream") return void reply.end("ok");
    reply.write("first ");
    streams.push(reply);
  });
  return { origin, streams };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {string[]} [options]
 */
async function served(t, options = []) {
  const { origin, streams } = await chatServer(t);
  const data = dataFolder(t);
  const serve = await Serve.start(t, ["--origin", origin.url, "--data", data, ...options]);
  const browser = new Browser(serve.url);
  /** @param {unknown} value */
  const patch = (value) =>
    browser.fetch(`/?x-session-patch=${encodeURIComponent(JSON.stringify(value))}`);
  const known = async () => {
    await browser.fetch("/");
    return origin.received("x-session-data")[0];
  };
  return { origin, streams, data, serve, browser, patch, known };
}

/** Begins a streaming answer, and waits for its first part. @param {Serve} serve */
async function beginStream(serve) {
  let text = "";
  const request = get(`${serve.url}/stream`);
  const [response] = await once(request, "response");
  response.setEncoding("utf8").on("data", (/** @type {string} */ chunk) => {
    text += chunk;
  });
  response.on("error", () => {});
  const answer = new Promise((resolve) => {
    response.on("close", () => resolve({ text, isWhole: response.complete }));
  });
  await until(() => text === "first ", { what: "the first part" });
  // In an object: an async function would wait for the promise.
  return { answer };
}

/** Returns the status of a request on a new connection. @param {Serve} serve @returns {Promise<number>} */
function statusOfNew(serve) {
  return new Promise((resolve) => {
    const request = get(serve.url, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", () => resolve(0));
  });
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
  test(`a session's data survives ${signal} and a new start`, async (t) => {
    const { serve, data, patch, known } = await served(t);
    await patch({ name: "Zoë" });
    const runtime = Serve.runtimeIn(data);
    assert.equal(await serve.end(signal), signal === "SIGTERM" ? 0 : "SIGKILL");
    await until(() => !isRunning(runtime), { what: "the end of the runtime" });
    await serve.run();
    assert.equal(await known(), '{"name":"Zo\\u00eb"}');
  });
}

test("a session ends at its time limit, also over a restart", async (t) => {
  const { serve, browser, patch } = await served(t, ["--var", "SESSION_IDLE:2s"]);
  await patch({ name: "Zoë" });
  assert.equal(await serve.end("SIGTERM"), 0);
  await serve.run();
  // Each look would count as use, so only time can be waited for. Times are whole seconds.
  await pause(4_000);
  const response = await browser.fetch("/");
  assert.equal(response.status, 401);
  assert.equal((await response.json()).code, "session_expired");
});

test("a change that was confirmed just before SIGTERM is stored, with KV alone", async (t) => {
  const { serve, patch, known } = await served(t, ["--var", "CONSISTENCY:eventual"]);
  for (const count of [1, 2, 3]) {
    await patch({ count });
    assert.equal(await serve.end("SIGTERM"), 0);
    await serve.run();
    assert.equal(await known(), `{"count":${count}}`);
  }
});

test("the runtime starts again after a crash, and the session continues", async (t) => {
  const { serve, data, patch, known } = await served(t);
  await patch({ name: "Zoë" });
  const crashed = Serve.runtimeIn(data);
  process.kill(crashed, "SIGKILL");
  await until(() => serve.said.includes("starts again"), { what: "a message" });
  assert.equal(await statusOfNew(serve), 200, "a connection waits for the new runtime");
  assert.notEqual(Serve.runtimeIn(data), crashed);
  assert.equal(await known(), '{"name":"Zo\\u00eb"}');
});

test("SIGTERM lets a streaming answer end, while new connections get 503", async (t) => {
  const { serve, streams } = await served(t);
  const { answer } = await beginStream(serve);
  serve.signal("SIGTERM");
  await until(async () => (await statusOfNew(serve)) === 503, { what: "503 for newcomers" });
  streams[0].end("last");
  assert.deepEqual(await answer, { text: "first last", isWhole: true });
  assert.equal(await serve.ended(), 0);
  assert.match(serve.said, /Stopped\.\n$/);
});

test("what is still open after the grace is cut, also a WebSocket", async (t) => {
  const { serve, origin } = await served(t, ["--var", "STOP_GRACE:1"]);
  const { answer } = await beginStream(serve);
  new WebSocketServer({ server: origin.server });
  const socket = new WebSocket(`ws://127.0.0.1:${serve.port}/ws`, { origin: serve.url });
  await once(socket, "open");
  const closed = once(socket, "close");
  assert.equal(await serve.end("SIGTERM"), 0);
  assert.deepEqual(await answer, { text: "first ", isWhole: false });
  await closed;
  assert.match(serve.said, /still open were cut/);
});

test("a second signal cuts at once", async (t) => {
  const { serve } = await served(t, ["--grace", "3600"]);
  await beginStream(serve);
  serve.signal("SIGTERM");
  await until(() => serve.said.includes("Stopping"), { what: "the first signal's effect" });
  assert.equal(await serve.end("SIGTERM"), 0);
});

test("a chat over a WebSocket keeps its session", async (t) => {
  const { serve, origin, browser } = await served(t);
  const sockets = new WebSocketServer({ server: origin.server });
  /** @type {unknown[]} */
  const visitors = [];
  sockets.on("connection", (socket, request) => {
    visitors.push(request.headers["x-session-id"]);
    socket.on("message", (text) => socket.send(`you said ${text}`));
  });
  await browser.fetch("/");
  const [id] = origin.received("x-session-id");
  const headers = { cookie: browser.cookie };
  const socket = new WebSocket(`ws://127.0.0.1:${serve.port}/ws`, { origin: serve.url, headers });
  t.after(() => socket.terminate());
  await once(socket, "open");
  socket.send("hello");
  const [answer] = await once(socket, "message");
  assert.equal(String(answer), "you said hello");
  assert.deepEqual(visitors, [id]);
});

test("paths and bodies arrive unchanged", async (t) => {
  const { serve, origin } = await served(t);
  const at = "/a/b,c/%F0%9F%8E%89%20?y=%zz|&x=a+b";
  const lines = [`POST ${at} HTTP/1.1`, "Host: chat.example", "Connection: close"];
  const body = "5\r\nhello\r\n0\r\n\r\n";
  const head = [...lines, "Transfer-Encoding: chunked", "", ""].join("\r\n");
  const { status } = await exchange(serve.port, head + body);
  assert.equal(status, 200);
  const { url, body: received } = origin.requests[0];
  assert.deepEqual([url, received], [at, "hello"]);
});

test("headers of a proxy on this machine give the client's address and https", async (t) => {
  const { serve, origin } = await served(t);
  const claims = { "x-forwarded-for": "192.0.2.66, 203.0.113.9", "x-forwarded-proto": "https" };
  const response = await fetch(serve.url, {
    headers: { ...claims, "cf-connecting-ip": "192.0.2.77", "cf-ipcountry": "AT" },
  });
  assert.match(response.headers.get("set-cookie") ?? "", /^__Host-session=.*; Secure/);
  assert.deepEqual(origin.received("x-forwarded-for"), ["203.0.113.9"]);
  assert.deepEqual(origin.received("x-forwarded-proto"), ["https"]);
  assert.deepEqual(origin.received("cf-ipcountry"), []);
});

test("a chain of trusted proxies gives the address before them", async (t) => {
  const { serve, origin } = await served(t, [
    "--trust-proxy",
    "127.0.0.1,10.0.0.0/8,2001:db8::/32",
  ]);
  const chain = "192.0.2.66, 203.0.113.9, [2001:db8::7]:443, 10.1.2.3:1234";
  await fetch(serve.url, { headers: { "x-forwarded-for": chain, "x-forwarded-proto": "https" } });
  assert.deepEqual(origin.received("x-forwarded-for"), ["203.0.113.9"]);
});

test("headers of clients that are no trusted proxy count for nothing", async (t) => {
  const { serve, origin } = await served(t, ["--trust-proxy", "192.0.2.1"]);
  const response = await fetch(serve.url, {
    headers: { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" },
  });
  assert.doesNotMatch(response.headers.get("set-cookie") ?? "", /Secure/);
  assert.deepEqual(origin.received("x-forwarded-for"), []);
  assert.deepEqual(origin.received("x-forwarded-proto"), ["http"]);
});

test("origins with a health path are checked from the start", async (t) => {
  const { origin } = await chatServer(t);
  const checked = `${origin.url};health=/ready`;
  await Serve.start(t, ["--origin", checked, "--data", dataFolder(t)]);
  const isChecked = () => origin.requests.some(({ url }) => url === "/ready");
  await until(isChecked, { what: "a health check" });
});

test("only the user of the service reads the data, and no secret is in the configuration", async (t) => {
  const { data } = await served(t, ["--var", "ADMIN_TOKEN:an-admin-token-for-tests"]);
  assert.equal(statSync(data).mode & 0o077, 0);
  for (const file of ["session-keys", "id"])
    assert.equal(statSync(`${data}/${file}`).mode & 0o077, 0, file);
  const configuration = readFileSync(`${data}/run/workerd.capnp`, "utf8");
  assert.doesNotMatch(configuration, /an-admin-token/);
  assert.ok(!configuration.includes(readFileSync(`${data}/session-keys`, "utf8").trim()));
});

test("files, the environment and options give settings, the later ones win", async (t) => {
  const { origin } = await chatServer(t);
  const data = dataFolder(t);
  const file = `${data}/settings.env`;
  writeFileSync(
    file,
    "# Settings\nTENANT=of-file\nSESSION_IDLE=1h\nSESSION_ABSOLUTE=2d\nORIGINS=http://127.0.0.1:9\n",
  );
  const options = ["--env-file", file, "--var", "SESSION_IDLE:30m", "--origin", origin.url];
  const env = { VESTIBULE_TENANT: "of-environment", VESTIBULE_SESSION_IDLE: "2h" };
  const serve = await Serve.start(t, [...options, "--data", `${data}/sessions`], env);
  await fetch(serve.url);
  const of = (/** @type {string} */ name) => origin.received(name)[0];
  assert.equal(of("x-session-tenant"), "of-environment");
  assert.equal(Number(of("x-session-expires")) - Number(of("x-session-created")), 1800);
});

test("tenants come from the admin API, with --namespace TENANTS", async (t) => {
  const { serve, origin } = await served(t, [
    ...["--namespace", "TENANTS", "--var", "ADMIN_TOKEN:an-admin-token-for-tests"],
  ]);
  const document = { id: "acme", hosts: ["chat.acme.example"] };
  const headers = {
    authorization: "Bearer an-admin-token-for-tests",
    "content-type": "application/json",
  };
  const put = () =>
    fetch(`${serve.url}/_session/admin/tenants/acme`, {
      ...{ method: "PUT", headers, body: JSON.stringify(document) },
    });
  const response = await put();
  assert.ok(response.ok, await response.text());
  await serve.end("SIGTERM");
  await serve.run();
  const visit = () =>
    new Promise((resolve) => {
      get(serve.url, { headers: { host: "chat.acme.example" } }, (answer) => {
        answer.resume().on("end", () => resolve(answer.statusCode));
      });
    });
  assert.equal(await visit(), 200);
  assert.deepEqual(origin.received("x-session-tenant"), ["acme"]);
});

test("wrong settings end it with exit code 78 and the fault", async (t) => {
  const port = ["--port", String(await freePort())];
  const wrong = ["--origin", "ftp://chat.example", "--var", "SESSION_IDLE:never"];
  const { code, said } = await Serve.toEnd(t, [...wrong, "--data", dataFolder(t), ...port]);
  assert.equal(code, 78);
  assert.match(said, /ORIGINS/);
  assert.match(said, /SESSION_IDLE/);
});

test("a wrong option ends it with exit code 64 and the option meant", async (t) => {
  for (const [args, message] of /** @type {[string[], RegExp][]} */ ([
    [["--orign", "http://127.0.0.1:9"], /no option --orign\. Did you mean --origin\?/],
    [["--port", "0"], /--port takes a number from 1 to 65535, not "0"/],
    [["--trust-proxy", "10.0.0.0/33"], /--trust-proxy: 10\.0\.0\.0\/33 is no address or network/],
    [["--namespace", "SESSION"], /--namespace takes TENANTS, USERS or/],
    [["--objects-listen", "10.0.0.4:8788"], /add --kv/],
    [["origin"], /Unexpected argument 'origin'/],
  ])) {
    const { code, said } = await Serve.toEnd(t, args);
    assert.equal(code, 64, args.join(" "));
    assert.match(said, message);
  }
});

test("--help shows the options", async (t) => {
  const { code, shown } = await Serve.toEnd(t, ["--help"]);
  assert.equal(code, 0);
  assert.match(shown, /--env-file FILE/);
});

test("a taken port ends it with exit code 69", async (t) => {
  const { origin } = await served(t);
  const taken = ["--port", String(origin.port), "--origin", origin.url];
  const { code, said } = await Serve.toEnd(t, [...taken, "--data", dataFolder(t)]);
  assert.equal(code, 69, said);
  assert.match(said, /Port \d+ of 127\.0\.0\.1 is taken/);
});

test("a second process over the same data ends with exit code 69, and the first one continues", async (t) => {
  const { serve, origin, data, patch, known } = await served(t);
  await patch({ count: 1 });
  const second = ["--port", String(await freePort()), "--origin", origin.url, "--data", data];
  const { code, said } = await Serve.toEnd(t, second);
  assert.equal(code, 69);
  assert.match(said, /Another process serves the data/);
  assert.equal(await known(), '{"count":1}');
  assert.equal(await serve.end("SIGTERM"), 0);
});
