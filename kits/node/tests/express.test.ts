/** The middleware in a real Express: who is believed. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import express from "express";
import { sessionMiddleware } from "../src/express.ts";
import {
  Authenticator,
  PrivateNetwork,
  Proof,
  type SessionError,
  Unverified,
} from "../src/index.ts";
import type { Received } from "../src/verification.ts";
import { describe, start } from "./express-app.ts";
import { ID, KEY, listening, PROVED, send, serve, signed } from "./support.ts";

test("a request with a proof has its session", async (t) => {
  const url = await start(t);
  const headers = { ...signed("/who", { user: "%C3%A9va" }), "x-session-data": '{"a":1}' };
  const { json } = await send(url, "/who?room=1", headers);
  assert.deepEqual([json.session, json.user, json.data], [ID, "éva", { a: 1 }]);
});

test("a path is verified as it was sent", async (t) => {
  const url = await start(t);
  for (const path of ["/", "/a%20b%2Fc%c3%a9", "/a|b", "//a", "/%", "/a;b=c", "/x/../y"])
    assert.equal((await send(url, path, signed(path))).status, 200, path);
});

test("middleware below a path verifies the whole path", async (t) => {
  const app = express();
  app.use("/below", sessionMiddleware(PROVED), (request, response) => {
    response.json(describe(request));
  });
  const url = await serve(t, app);
  assert.equal((await send(url, "/below/a", signed("/below/a"))).json.session, ID);
  assert.equal((await send(url, "/below/a", signed("/a"))).status, 403);
});

test("a request without a proof gets 401", async (t) => {
  const url = await start(t);
  const { status, text, headers } = await send(url, "/who", { "x-session-user": "boss" });
  assert.deepEqual([status, headers["cache-control"]], [401, "no-store"]);
  assert.match(text, /no X-Session-Proof/);
});

const HOUR = 3600;
const WRONG: Record<string, Record<string, string>> = {
  "for another method": signed("/who", { method: "POST" }),
  "for another path": signed("/other"),
  "for another user": { ...signed("/who"), "x-session-user": "boss" },
  "for another session": { ...signed("/who"), "x-session-id": "another" },
  "that is old": signed("/who", { at: Math.floor(Date.now() / 1000) - HOUR }),
  "of the future": signed("/who", { at: Math.floor(Date.now() / 1000) + HOUR }),
  "that is forged": { "x-session-proof": "v1;forged" },
};

for (const [what, headers] of Object.entries(WRONG)) {
  test(`a request with a proof ${what} gets 403`, async (t) => {
    const url = await start(t);
    assert.equal((await send(url, "/who", headers)).status, 403);
  });
}

test("a header that occurs twice is refused", async (t) => {
  const url = await start(t);
  const genuine = Object.entries(signed("/who", { user: "a, b" })).flat();
  assert.equal((await send(url, "/who", genuine)).status, 200);
  for (const twice of ["X-Session-Id", "x-session-user", "X-SESSION-DATA"]) {
    const headers = [...genuine, "x-session-data", "{}", twice, "{}"];
    assert.equal((await send(url, "/who", headers)).status, 403, twice);
  }
  // Node would join these to the user that is signed.
  const { "x-session-user": _, ...others } = signed("/who", { user: "a, b" });
  const split = [...Object.entries(others).flat(), "x-session-user", "a", "x-session-user", "b"];
  assert.equal((await send(url, "/who", split)).status, 403);
});

test("a malformed header is refused", async (t) => {
  const url = await start(t);
  const headers = { ...signed("/who"), "x-session-data": '{"a":' };
  assert.equal((await send(url, "/who", headers)).status, 403);
});

test("an open path needs no proof, and has no session without one", async (t) => {
  const url = await start(t);
  const forged = { "x-session-id": ID, x_session_user: "boss", "x.session.data": "{}" };
  for (const path of ["/healthz", "/public/logo.svg"]) {
    const { json } = await send(url, path, forged);
    assert.equal(json.session, null);
    assert.deepEqual(
      json.names.filter((name: string) => /session/i.test(name)),
      [],
    );
    assert.equal((await send(url, path, signed(path))).json.session, ID);
  }
  for (const path of ["/healthz/x", "/public", "/Healthz", "/%68ealthz"])
    assert.equal((await send(url, path, forged)).status, 401, path);
});

test("a request that Vestibule forwards without a session says so", async (t) => {
  const errors: unknown[] = [];
  const url = await start(t, (app) => {
    app.get("/public/user", async ({ vestibuleSession: session }, response) => {
      for (const attempt of [async () => session.user, () => session.patch({ a: 1 })])
        await attempt().catch((error: SessionError) => errors.push(error.name));
      response.end();
    });
  });
  const { status, headers } = await send(url, "/public/user", signed("/public/user", { id: "" }));
  assert.equal(status, 200);
  assert.deepEqual(errors, ["NoSession", "NoSession"]);
  assert.equal(headers["x-session-patch"], undefined);
});

test("request.session is left to express-session, and the middleware may be mounted twice", async (t) => {
  const app = express();
  app.use((request, _, next) => {
    Object.assign(request, { session: "that of another package" });
    next();
  });
  for (const member of ["a", "b"]) {
    app.use(sessionMiddleware(PROVED), async (request, _, next) => {
      await request.vestibuleSession.patch({ [member]: 1 });
      next();
    });
  }
  app.use((request, response) => {
    response.json((request as unknown as { session: unknown }).session);
  });
  const { json, headers } = await send(await serve(t, app), "/", signed("/"));
  assert.equal(json, "that of another package");
  assert.equal(headers["x-session-patch"], '{"a":1,"b":1}');
});

/** Believes requests with a header of its own, and counts. */
function counting(header: string) {
  const verifier = {
    asked: 0,
    async verify({ headers }: Received) {
      verifier.asked += 1;
      if (headers.get("x-session-state") !== header) throw new Unverified(`not ${header}`);
    },
  };
  return verifier;
}

