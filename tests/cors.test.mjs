/** Tests requests of other sites' pages: preflights, and which responses a page may read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const PAGE = "https://shop.example";

/**
 * Starts a server that allows a page's requests, behind a required sign-in.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 */
async function deployment(t, vars = {}) {
  const origin = await Origin.start(t, (request, reply) => {
    if (request.method !== "OPTIONS") return void reply.end("ok");
    reply.setHeader("access-control-allow-origin", request.headers.origin ?? "");
    reply.setHeader("access-control-allow-methods", "PUT");
    reply.writeHead(204).end();
  });
  const { port } = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { LOGIN_MODE: "required", ...vars },
  });
  return { origin, port };
}

/** @param {number} port @param {string[]} [lines] */
function preflight(port, lines = []) {
  const asked = [`Origin: ${PAGE}`, "Access-Control-Request-Method: PUT", ...lines];
  return send(port, { method: "OPTIONS", target: "/api/items", lines: asked });
}

test("a preflight reaches the server without a session although sign-in is required", async (t) => {
  const { origin, port } = await deployment(t);
  const answer = await preflight(port, ["Cookie: theirs=1", "Authorization: Bearer x"]);
  assert.equal(answer.status, 204);
  assert.deepEqual(header(answer, "access-control-allow-origin"), [PAGE]);
  assert.deepEqual(header(answer, "set-cookie"), []);
  assert.deepEqual(origin.received("access-control-request-method"), ["PUT"]);
  assert.deepEqual(origin.received("x-session-tenant"), ["default"]);
  for (const name of ["cookie", "authorization", "x-session-id", "x-session-user"]) {
    assert.deepEqual(origin.received(name), [], name);
  }
});

for (const [what, method, lines] of /** @type {[string, string, string[]][]} */ ([
  ["an OPTIONS without Origin", "OPTIONS", ["Access-Control-Request-Method: PUT"]],
  ["an OPTIONS without Access-Control-Request-Method", "OPTIONS", [`Origin: ${PAGE}`]],
  [
    "a preflight with a method override header",
    "OPTIONS",
    [`Origin: ${PAGE}`, "Access-Control-Request-Method: PUT", "X_HTTP_Method_Override: PUT"],
  ],
  [
    "a GET with a preflight's headers",
    "GET",
    [`Origin: ${PAGE}`, "Access-Control-Request-Method: PUT"],
  ],
])) {
  test(`a request that is no preflight needs a sign-in: ${what}`, async (t) => {
    const { origin, port } = await deployment(t);
    const answer = await send(port, { method, target: "/api/items", lines });
    assert.deepEqual([answer.status, origin.requests.length], [401, 0]);
  });
}

test("a page of a listed site can read a refusal's reason", async (t) => {
  const { port } = await deployment(t, { CORS_ORIGINS: `https://other.example, ${PAGE}` });
  const answer = await send(port, { target: "/api/items", lines: [`Origin: ${PAGE}`] });
  assert.deepEqual([answer.status, answer.code], [401, "no_session"]);
  assert.deepEqual(header(answer, "access-control-allow-origin"), [PAGE]);
  assert.deepEqual(header(answer, "access-control-allow-credentials"), ["true"]);
  assert.match(header(answer, "vary").join(), /Origin/);
});

test("other pages cannot read a refusal, and no page can read reserved paths", async (t) => {
  const { port } = await deployment(t, { CORS_ORIGINS: PAGE });
  for (const [target, line] of [
    ["/api/items", "Origin: https://shop.example.evil.example"],
    ["/api/items", "Origin: null"],
    ["/api/items", "Accept: */*"],
    ["/_session/me", `Origin: ${PAGE}`],
    ["/_session/nothing", `Origin: ${PAGE}`],
  ]) {
    const answer = await send(port, { target, lines: [line] });
    assert.ok(answer.status >= 400, target);
    assert.deepEqual(header(answer, "access-control-allow-origin"), [], `${target} ${line}`);
  }
});
