/** Tests methods, sizes, and ambiguous paths. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "./harness/origin.mjs";
import { exchange, header, send } from "./harness/raw.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** @param {import("node:test").TestContext} t */
async function deployment(t) {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  return { origin, port: vestibule.port };
}

test("TRACE is refused with 405 and the allowed methods", async (t) => {
  const { origin, port } = await deployment(t);
  const answer = await send(port, { method: "TRACE" });
  assert.deepEqual([answer.status, answer.code], [405, "method_not_allowed"]);
  assert.match(header(answer, "allow")[0], /GET, HEAD, POST/);
  assert.equal(origin.requests.length, 0);
});

for (const line of [
  "CONNECT chat.example:443 HTTP/1.1",
  "get / HTTP/1.1",
  "BREW / HTTP/1.1",
  "OPTIONS * HTTP/1.1",
]) {
  test(`a request line with another method does not reach an origin: ${line.split(" HTTP")[0]}`, async (t) => {
    const { origin, port } = await deployment(t);
    const answer = await exchange(
      port,
      `${line}\r\nHost: chat.example\r\nConnection: close\r\n\r\n`,
    );
    assert.ok(answer.status >= 400, String(answer.status));
    assert.equal(origin.requests.length, 0);
  });
}

for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
  test(`a ${method} request is forwarded unchanged`, async (t) => {
    const { origin, port } = await deployment(t);
    const body = method === "POST" || method === "PUT" || method === "PATCH" ? "hello" : "";
    const lines = body ? [`Content-Length: ${body.length}`] : [];
    assert.equal((await send(port, { method, target: "/a?b=c", lines, body })).status, 200);
    const [request] = origin.requests;
    assert.deepEqual([request.method, request.url, request.body], [method, "/a?b=c", body]);
  });
}

test("a URL of 16 KiB passes and a longer one does not", async (t) => {
  const { origin, port } = await deployment(t);
  const base = "http://chat.example/".length;
  assert.equal((await send(port, { target: `/${"u".repeat(16 * 1024 - base)}` })).status, 200);
  const answer = await send(port, { target: `/${"u".repeat(16 * 1024 - base + 1)}` });
  assert.deepEqual([answer.status, answer.code], [414, "url_too_long"]);
  const escaped = `/%41${"u".repeat(8 * 1024 - 4)}`;
  assert.equal((await send(port, { target: escaped })).status, 200);
  const longer = await send(port, { target: `${escaped}u` });
  assert.deepEqual([longer.status, longer.code], [414, "url_too_long"]);
  assert.equal(origin.requests.length, 2);
  assert.ok((await send(port, { target: `/${"u".repeat(1024 * 1024)}` })).status !== 200);
  assert.equal(origin.requests.length, 2);
});

for (const [what, lines] of /** @type {[string, string[]][]} */ ([
  ["1,000 headers", Array.from({ length: 1000 }, (_, at) => `X-H${at}: 1`)],
  ["headers of 17 KiB each", [`X-Large: ${"x".repeat(17 * 1024)}`]],
  ["header names of 8 KiB", [`X-${"n".repeat(8 * 1024)}: 1`]],
  ["70 KiB of headers", Array.from({ length: 7 }, (_, at) => `X-H${at}: ${"x".repeat(10 * 1024)}`)],
])) {
  test(`${what} are refused with 431`, async (t) => {
    const { origin, port } = await deployment(t);
    const answer = await send(port, { lines });
    assert.deepEqual([answer.status, answer.code], [431, "headers_too_large"]);
    assert.equal(origin.requests.length, 0);
  });
}

for (const target of [
  "/pub/../_session/me",
  "/pub/%2e%2e/_session/me",
  "/pub/..%2f_session/me",
  "/pub/%252e%252e/_session/me",
  "//_session/me",
  "/\\_session/me",
  "/_session;x/me",
  "/_session./me",
  "/_session/me.",
  "/_SESSION/me",
  "/_Session/me",
  "/%5fsession/me",
  "/%255fsession/me",
  "/_session%2fme",
  "/_session//me",
  "/_session/%00",
  "/_session/%zz",
  "/_session/\x80",
  "/_session/%c0%af",
  "/a%2fc/../_session/me",
  "/a;c/../_session/me",
  "/a//../_session/me",
]) {
  test(`a spelling of a reserved path never reaches an origin: ${JSON.stringify(target)}`, async (t) => {
    const { origin, port } = await deployment(t);
    const answer = await send(port, { target });
    // The runtime may resolve a target to a reserved path before the Worker sees it.
    const resolved = answer.status === 200 && answer.body.includes('"handle"');
    assert.ok(
      resolved || answer.status === 400 || answer.status === 404,
      `${answer.status} ${answer.body}`,
    );
    assert.equal(origin.requests.length, 0);
  });
}

for (const target of ["/%zz", "/a%", "/caf%e9", "/a;b=c", "/a//b", "/x%2fy", "/A_Session"]) {
  test(`an odd but unambiguous path reaches the origin unchanged: ${target}`, async (t) => {
    const { origin, port } = await deployment(t);
    assert.equal((await send(port, { target })).status, 200);
    assert.equal(origin.requests[0].url, target);
  });
}

test("an unknown reserved path gets 404 from Vestibule", async (t) => {
  const { origin, port } = await deployment(t);
  const answer = await send(port, { target: "/_session/nowhere" });
  assert.deepEqual([answer.status, answer.code], [404, "not_found"]);
  assert.deepEqual(header(answer, "content-type"), ["application/problem+json"]);
  assert.match(answer.body, /"trace_id":"[0-9a-f]{32}"/);
  const wrong = await send(port, { method: "DELETE", target: "/_session/me" });
  assert.equal(wrong.status, 405);
  assert.deepEqual(header(wrong, "allow"), ["GET, HEAD"]);
  assert.equal(origin.requests.length, 0);
});

test("a browser gets a page where a program gets JSON", async (t) => {
  const { port } = await deployment(t);
  const answer = await send(port, { target: "/_session/nowhere", lines: ["Accept: text/html"] });
  assert.deepEqual(header(answer, "content-type"), ["text/html; charset=utf-8"]);
  assert.match(header(answer, "content-security-policy")[0], /default-src 'none'/);
});
