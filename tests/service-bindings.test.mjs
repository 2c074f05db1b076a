/** Tests origins that are other Workers, behind service bindings: the same promises as for servers with an address. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Browser } from "./harness/browser.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const TOKEN = "an-admin-token-for-tests";

/** A real second Worker: it describes what it is sent, streams events, echoes a socket, waits, or fails. */
const CHAT = `
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new Error("broken");
    if (pathname === "/bad-gateway") return new Response("relayed", { status: 521, headers: { server: "cloudflare" } });
    if (pathname === "/wait") await scheduler.wait(60_000);
    if (pathname === "/moved") return Response.redirect(new URL("/elsewhere", request.url), 302);
    if (pathname === "/events") {
      const { readable, writable } = new TransformStream();
      const writer = writable.getWriter();
      const encoder = new TextEncoder();
      let sent = 0;
      const tick = () => writer.write(encoder.encode("data: " + sent++ + "\\n\\n"));
      tick();
      // The next event is sent when a part of the body arrives.
      (async () => { for await (const _ of request.body ?? []) await tick(); await writer.close(); })();
      return new Response(readable, { headers: { "content-type": "text/event-stream" } });
    }
    if (request.headers.get("upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(request.url + " " + data));
      server.addEventListener("close", ({ code }) => server.close(code));
      const headers = { "sec-websocket-protocol": "chat.v2" };
      return new Response(null, { status: 101, webSocket: client, headers });
    }
    const headers = Object.fromEntries(request.headers);
    return Response.json({ url: request.url, method: request.method, headers, body: await request.text() });
  },
};`;

/** @param {import("node:test").TestContext} t @param {Record<string, string>} [vars] */
function chat(t, vars = {}) {
  return Vestibule.start(t, {
    origins: ["service:CHAT"],
    services: { CHAT },
    vars: { ADMIN_TOKEN: TOKEN, ...vars },
  });
}

/** @param {number} port @param {string} method @param {string} route @param {unknown} [json] @param {string} [host] */
async function operate(port, method, route, json, host = "chat.example") {
  const body = json === undefined ? "" : JSON.stringify(json);
  const answer = await send(port, {
    method,
    target: `/_session/admin/${route}`,
    host,
    lines: [
      `Authorization: Bearer ${TOKEN}`,
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ],
    body,
  });
  return JSON.parse(Buffer.from(answer.body, "latin1").toString() || "null");
}

test("another Worker sees the public URL, the session and the body", async (t) => {
  const { port } = await chat(t);
  const answer = await send(port, {
    method: "POST",
    target: "/a/b?c=1",
    host: "chat.example",
    lines: ["X-Session-User: forged", "Content-Length: 5"],
    body: "hello",
  });
  const seen = JSON.parse(answer.body);
  assert.equal(seen.url, "http://chat.example/a/b?c=1");
  assert.deepEqual([seen.method, seen.body], ["POST", "hello"]);
  assert.match(seen.headers["x-session-id"], /^[\w-]{22}$/);
  assert.equal(seen.headers["x-session-state"], "new");
  assert.equal(seen.headers["x-session-user"], undefined);
  assert.equal(seen.headers["x-forwarded-host"], "chat.example");
});

test("a redirect of another Worker reaches the browser as it is", async (t) => {
  const { port } = await chat(t);
  const answer = await send(port, { target: "/moved", host: "chat.example" });
  const location = answer.headers.find(([name]) => name.toLowerCase() === "location");
  assert.deepEqual([answer.status, location?.[1]], [302, "http://chat.example/elsewhere"]);
});

test("a repeated request goes to the other Worker with its own path", async (t) => {
  const vestibule = await chat(t);
  const browser = new Browser(vestibule.url);
  await browser.fetch("/");
  for (const path of ["/1", "/2?x=y", "/2?x=z"]) {
    const seen = await (await browser.fetch(path)).json();
    assert.equal(seen.url, vestibule.url + path);
  }
});

test("each event of another Worker arrives before it sends the next", async (t) => {
  const { port } = await chat(t);
  const request = httpRequest({ port, path: "/events", method: "POST", agent: false });
  t.after(() => request.destroy());
  request.on("error", () => {}).flushHeaders();
  const [response] = await once(request, "response");
  for (let event = 0; event < 10; event += 1) {
    const [bytes] = await once(response, "data");
    assert.equal(String(bytes), `data: ${event}\n\n`);
    request.write("next");
  }
});

for (const streams of ["pass-through", "revocable"]) {
  test(`a WebSocket opens to another Worker, with its protocol (${streams})`, async (t) => {
    const vestibule = await chat(t, { STREAMS: streams });
    const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, ["chat.v2"], {
      origin: vestibule.url,
    });
    t.after(() => socket.terminate());
    await once(socket, "open");
    assert.equal(socket.protocol, "chat.v2");
    socket.send("hello");
    const [message] = await once(socket, "message");
    assert.equal(String(message), `${vestibule.url}/ws hello`);
    socket.close(4001);
    const [code] = await once(socket, "close");
    assert.equal(code, 4001);
  });
}

test("a Worker that does not answer in time gets 504", async (t) => {
  const { port } = await chat(t, { FIRST_BYTE_TIMEOUT: "1s" });
  const answer = await send(port, { target: "/wait" });
  assert.deepEqual([answer.status, answer.code], [504, "origin_timeout"]);
});

