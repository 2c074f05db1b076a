/** Tests several tenants in one deployment: their hosts and their documents. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/**
 * @param {KvServer} kv
 * @param {any} document
 */
function put(kv, document) {
  const store = (/** @type {string} */ key, /** @type {string} */ text) =>
    kv.stored.set(key, { value: Buffer.from(text), ttl: null, expires: Number.POSITIVE_INFINITY });
  for (const host of document.hosts) store(`host:${host}`, document.id);
  store(`tenant:${document.id}`, JSON.stringify(document));
}

/**
 * Opens two tenants, each with its own server that responds with the tenant's name.
 * @param {import("node:test").TestContext} t
 */
async function two(t) {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const origins = {
    acme: await Origin.start(t, (request, reply) => {
      if (request.url === "/store") reply.setHeader("x-session-patch", '{"secret":"acme"}');
      reply.end("acme");
    }),
    globex: await Origin.start(t, (_, reply) => reply.end("globex")),
  };
  put(tenants, { id: "acme", hosts: ["acme.localhost"], origins: [{ url: origins.acme.url }] });
  put(tenants, {
    id: "globex",
    hosts: ["*.globex.localhost"],
    origins: [{ url: origins.globex.url }],
  });
  const vestibule = await Vestibule.start(t, { tenants, origins: [] });
  return { tenants, origins, vestibule, port: vestibule.port };
}

test("each host leads to its tenant's server, and other hosts get 421", async (t) => {
  const { port, origins } = await two(t);
  assert.equal((await send(port, { host: "acme.localhost" })).body, "acme");
  assert.equal((await send(port, { host: "a.globex.localhost:80" })).body, "globex");
  assert.deepEqual(origins.globex.received("x-session-tenant"), ["globex"]);
  for (const host of ["globex.localhost", "localhost", "x.acme.localhost", "127.0.0.1"]) {
    const answer = await send(port, { host });
    assert.deepEqual([answer.status, answer.code], [421, "unknown_host"], host);
  }
  const page = await send(port, { host: "nobody.example", lines: ["Accept: text/html"] });
  assert.deepEqual(
    [page.status, header(page, "content-type")],
    [421, ["text/html; charset=utf-8"]],
  );
});

test("the liveness check responds under any host", async (t) => {
  const { port } = await two(t);
  const answer = await send(port, { host: "10.0.0.1", target: "/_session/healthz" });
  assert.deepEqual([answer.status, JSON.parse(answer.body).status], [200, "ok"]);
});

test("a session of one tenant is invalid at another", async (t) => {
  const { port, origins } = await two(t);
  const stored = await send(port, { host: "acme.localhost", target: "/store" });
  const [cookie] = header(stored, "set-cookie").map((line) => line.split(";")[0]);
  const lines = [`Cookie: ${cookie}`];
  await send(port, { host: "acme.localhost", lines });
  assert.deepEqual(origins.acme.received("x-session-data"), ['{"secret":"acme"}']);
  await send(port, { host: "a.globex.localhost", lines });
  assert.deepEqual(origins.globex.received("x-session-data"), []);
  assert.deepEqual(origins.globex.received("x-session-state"), ["new"]);
});

test("a socket leads to its tenant's server too", async (t) => {
  const { port, origins } = await two(t);
  const sockets = new WebSocketServer({ server: origins.acme.server });
  sockets.on("connection", (socket, request) =>
    socket.send(`${request.headers["x-session-tenant"]}`),
  );
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
    origin: "http://acme.localhost",
    headers: { host: "acme.localhost" },
  });
  t.after(() => socket.terminate());
  const [message] = await once(socket, "message");
  assert.equal(String(message), "acme");
});

test("a change takes effect without a deployment, an invalid one does not, and a deleted tenant is gone", async (t) => {
  const { port, tenants, origins, vestibule } = await two(t);
  const body = async () => (await send(port, { host: "acme.localhost" })).body;
  assert.equal(await body(), "acme");
  put(tenants, { id: "acme", hosts: ["acme.localhost"], origins: [{ url: origins.globex.url }] });
  await until(async () => (await body()) === "globex", { what: "the change" });

  put(tenants, {
    id: "acme",
    hosts: ["acme.localhost"],
    origins: [{ url: "ftp://x" }],
    sesion: {},
  });
  const logged = () => vestibule.logged("tenant_document_broken");
  await until(async () => (await body()) === "globex" && logged().length > 0, { what: "the log" });
  assert.match(logged()[0].detail, /sesion: is not known; perhaps session is meant/);
  assert.match(logged()[0].detail, /origins\[0\]\.url: use http/);

  tenants.stored.delete("tenant:acme");
  await until(async () => (await body()).includes("unknown_host"), { what: "the end" });
});

