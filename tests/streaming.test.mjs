/** Tests that bodies are streamed both ways, and arrive unchanged. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {(request: import("node:http").IncomingMessage, reply: import("node:http").ServerResponse, body: string) => void} handler
 * @param {Record<string, string>} [vars]
 */
async function deployment(t, handler, vars) {
  const origin = await Origin.start(t, handler);
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  return { origin, vestibule };
}

/** @param {Vestibule} vestibule @param {import("node:http").RequestOptions} [options] */
function open(vestibule, options = {}) {
  return httpRequest({ host: "127.0.0.1", port: vestibule.port, agent: false, ...options });
}

for (const streams of ["pass-through", "revocable"]) {
  test(`each event arrives before the origin sends the next (${streams})`, async (t) => {
    /** @type {import("node:http").ServerResponse | undefined} */
    let stream;
    const { vestibule } = await deployment(
      t,
      (_, reply) => {
        stream = reply.writeHead(200, { "content-type": "text/event-stream" });
        reply.write("data: 0\n\n");
      },
      { STREAMS: streams },
    );
    const response = await fetch(vestibule.url);
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (let event = 0; event < 20; event += 1) {
      const { value } = await reader.read();
      assert.equal(new TextDecoder().decode(value), `data: ${event}\n\n`);
      stream?.write(`data: ${event + 1}\n\n`);
    }
    await reader.cancel();
  });

  test(`a client's disconnect closes the origin's stream (${streams})`, async (t) => {
    let closed = false;
    const { vestibule } = await deployment(
      t,
      (_, reply) => {
        reply.writeHead(200, { "content-type": "text/event-stream" });
        const timer = setInterval(() => reply.write(": tick\n\n"), 10);
        reply.on("close", () => {
          clearInterval(timer);
          closed = true;
        });
      },
      { STREAMS: streams },
    );
    const request = open(vestibule).end();
    const [response] = await once(request, "response");
    await once(response, "data");
    request.destroy();
    await until(() => closed, { what: "the origin's stream closing" });
  });
}

test("the origin gets the first part of an upload before the client sends the last", async (t) => {
  const { origin, vestibule } = await deployment(t, (_, reply, body) => void reply.end(body));
  const request = open(vestibule, { method: "POST" });
  request.write("first ");
  await until(() => origin.requests[0]?.body === "first ");
  request.end("last");
  const [response] = await once(request, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  assert.equal(text, "first last");
});

test("the origin receives an upload's length if the client sent it", async (t) => {
  const { origin, vestibule } = await deployment(t, (_, reply) => void reply.end());
  await fetch(vestibule.url, { method: "PUT", body: "x".repeat(200_000) });
  assert.deepEqual(origin.received("content-length"), ["200000"]);
  assert.equal(origin.requests[0].body.length, 200_000);
});

test("a compressed response passes byte for byte, with our cookie and without", async (t) => {
  const packed = gzipSync("hello ".repeat(1000));
  const { vestibule } = await deployment(t, (_, reply) => {
    reply
      .writeHead(200, { "content-encoding": "gzip", "content-length": packed.length })
      .end(packed);
  });
  let cookie = "";
  for (const visit of ["first", "second"]) {
    const request = open(vestibule, { headers: { "accept-encoding": "gzip", cookie } }).end();
    const [response] = await once(request, "response");
    const chunks = [];
    for await (const chunk of response) chunks.push(chunk);
    assert.deepEqual(Buffer.concat(chunks), packed, visit);
    assert.equal(response.headers["content-encoding"], "gzip");
    cookie ||= response.headers["set-cookie"][0].split(";")[0];
  }
});

for (const [
  what,
  method,
  status,
  headers,
] of /** @type {[string, string, number, Record<string, string>][]} */ ([
  ["HEAD", "HEAD", 200, { "content-length": "1234" }],
  ["with status 204", "GET", 204, {}],
  ["with status 304", "GET", 304, { etag: '"v1"' }],
  ["with a status text", "GET", 200, {}],
])) {
  test(`a response passes with our cookie and without: ${what}`, async (t) => {
    const { vestibule } = await deployment(t, (_, reply) => {
      reply.statusMessage = "Fine Thanks";
      reply.writeHead(status, headers).end();
    });
    let cookie = "";
    for (const visit of ["first", "second"]) {
      const request = open(vestibule, { method, headers: { cookie } }).end();
      const [response] = await once(request, "response");
      response.resume();
      assert.deepEqual(
        [response.statusCode, response.statusMessage],
        [status, "Fine Thanks"],
        visit,
      );
      for (const [name, value] of Object.entries(headers))
        assert.equal(response.headers[name], value, visit);
      cookie ||= response.headers["set-cookie"][0].split(";")[0];
    }
  });
}

test("a large response arrives complete", async (t) => {
  const large = Buffer.alloc(5 * 1024 * 1024, "0123456789");
  const { vestibule } = await deployment(t, (_, reply) => void reply.end(large));
  const got = Buffer.from(await (await fetch(vestibule.url)).arrayBuffer());
  assert.ok(got.equals(large));
});