test("a Worker that throws for one path is neither ejected nor retried for a POST", async (t) => {
  const vestibule = await chat(t);
  for (const method of ["GET", "POST"]) {
    const answer = await send(vestibule.port, {
      method,
      target: "/throw",
      lines: ["Content-Length: 0"],
    });
    assert.deepEqual([answer.status, answer.code], [502, "origin_unreachable"]);
  }
  assert.equal((await send(vestibule.port, {})).status, 200);
  assert.deepEqual(vestibule.logged("origin_ejected"), []);
});

test("an error page that another Worker relays does not count as never sent", async (t) => {
  const { port } = await chat(t);
  const answer = await send(port, {
    method: "POST",
    target: "/bad-gateway",
    lines: ["Content-Length: 0"],
  });
  assert.deepEqual([answer.status, answer.body], [521, "relayed"]);
});

test("a session leaves a service that is down, and is told so", async (t) => {
  const names = ["a", "b"];
  const servers = await Promise.all(
    names.map((name) => Origin.start(t, (_, reply) => reply.end(name))),
  );
  const vestibule = await Vestibule.start(t, {
    origins: ["a=service:A;health=/ready", "b=service:B;health=/ready"],
    services: { A: servers[0].port, B: servers[1].port },
  });
  const browser = new Browser(vestibule.url);
  const home = names.indexOf(await (await browser.fetch("/")).text());
  const other = servers[1 - home];
  await servers[home].stop();
  assert.equal(await (await browser.fetch("/")).text(), names[1 - home]);
  assert.deepEqual(other.received("x-session-state"), ["takeover"]);
  const [line] = vestibule.logged("origin_ejected");
  assert.equal(line.origin, names[home]);
});

test("Vestibule's own requests to a service have a host of their own", async (t) => {
  const server = await Origin.start(t, (_, reply) => reply.writeHead(502).end());
  const vestibule = await Vestibule.start(t, {
    origins: ["service:A;health=/ready"],
    services: { A: server.port },
  });
  const browser = new Browser(vestibule.url);
  const probe = await until(async () => {
    await (await browser.fetch("/")).text();
    return server.requests.find(({ url }) => url.endsWith("/ready"));
  });
  const host = probe.headers.find(([name]) => name.toLowerCase() === "host");
  assert.equal(host?.[1], "vestibule.internal");
});

test("a missing service binding is a fault that says what to write", async (t) => {
  const vestibule = await Vestibule.start(t, { origins: ["service:CHAT"] });
  const answer = await send(vestibule.port, {});
  assert.deepEqual([answer.status, answer.code], [500, "misconfigured"]);
  const { detail } = JSON.parse(answer.body);
  assert.match(
    detail,
    /ORIGINS\[0\]\.url: no service binding CHAT; add to wrangler\.toml: \[\[services\]\]/,
  );
  assert.match(detail, /binding = "CHAT"/);
});

test("a namespace is no service", async (t) => {
  const vestibule = await Vestibule.start(t, {
    origins: ["service:SESSIONS", "x=service:POOL_OBJECTS"],
  });
  const { detail } = JSON.parse((await send(vestibule.port, {})).body);
  for (const name of ["SESSIONS", "POOL_OBJECTS"])
    assert.ok(detail.includes(`the binding ${name} is not a service`), detail);
});

test("a tenant's document reaches only the services that the operator named", async (t) => {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const own = CHAT.replace("request.url, method", '"own", method');
  const vestibule = await Vestibule.start(t, {
    tenants,
    origins: [],
    services: { CHAT, ACME__BOT: own, BETA__BOT: CHAT, INTERNAL: CHAT },
    vars: { ADMIN_TOKEN: TOKEN, ORIGIN_SERVICES: "CHAT" },
  });
  const { port } = vestibule;
  const put = (/** @type {string} */ name) =>
    operate(port, "PUT", "tenants/acme", {
      id: "acme",
      hosts: ["acme.example"],
      origins: [{ url: `service:${name}` }],
    });
  for (const name of ["INTERNAL", "SESSIONS", "DIRECTORY_OBJECTS", "BETA__BOT", "ACME__BOT"]) {
    const refused = JSON.stringify(await put(name));
    assert.match(refused, new RegExp(`has not named ${name} for origins`));
  }
  for (const [name, expected] of [
    ["CHAT", "http://acme.example/"],
    ["BOT", "own"],
  ]) {
    await put(name);
    const served = async () => JSON.parse((await send(port, { host: "acme.example" })).body).url;
    await until(async () => (await served().catch(() => "")) === expected);
  }
});

test("explain, the list of origins, logs and metrics name the service", async (t) => {
  const vestibule = await chat(t);
  const { port } = vestibule;
  await send(port, { host: "chat.example" });
  const explained = await operate(port, "POST", "explain", { url: "http://chat.example/" });
  assert.match(JSON.stringify(explained), /"name":"CHAT"/);
  const { origins } = await operate(port, "GET", "origins");
  assert.deepEqual([origins[0].name, origins[0].url], ["CHAT", "service:CHAT"]);
  await until(() => vestibule.logs.some((line) => line.origin === "CHAT"));
  await until(async () => {
    const metrics = await send(port, {
      target: "/_session/admin/metrics",
      lines: [`Authorization: Bearer ${TOKEN}`],
    });
    return metrics.body.includes('origin="CHAT"');
  });
});
