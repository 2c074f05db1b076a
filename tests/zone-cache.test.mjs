/** Tests what the zone's cache, between the Worker and its servers, sees and stores. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { SCHEME, Vestibule } from "./harness/workerd.mjs";
import { ZoneCache } from "./harness/zone-cache.mjs";

/**
 * Starts a server that sets no caching headers and gives each visitor a different file.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 */
async function deployment(t, vars) {
  const zone = await ZoneCache.start(t);
  let served = 0;
  const origin = await Origin.start(t, (request, reply) => {
    served += 1;
    if (request.url?.startsWith("/store")) reply.setHeader("x-session-patch", `{"n":${served}}`);
    reply.end(`file ${served} of ${request.headers["x-session-id"]}`);
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars, zone });
  return { zone, origin, vestibule };
}

test("two visitors of one URL get their own responses, and the zone cache stores none", async (t) => {
  const { zone, origin, vestibule } = await deployment(t);
  // The cache works: without options a visitor gets the first visitor's file.
  zone.cachesEverything = true;
  for (const path of ["/files/7/report.pdf", "/avatar.png", "/app.js", "/plain", "/store/a.css"]) {
    const bodies = new Set();
    for (const browser of [new Browser(vestibule.url), new Browser(vestibule.url)]) {
      bodies.add(await (await browser.fetch(path)).text());
      bodies.add(await (await browser.fetch(path)).text());
    }
    assert.equal(bodies.size, 4, path);
    assert.deepEqual(zone.outcomes(path), Array(4).fill("BYPASS"), path);
  }
  assert.equal(zone.kept.size, 0);
  assert.equal(origin.requests.length, 20);
});

test("every request to a server bypasses the cache, for any method", async (t) => {
  const { zone, vestibule } = await deployment(t);
  for (const method of ["GET", "HEAD", "POST"]) {
    await fetch(`${vestibule.url}/report.pdf`, { method });
  }
  assert.deepEqual(
    zone.passed.map(({ method, cf }) => [method, cf.cacheTtl, cf.cacheLevel, cf.cacheEverything]),
    ["GET", "HEAD", "POST"].map((method) => [method, -1, "bypass", undefined]),
  );
});

test("a client's caching headers reach the server unchanged, and none are added", async (t) => {
  const { origin, vestibule } = await deployment(t);
  const browser = new Browser(vestibule.url);
  await browser.fetch("/a.pdf", { headers: { "cache-control": "max-age=0" } });
  assert.deepEqual(origin.received("cache-control"), ["max-age=0"]);
  assert.deepEqual(origin.received("pragma"), []);
  await fetch(`${vestibule.url}/a.pdf`, { cache: "default" });
  assert.deepEqual([...origin.received("cache-control"), ...origin.received("pragma")], []);
});

test("the test's cache stores and serves files of a server", async (t) => {
  const { zone, origin } = await deployment(t);
  const through = async (/** @type {string} */ path) => {
    const url = `http://127.0.0.1:${zone.port}`;
    const { request } = await import("node:http");
    return await new Promise((resolve, reject) => {
      const asked = request(url, { path: `${origin.url}${path}` }, async (answer) => {
        let text = "";
        for await (const chunk of answer) text += chunk;
        resolve(text);
      });
      asked.on("error", reject).end();
    });
  };
  assert.equal(await through("/x.pdf"), await through("/x.pdf"));
  assert.notEqual(await through("/x"), await through("/x"));
  assert.deepEqual(zone.outcomes("/x.pdf"), ["MISS", "HIT"]);
  assert.deepEqual(zone.outcomes("/x"), ["DYNAMIC", "DYNAMIC"]);
});

