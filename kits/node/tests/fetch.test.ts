/** Handlers of `Request` to `Response`, and the middleware in a real Hono. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { serve as serveHono } from "@hono/node-server";
import { Hono } from "hono";
import { streamText } from "hono/streaming";
import { withSession } from "../src/fetch.ts";
import { sessionMiddleware } from "../src/hono.ts";
import { OriginApi, PrivateNetwork } from "../src/index.ts";
import type { Session } from "../src/session.ts";
import { ID, PROVED, send, serve, signed } from "./support.ts";

const OPTIONS = { ...PROVED, openPaths: ["/healthz"] };

function describe(session: Session): object {
  return session.exists ? { session: session.id, user: session.user } : { session: null };
}

const handler = withSession(async (request, session, name: string) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/change") {
    await session.patch({ n: 1 });
    await session.identify("王芳");
    const headers = [["set-cookie", "a=1"] as const, ["set-cookie", "b=2"] as const];
    return new Response("changed", { status: 201, headers: headers.map(([...pair]) => pair) });
  }
  if (pathname === "/fetched") {
    await session.patch({ n: 1 });
    return fetch("data:text/plain,fetched");
  }
  const body = request.method === "POST" ? await request.text() : "";
  const names = [...request.headers.keys()];
  return Response.json({ ...describe(session), names, body, name });
}, OPTIONS);

function ask(path: string, headers: Record<string, string> = {}, init: RequestInit = {}) {
  return handler(new Request(`http://origin${path}`, { headers, ...init }), "acme");
}

test("a handler gets the session of a request with a proof", async () => {
  const answer = await ask("/a%20b?c", signed("/a%20b", { user: "ada" }));
  const { session, user, name } = (await answer.json()) as Record<string, string>;
  assert.deepEqual([session, user, name], [ID, "ada", "acme"]);
});

test("a handler is not called for a request that is not believed", async () => {
  const { status, headers } = await ask("/", { "x-session-user": "boss" });
  assert.deepEqual([status, headers.get("cache-control")], [401, "no-store"]);
  for (const wrong of [signed("/other"), { ...signed("/"), "x-session-data": "{}, {}" }])
    assert.equal((await ask("/", wrong)).status, 403);
});

test("headers that occur twice are not believed", async () => {
  for (const name of ["x-session-id", "x-session-user", "x-session-proof", "x-session-data"]) {
    const headers = new Headers(signed("/", { user: "ada" }));
    headers.append("x-session-data", "{}");
    headers.append(name, "{}");
    const answer = await handler(new Request("http://origin/", { headers }), "acme");
    assert.equal(answer.status, 403, name);
  }
});

test("an open path has no session without a proof, and keeps its body", async () => {
  const forged = { "x-session-id": ID, x_session_user: "boss" };
  const answer = await ask("/healthz", forged, { method: "POST", body: "a body" });
  const { session, names, body } = (await answer.json()) as Record<string, unknown>;
  assert.deepEqual([session, body], [null, "a body"]);
  assert.doesNotMatch(String(names), /session/);
});

test("changes become headers of the handler's response", async () => {
  const answer = await ask("/change", signed("/change"));
  assert.deepEqual([answer.status, await answer.text()], [201, "changed"]);
  assert.equal(answer.headers.get("x-session-patch"), '{"n":1}');
  assert.equal(answer.headers.get("x-session-identify"), '{"user":"\\u738b\\u82b3"}');
  assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2"]);
  const fetched = await ask("/fetched", signed("/fetched"));
  assert.equal(await fetched.text(), "fetched");
  assert.equal(fetched.headers.get("x-session-patch"), '{"n":1}');
});

async function startHono(t: TestContext, app: Hono): Promise<string> {
  return new Promise((resolve) => {
    const options = { fetch: app.fetch, port: 0, hostname: "127.0.0.1" };
    const server = serveHono(options, ({ port }) => resolve(`http://127.0.0.1:${port}`));
    t.after(() => server.close());
  });
}

test("Hono: middleware may be mounted twice", async (t) => {
  const app = new Hono();
  for (const member of ["a", "b"]) {
    app.use(sessionMiddleware(OPTIONS), async (c, next) => {
      await c.var.vestibuleSession.patch({ [member]: 1 });
      await next();
    });
  }
  app.get("/", (c) => c.json(c.var.vestibuleSession.data));
  const { headers, json } = await send(await startHono(t, app), "/", signed("/"));
  assert.deepEqual(json, { a: 1, b: 1 });
  assert.equal(headers["x-session-patch"], '{"a":1,"b":1}');
});

test("Hono: a second, stricter middleware verifies what the first believed or let pass", async (t) => {
  const app = new Hono();
  const plain = sessionMiddleware({ verifier: new PrivateNetwork() });
  app.use("/plain/*", plain);
  app.use("/open/*", sessionMiddleware({ ...PROVED, openPaths: ["/open/*"] }));
  for (const path of ["/plain/*", "/open/*"])
    app.use(path, sessionMiddleware({ ...PROVED, openPaths: ["/plain/healthz"] }));
  app.use("/open/*", plain);
  app.get("*", async (c) => {
    if (c.var.vestibuleSession.exists) await c.var.vestibuleSession.patch({ n: 1 });
    return c.json(describe(c.var.vestibuleSession));
  });
  const url = await startHono(t, app);
  const forged = { "x-session-id": ID, "x-session-user": "boss" };
  for (const path of ["/plain/a", "/open/a"]) {
    assert.equal((await send(url, path, forged)).status, 401, path);
    const { json, headers } = await send(url, path, signed(path, { user: "ada" }));
    assert.deepEqual([json.user, headers["x-session-patch"]], ["ada", '{"n":1}'], path);
  }
  assert.equal((await send(url, "/plain/healthz", forged)).json.session, null);
});

test("Hono: headers that the first middleware removed are verified by the second", async (t) => {
  const app = new Hono();
  app.use(sessionMiddleware({ ...PROVED, openPaths: ["/healthz"] }));
  app.use(sessionMiddleware({ verifier: new PrivateNetwork() }));
  app.get("/healthz", (c) => c.json(describe(c.var.vestibuleSession)));
  const { json } = await send(await startHono(t, app), "/healthz", { "x-session-id": ID });
  assert.equal(json.session, ID);
});

test("Hono: requests are verified, and changes carried, by a real server", async (t) => {
  const calls: (string | undefined)[] = [];
  const api = await serve(t, (request, response) => {
    calls.push(request.method);
    response.end(JSON.stringify({ handle: ID, data: { late: true } }));
  });
  const app = new Hono();
  app.use(sessionMiddleware({ ...OPTIONS, api: new OriginApi(api, "key") }));
  app.post("/change", async (c) => {
    await c.var.vestibuleSession.patch({ body: await c.req.text() });
    return c.json(c.var.vestibuleSession.data);
  });
  app.get("/broken", async (c) => {
    await c.get("vestibuleSession").destroy();
    throw new Error("broken");
  });
  app.get("/stream", (c) =>
    streamText(c, async (stream) => {
      await new Promise(setImmediate); // Until then the response has not begun.
      await c.var.vestibuleSession.patch({ late: true });
      await stream.write(JSON.stringify(c.var.vestibuleSession.data));
    }),
  );
  app.onError((_, c) => c.text("sorry", 500));
  app.all("*", (c) => c.json({ ...describe(c.var.vestibuleSession), sent: c.req.header() }));
  const url = await startHono(t, app);

  for (const path of ["/a%20b%2Fc%c3%a9", "/a|b", "//a", "/%"])
    assert.equal((await send(url, path, signed(path))).json.session, ID, path);
  const forged = { "x-session-id": ID, x_session_user: "boss" };
  assert.equal((await send(url, "/who", forged)).status, 401);
  const genuine = Object.entries(signed("/who")).flat();
  const twice = [...genuine, "x-session-id", ID];
  assert.equal((await send(url, "/who", twice)).status, 403);
  const open = await send(url, "/healthz", forged);
  assert.equal(open.json.session, null);
  assert.doesNotMatch(Object.keys(open.json.sent).join(), /session/);

  const headers = signed("/change", { method: "POST" });
  const changed = await fetch(`${url}/change`, { method: "POST", headers, body: "é" });
  assert.deepEqual(await changed.json(), { body: "é" });
  assert.equal(changed.headers.get("x-session-patch"), '{"body":"\\u00e9"}');
  const broken = await send(url, "/broken", signed("/broken"));
  assert.deepEqual([broken.status, broken.headers["x-session-destroy"]], [500, "1"]);

  const streamed = await send(url, "/stream", signed("/stream"));
  assert.deepEqual([streamed.json, calls], [{ late: true }, ["PATCH"]]);
  assert.equal(streamed.headers["x-session-patch"], undefined);
});