test("middleware below stricter middleware's path does not believe what only the first believes", async (t) => {
  const app = express();
  app.use(sessionMiddleware({ verifier: new PrivateNetwork() }));
  app.use("/admin", sessionMiddleware({ ...PROVED, openPaths: ["/admin/healthz"] }));
  app.use((request, response) => void response.json(describe(request)));
  const url = await serve(t, app);
  const forged = { "x-session-id": ID, "x-session-user": "boss" };
  assert.equal((await send(url, "/", forged)).json.user, "boss");
  assert.equal((await send(url, "/admin", forged)).status, 401);
  assert.equal((await send(url, "/admin/healthz", forged)).json.session, null);
  assert.equal((await send(url, "/admin", signed("/admin", { user: "ada" }))).json.user, "ada");
});

test("an open path of the first middleware is not open for the second", async (t) => {
  const app = express();
  app.use(sessionMiddleware({ ...PROVED, openPaths: ["*"] }));
  app.use("/admin", sessionMiddleware(PROVED));
  app.use((request, response) => void response.json(describe(request)));
  const url = await serve(t, app);
  assert.equal((await send(url, "/admin")).status, 401);
  assert.equal((await send(url, "/admin", { x_session_id: ID })).status, 401);
  assert.equal((await send(url, "/admin", signed("/admin"))).json.session, ID);
});

test("headers that the first middleware removed are verified by the second", async (t) => {
  const app = express();
  app.use(sessionMiddleware({ verifier: counting("new"), openPaths: ["*"] }));
  const second = counting("active");
  for (let times = 0; times < 2; times += 1) app.use(sessionMiddleware({ verifier: second }));
  app.use((request, response) => void response.json(describe(request)));
  const url = await serve(t, app);
  const headers = { "x-session-id": ID, "x-session-state": "active" };
  assert.equal((await send(url, "/", headers)).json.session, ID);
  assert.equal(second.asked, 1, "one verifier verifies a request once");
  const twice = [...Object.entries(headers).flat(), "x-session-id", ID];
  assert.equal((await send(url, "/", twice)).status, 403);
});

test("middleware that takes its settings from the environment shares them", () => {
  const env = process.env;
  process.env = { VESTIBULE_VERIFY: "network" };
  try {
    assert.equal(new Authenticator().verifier, new Authenticator().verifier);
    process.env = { VESTIBULE_VERIFY: "proof", VESTIBULE_ORIGIN_KEY: KEY };
    assert.ok(new Authenticator().verifier instanceof Proof);
  } finally {
    process.env = env;
  }
});

test("without a choice of verification the middleware does not begin", () => {
  const env = process.env;
  process.env = {};
  try {
    assert.throws(() => sessionMiddleware(), /VESTIBULE_VERIFY/);
  } finally {
    process.env = env;
  }
});

test("a verifier that breaks is no refusal, and opens no path", async (t) => {
  const verify = async () => {
    throw new TypeError("broken");
  };
  const app = express().set("env", "test");
  app.use(sessionMiddleware({ verifier: { verify }, openPaths: ["/healthz"] }));
  app.use((_, response) => void response.end());
  const url = await serve(t, app);
  for (const path of ["/healthz", "/"]) assert.equal((await send(url, path)).status, 500, path);
});

test("a server of Node alone needs no framework", async (t) => {
  const sessions = sessionMiddleware(PROVED);
  const url = await serve(t, (request, response) => {
    sessions(request, response, () => response.end(JSON.stringify(describe(request))));
  });
  assert.equal((await send(url, "/", signed("/"))).json.session, ID);
  assert.equal((await send(url, "/")).status, 401);
});

test("the longest data needs a server that takes longer headers than Node's usual", async (t) => {
  const text = "x".repeat(16_384 - '{"text":""}'.length);
  const headers = { ...signed("/"), "x-session-data": JSON.stringify({ text }) };
  const app = express();
  app.use(sessionMiddleware(PROVED), (request, response) => {
    response.json(request.vestibuleSession.data);
  });
  assert.equal((await send(await serve(t, app), "/", headers)).status, 431);
  const larger = await listening(t, createServer({ maxHeaderSize: 65_536 }, app));
  assert.deepEqual((await send(larger, "/", headers)).json, { text });
});

test("plain headers are believed only if you say so", async (t) => {
  const app = express();
  app.use(sessionMiddleware({ verifier: new PrivateNetwork() }), (request, response) => {
    response.json(describe(request));
  });
  const url = await serve(t, app);
  const { json } = await send(url, "/", { "x-session-id": ID, "x-session-user": "ada" });
  assert.equal(json.user, "ada");
});
