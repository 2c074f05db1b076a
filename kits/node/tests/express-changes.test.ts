/** The middleware in a real Express: how changes reach Vestibule. */

import assert from "node:assert/strict";
import { test } from "node:test";
import express from "express";
import { sessionMiddleware } from "../src/express.ts";
import { checkIdentity } from "../src/identity.ts";
import { OriginApi } from "../src/index.ts";
import { describe, start } from "./express-app.ts";
import { ID, PROVED, send, serve, signed } from "./support.ts";

test("changes become headers of one response", async (t) => {
  const url = await start(t, (app) => {
    app.get("/change", async (request, response) => {
      const session = request.vestibuleSession;
      await session.patch({ count: 1 });
      const details = { name: "王芳", groups: ["staff"] };
      await (await session.identify("ada", details)).ttl(600, { wait: 5 });
      await session.patch({ more: { b: null } });
      await session.rotate();
      response.json({ ...describe(request), groups: session.groups });
    });
  });
  const sent = { ...signed("/change"), "x-session-data": '{"old":true}' };
  const { headers, json } = await send(url, "/change", sent);
  assert.equal(headers["x-session-patch"], '{"count":1,"more":{"b":null}}');
  assert.deepEqual(JSON.parse(String(headers["x-session-identify"])), {
    user: "ada",
    name: "王芳",
    groups: ["staff"],
  });
  assert.equal(headers["x-session-ttl"], "600");
  assert.equal(headers["x-session-lease-wait"], "5");
  assert.equal(headers["x-session-rotate"], "1");
  const data = { old: true, count: 1, more: {} };
  assert.deepEqual(json, { session: ID, user: "ada", data, groups: ["staff"] });
});

test("another user finds no data of the one before", async (t) => {
  const url = await start(t, (app) => {
    app.get("/as/:user", async (request, response) => {
      await request.vestibuleSession.identify(request.params.user);
      response.json(describe(request));
    });
  });
  for (const [user, data] of [
    ["ada", { a: 1 }],
    ["bob", {}],
  ] as const) {
    const path = `/as/${user}`;
    const headers = { ...signed(path, { user: "ada" }), "x-session-data": '{"a":1}' };
    assert.deepEqual((await send(url, path, headers)).json.data, data);
  }
});

test("a change is carried however the response begins", async (t) => {
  const url = await start(t, (app) => {
    app.use("/by", async (request, response) => {
      await request.vestibuleSession.patch({ a: 1 });
      response.setHeader("x-own", "1");
      if (request.url === "/writeHead") response.writeHead(201, { "x-more": "2" }).end();
      else if (request.url === "/list") response.writeHead(201, "Made", ["x-more", "2"]).end();
      else if (request.url === "/write") response.write("a", () => response.end("b"));
      else if (request.url === "/flush") response.flushHeaders();
      else if (request.url === "/redirect") response.redirect("/");
      else if (request.url === "/throw") throw new Error("broken");
      if (["/flush", "/end"].includes(request.url)) response.end();
    });
    app.use(((_error, _request, response, _next) => {
      response.status(500).end();
    }) satisfies express.ErrorRequestHandler);
  });
  for (const way of ["writeHead", "list", "write", "flush", "redirect", "throw", "end"]) {
    const { headers } = await send(url, `/by/${way}`, signed(`/by/${way}`));
    assert.equal(headers["x-session-patch"], '{"a":1}', way);
    assert.equal(headers["x-own"], "1", way);
    if (way === "writeHead" || way === "list") assert.equal(headers["x-more"], "2");
  }
});

test("a change after the response began goes through the session API, or says why not", async (t) => {
  const calls: (string | undefined)[] = [];
  const api = await serve(t, (request, response) => {
    calls.push(request.method);
    response.end(JSON.stringify({ handle: ID, data: { late: true } }));
  });
  const app = express();
  app.use(sessionMiddleware({ ...PROVED, api: new OriginApi(api, "key") }));
  app.get("/late", async ({ vestibuleSession: session }, response) => {
    await session.patch({ early: true });
    response.write("begun ");
    await session.patch({ late: true });
    const error = await session.identify("ada").catch(({ name }: Error) => name);
    response.end(JSON.stringify([session.data, error]));
  });
  const url = await serve(t, app);
  const { headers, text } = await send(url, "/late", signed("/late"));
  assert.equal(text, 'begun [{"late":true},"NeedsResponse"]');
  assert.equal(headers["x-session-patch"], '{"early":true}');
  assert.equal(headers["x-session-identify"], undefined);
  assert.deepEqual(calls, ["PATCH"]);
});

test("a session that is read again still shows the changes of the response", async (t) => {
  const record = { handle: ID, data: { n: 5, other: 1 } };
  const api = await serve(t, (_, response) => response.end(JSON.stringify(record)));
  const app = express();
  app.use(sessionMiddleware({ ...PROVED, api: new OriginApi(api, "key") }));
  app.get("/", async ({ vestibuleSession: session }, response) => {
    await session.patch({ n: 1 });
    await session.refresh();
    await session.patch({ m: 2 });
    response.json(session.data);
  });
  const { headers, json } = await send(await serve(t, app), "/", signed("/"));
  assert.deepEqual(json, { n: 1, other: 1, m: 2 });
  assert.equal(headers["x-session-patch"], '{"n":1,"m":2}');
});

const NAMELESS: [what: string, user: unknown, details: object][] = [
  ["no user", undefined, {}],
  ["an empty user", "", {}],
  ["a user with a blank at an end", "ada ", {}],
  ["a user with an invisible character", "a\u200bda", {}],
  ["a user with a tab", "a\tda", {}],
  ["a user that is too long", "é".repeat(161), {}],
  ["an address of two lines", "ada", { email: "a\nb" }],
  ["a name that is a number", "ada", { name: 7 }],
  ["a group with a comma", "ada", { groups: ["a,b"] }],
  ["groups that are a text", "ada", { groups: "staff" }],
  ["a user with half a character", "a\ud800", {}],
  ["a member that it does not know", "ada", { id: 7 }],
  ["a text for yes", "ada", { remember: "yes" }],
  ["too many groups", "ada", { groups: Array.from({ length: 65 }, String) }],
];

for (const [what, user, details] of NAMELESS) {
  test(`a sign-in with ${what} is refused here, because Vestibule would ignore it`, async (t) => {
    const url = await start(t, (app) => {
      app.get("/in", async ({ vestibuleSession: session }, response) => {
        const refused = session.identify(user as string, details);
        response.json(await refused.catch(({ name }: Error) => name));
      });
    });
    const { headers, json } = await send(url, "/in", signed("/in"));
    assert.equal(json, "ChangeRefused");
    assert.equal(headers["x-session-identify"], undefined);
  });
}

test("names of any script sign in", () => {
  const name = "王 芳 👩\u200d🚀 100%";
  checkIdentity({ user: "王 芳", email: "é@a.example", name, groups: ["a b", "équipe"] });
  checkIdentity({ user: "ada", email: null, name: undefined, groups: null, remember: true });
});