test("public paths are cached, without session and cookies", async (t) => {
  const zone = await ZoneCache.start(t);
  const origin = await Origin.start(t, (_, reply) => {
    reply.setHeader("cache-control", "public, max-age=600");
    if (reply.req.url !== "/public/app.css") {
      reply.setHeader("set-cookie", "theirs=1").setHeader("x-session-patch", '{"a":1}');
    }
    reply.end(String(origin.requests.length));
  });
  const vars = { CACHE: "/public/*, /logo.png" };
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars, zone });
  const authorization = "Bearer theirs";
  for (const browser of [new Browser(vestibule.url), new Browser(vestibule.url)]) {
    await browser.fetch("/");
    const seen = origin.requests.length;
    const answer = await browser.fetch("/public/app.css", { headers: { authorization } });
    assert.equal(answer.headers.get("cache-control"), "public, max-age=600");
    assert.deepEqual([answer.headers.getSetCookie(), answer.headers.get("vary")], [[], null]);
    if (seen === origin.requests.length) continue;
    for (const name of ["cookie", "authorization", "x-session-id", "x-session-state"]) {
      assert.deepEqual(origin.received(name), [], name);
    }
    assert.deepEqual(origin.received("x-forwarded-proto"), ["http"]);
  }
  assert.deepEqual(zone.outcomes("/public/app.css"), ["MISS", "HIT"]);
  const answer = await fetch(`${vestibule.url}/logo.png`);
  assert.deepEqual(answer.headers.getSetCookie(), []);
  await until(() => vestibule.logged("control_ignored").length === 1);
});

test("a client's headers do not shape a cached response", async (t) => {
  const zone = await ZoneCache.start(t);
  const origin = await Origin.start(t, ({ headers }, reply) => {
    reply.setHeader("cache-control", "public, max-age=600");
    if (headers.origin) reply.setHeader("access-control-allow-origin", headers.origin);
    if (headers["x-forwarded-proto"] !== "https") {
      reply.writeHead(301, { location: `https://chat.example${reply.req.url}` });
    }
    reply.end(headers["accept-language"]);
  });
  const vars = { CACHE: "/public/*" };
  const { port } = await Vestibule.start(t, { origins: [origin.url], vars, zone });
  const target = "/public/app.js";
  const passing = ["Accept: a/b", "If-None-Match: x", "User-Agent: u"];
  const lines = [...passing, "Origin: https://evil.example", "Accept-Language: xx", "X-Any: 1"];
  // Plain http is redirected, for its own client only.
  assert.equal((await send(port, { target, lines })).status, 301);
  assert.deepEqual([zone.outcomes(target), zone.kept.size], [["BYPASS"], 0]);
  assert.deepEqual(origin.received("origin"), ["https://evil.example"]);
  const asked = await send(port, { target, lines: [...lines, `${SCHEME}: https`] });
  assert.deepEqual([asked.status, zone.outcomes(target).at(-1)], [200, "MISS"]);
  assert.deepEqual(
    ["accept", "if-none-match", "user-agent"].flatMap((name) => origin.received(name)),
    ["a/b", "x", "u"],
  );
  for (const name of ["origin", "accept-language", "x-any"]) {
    assert.deepEqual(origin.received(name), [], name);
  }
  const next = await send(port, { target, lines: [`${SCHEME}: https`] });
  assert.deepEqual([next.status, zone.outcomes(target).at(-1)], [200, "HIT"]);
  assert.deepEqual(header(next, "access-control-allow-origin"), []);
});

for (const [what, path, init] of /** @type {[string, string, RequestInit][]} */ ([
  ["a path next to a public one", "/publicity/a.css", {}],
  ["a path with a public one's name inside", "/x/public/a.css", {}],
  ["another spelling of a public path", "/public/..%2fprivate/a.css", {}],
  ["dot segments that lead into a public path", "/x/..%2fpublic/a.css", {}],
  ["another method", "/public/a.css", { method: "POST" }],
  ["a method override header", "/public/a.css", { headers: { "x-method-override": "PUT" } }],
  ["a path that requires sign-in", "/public/members/a.css", {}],
])) {
  test(`no response is cached for ${what}`, async (t) => {
    const zone = await ZoneCache.start(t);
    zone.cachesEverything = true;
    const origin = await Origin.start(t);
    const tenants = new KvServer();
    t.after(() => tenants.stop());
    const exceptions = [{ path: "/public/members/*", mode: "required" }];
    const login = { mode: "off", exceptions };
    const origins = [{ url: origin.url }];
    const document = { id: "acme", hosts: ["127.0.0.1"], login, origins, cache: ["/public/*"] };
    tenants.plant("host:127.0.0.1", "acme");
    tenants.plant("tenant:acme", JSON.stringify(document));
    const vestibule = await Vestibule.start(t, { tenants, zone });
    const { status } = await fetch(vestibule.url + path, init);
    // A request without the required sign-in is refused, and so is an ambiguous path.
    if ([400, 401].includes(status)) return assert.equal(zone.passed.length, 0);
    assert.deepEqual([status, zone.passed.at(-1)?.outcome], [200, "BYPASS"]);
    assert.equal(origin.received("x-session-id").length, 1);
  });
}