test("documents of an HTTP service are fetched conditionally, and survive its outage", async (t) => {
  const origin = await Origin.start(t, (request, reply) =>
    reply.end(`${request.headers["x-session-env"]}`),
  );
  let env = { A: "1" };
  let status = 200;
  /** @type {Record<number, number>} */
  const answered = {};
  const service = await Origin.start(t, (request, reply) => {
    const key = decodeURIComponent(String(request.url).slice("/tenants/".length));
    const text =
      key === "host:acme.localhost"
        ? "acme"
        : key === "tenant:acme" &&
          JSON.stringify({
            id: "acme",
            hosts: ["acme.localhost"],
            origins: [{ url: origin.url }],
            env,
          });
    const etag = `"${JSON.stringify(env)}"`;
    reply.setHeader("etag", etag);
    reply.statusCode = !text ? 404 : request.headers["if-none-match"] === etag ? 304 : 200;
    if (status !== 200) reply.statusCode = status;
    answered[reply.statusCode] = (answered[reply.statusCode] ?? 0) + 1;
    reply.end(reply.statusCode === 200 ? text : "");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [],
    vars: { TENANTS_URL: `${service.url}/tenants/` },
  });
  const body = async () => (await send(vestibule.port, { host: "acme.localhost" })).body;
  assert.equal(await body(), '{"A":"1"}');
  await until(async () => (await body()) && answered[304] > 0, { what: "a 304" });
  status = 500;
  await until(async () => (await body()) && answered[500] > 0, { what: "an outage" });
  assert.equal(await body(), '{"A":"1"}');
  status = 200;
  env = { A: "2" };
  await until(async () => (await body()) === '{"A":"2"}', { what: "the change" });
});

test("fifty unknown hosts cost one read per name and suffix", async (t) => {
  const { port, tenants } = await two(t);
  tenants.operations.length = 0;
  for (let number = 0; number < 50; number += 1) {
    const answer = await send(port, { host: `h${number}.a.b.c.d.e.f.g.example` });
    assert.deepEqual([answer.status, answer.code], [421, "unknown_host"]);
  }
  const keys = tenants.operations.map(({ key }) => key);
  assert.equal(keys.length, 50 + 8);
  assert.equal(new Set(keys).size, keys.length, "no key is read twice");
  for (let number = 0; number < 50; number += 1) {
    await send(port, { host: `h${number}.a.b.c.d.e.f.g.example` });
  }
  assert.equal(tenants.operations.length, 58);
  assert.equal((await send(port, { host: "acme.localhost" })).body, "acme");
});

/**
 * Starts a deployment whose documents come from an HTTP service.
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof Origin.start>[1]} handler
 * @param {Record<string, string>} [vars]
 */
async function served(t, handler, vars = {}) {
  const service = await Origin.start(t, handler);
  const all = { TENANTS_URL: service.url, ...vars };
  const vestibule = await Vestibule.start(t, { origins: [], vars: all });
  return { service, vestibule, port: vestibule.port };
}

test("the configured credential reaches the document service and no other server", async (t) => {
  const TOKEN = "the-service-knows-this";
  const { service, port, vestibule } = await served(
    t,
    (request, reply) => {
      reply.statusCode = request.headers.authorization === `Bearer ${TOKEN}` ? 404 : 401;
      reply.end();
    },
    { TENANTS_TOKEN: TOKEN },
  );
  const answer = await send(port, { host: "acme.localhost" });
  assert.deepEqual([answer.status, answer.code], [421, "unknown_host"]);
  assert.ok(service.requests.length > 0);
  assert.ok(![answer.body, vestibule.printed].some((text) => text.includes(TOKEN)));
});

test("an endless document is cut at the limit, and the Worker continues", async (t) => {
  let sent = 0;
  let closed = false;
  const chunk = Buffer.alloc(64 * 1024, "x");
  const { port } = await served(t, (_, reply) => {
    reply.on("close", () => {
      closed = true;
    });
    const more = () => {
      while (!closed && sent < 1024 ** 3) {
        sent += chunk.length;
        if (!reply.write(chunk)) return void reply.once("drain", more);
      }
    };
    more();
  });
  const answer = await send(port, { host: "acme.localhost" });
  assert.deepEqual([answer.status, answer.code], [503, "tenants_unavailable"]);
  await until(() => closed, { what: "the connection cut" });
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes sent`);
});

test("a document service that responds too slowly is cut off at the deadline", async (t) => {
  let closed = false;
  const { port } = await served(t, (_, reply) => {
    reply.write("a");
    const drop = setInterval(() => reply.write("a"), 100);
    reply.on("close", () => {
      clearInterval(drop);
      closed = true;
    });
  });
  const answer = await send(port, { host: "acme.localhost" });
  assert.deepEqual([answer.status, answer.code], [503, "tenants_unavailable"]);
  await until(() => closed, { what: "the connection cut" });
});

test("a document service on plain http outside of loopback is a configuration fault", async (t) => {
  const vars = { TENANTS_URL: "http://tenants.example/v1" };
  const { port } = await Vestibule.start(t, { origins: [], vars });
  const answer = await send(port, { host: "acme.localhost" });
  assert.deepEqual([answer.status, answer.code], [500, "misconfigured"]);
  assert.match(JSON.parse(answer.body).detail, /TENANTS_URL: use https/);
});
