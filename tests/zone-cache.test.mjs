/** What the cache of the zone, which stands between the Worker and its servers, gets to see and to keep. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { Vestibule } from "./harness/workerd.mjs";
import { ZoneCache } from "./harness/zone-cache.mjs";

/**
 * A server that says nothing of caching and gives everybody a file of their own.
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

test("two visitors who ask for the same file get each their own, and the zone's cache neither", async (t) => {
  const { zone, origin, vestibule } = await deployment(t);
  // It does cache: whoever does not say otherwise gets the file of whoever came first.
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

test("every request to a server is handed to fetch past the cache, whatever its method", async (t) => {
  const { zone, vestibule } = await deployment(t);
  for (const method of ["GET", "HEAD", "POST"]) {
    await fetch(`${vestibule.url}/report.pdf`, { method });
  }
  assert.deepEqual(
    zone.passed.map(({ method, cf }) => [method, cf.cacheTtl, cf.cacheLevel, cf.cacheEverything]),
    ["GET", "HEAD", "POST"].map((method) => [method, -1, "bypass", undefined]),
  );
});

test("what a client says of caching reaches the server as it was said, and nothing is added", async (t) => {
  const { origin, vestibule } = await deployment(t);
  const browser = new Browser(vestibule.url);
  await browser.fetch("/a.pdf", { headers: { "cache-control": "max-age=0" } });
  assert.deepEqual(origin.told("cache-control"), ["max-age=0"]);
  assert.deepEqual(origin.told("pragma"), []);
  await fetch(`${vestibule.url}/a.pdf`, { cache: "default" });
  assert.deepEqual([...origin.told("cache-control"), ...origin.told("pragma")], []);
});

test("the cache that these tests put before a server does keep and give away files", async (t) => {
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
