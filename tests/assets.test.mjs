/** Tests tenants' own files that replace the chat server's, from real sources. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { LocationCache } from "./harness/location-cache.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

/**
 * Opens a tenant, acme, with these assets. `{source}` is replaced by the URL of a server that responds
 * as the test defines, `{closed}` by one without a server.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} assets
 * @param {(request: import("node:http").IncomingMessage, reply: import("node:http").ServerResponse) => void} [answer]
 */
async function acme(t, assets, answer = (_, reply) => void reply.end()) {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const origin = await Origin.start(t, (request, reply) =>
    reply.end(`the server's own, ${request.method} ${request.url}`),
  );
  const source = await Origin.start(t, answer);
  const cache = await LocationCache.start(t);
  const put = (/** @type {string} */ id, /** @type {Record<string, string>} */ shown) => {
    const text = JSON.stringify({
      id,
      hosts: [`${id}.localhost`],
      origins: [{ url: origin.url }],
      assets: shown,
    });
    tenants.plant(`host:${id}.localhost`, id);
    tenants.plant(
      `tenant:${id}`,
      text.replaceAll("{source}", source.url).replaceAll("{closed}", "http://127.0.0.1:9"),
    );
  };
  put("acme", assets);
  const vestibule = await Vestibule.start(t, { tenants, cache, origins: [] });
  const ask = (
    /** @type {string} */ target,
    /** @type {Omit<Parameters<typeof send>[1], "target">} */ request = {},
  ) => send(vestibule.port, { host: "acme.localhost", target, ...request });
  return { tenants, origin, source, cache, vestibule, put, ask };
}

/**
 * @param {string} type
 * @param {Buffer | string} bytes
 */
function stored(type, bytes) {
  return JSON.stringify({ type, base64: Buffer.from(bytes).toString("base64") });
}

test("a tenant's logo replaces the server's byte for byte, with headers that forbid scripts", async (t) => {
  const { ask, tenants, origin, source } = await acme(
    t,
    { "/logo": "{source}/logo.svg?v=1", "/logo?theme=dark": "kv:dark.png" },
    (_, reply) => {
      reply.setHeader("content-type", "image/svg+xml");
      reply.setHeader("set-cookie", "source=1");
      reply.setHeader("x-powered-by", "source");
      reply.end(SVG);
    },
  );
  tenants.plant("asset:acme:dark.png", stored("image/png", PNG));
  const answer = await ask("/logo?theme=light");
  assert.deepEqual([answer.status, answer.body], [200, SVG]);
  const etag = header(answer, "etag")[0];
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  const headers = answer.headers.filter(([name]) => !["connection", "date"].includes(name));
  assert.deepEqual(
    headers.sort(([one], [other]) => (one < other ? -1 : 1)),
    [
      ["cache-control", "public, max-age=300"],
      ["content-length", String(SVG.length)],
      [
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox",
      ],
      ["content-type", "image/svg+xml"],
      ["etag", etag],
      ["x-content-type-options", "nosniff"],
    ],
  );
  assert.equal(source.requests[0].url, "/logo.svg?v=1");

  const dark = await ask("/logo?theme=dark");
  assert.deepEqual(
    [dark.status, Buffer.from(dark.body, "latin1"), header(dark, "content-type")],
    [200, PNG, ["image/png"]],
  );
  assert.equal(origin.requests.length, 0);
});

test("conditional requests get 304 until the file changes", async (t) => {
  const { ask } = await acme(t, { "/public/custom.css": "{source}/style" }, (_, reply) =>
    reply.end("body{}"),
  );
  const path = "/public/custom.css";
  const head = await ask(path, { method: "HEAD" });
  assert.deepEqual([head.status, head.body, header(head, "content-length")], [200, "", ["6"]]);
  assert.deepEqual(header(head, "content-type"), ["text/css; charset=utf-8"]);
  const [etag] = header(head, "etag");
  const known = await ask(path, { lines: [`If-None-Match: "x", W/${etag}`] });
  assert.deepEqual([known.status, known.body, header(known, "etag")], [304, "", [etag]]);
  assert.equal((await ask(path, { lines: ['If-None-Match: "x"'] })).body, "body{}");
});

test("each tenant gets its own file for a path, and a tenant without one gets the server's", async (t) => {
  const { ask, put, tenants } = await acme(t, { "/logo": "kv:logo", "/favicon": "kv:other" });
  put("globex", { "/logo": "kv:logo" });
  put("plain", {});
  tenants.plant("asset:acme:logo", stored("image/png", "acme's"));
  tenants.plant("asset:globex:logo", stored("image/png", "globex's"));
  tenants.plant("asset:globex:other", stored("image/png", "globex's"));
  for (let round = 0; round < 2; round += 1) {
    assert.equal((await ask("/logo")).body, "acme's");
    assert.equal((await ask("/logo", { host: "globex.localhost" })).body, "globex's");
    const plain = await ask("/logo", { host: "plain.localhost" });
    assert.match(plain.body, /the server's own, GET \/logo/);
    assert.match((await ask("/favicon")).body, /the server's own/);
  }
});

test("a source receives nothing about visitors, and a file begins no session", async (t) => {
  const { ask, source, origin, vestibule } = await acme(t, { "/logo": "{source}/logo.png" });
  const answer = await ask("/logo", {
    lines: [
      "Cookie: vestibule-session=forged; access_token=secret",
      "Authorization: Bearer secret",
      "X-Forwarded-For: 192.0.2.7",
      "Referer: http://acme.localhost/chat/secret",
      "User-Agent: Somebody/1",
      "If-None-Match: secret",
      "Range: bytes=0-1",
    ],
  });
  assert.deepEqual([answer.status, header(answer, "set-cookie")], [200, []]);
  const names = source.requests[0].headers.map(([name]) => name.toLowerCase());
  // Headers of the connection, and Vestibule's own.
  const ours = ["host", "connection", "accept-encoding", "cf-worker", "user-agent"];
  assert.deepEqual(
    names.filter((name) => !ours.includes(name)),
    [],
  );
  assert.match(source.received("user-agent").join(), /^Vestibule\/[\d.]+$/);
  assert.equal(origin.requests.length, 0);
  assert.equal(vestibule.kv.operations.length, 0);
});

test("requests other than GET and HEAD of the plain path go to the server", async (t) => {
  const { ask, source } = await acme(t, { "/logo": "{source}/logo.png" });
  const posted = await ask("/logo", {
    method: "POST",
    lines: ["Content-Length: 2"],
    body: "hi",
  });
  assert.match(posted.body, /the server's own, POST \/logo/);
  for (const target of ["/%256cogo", "/Logo", "/logo/", "//logo", "/logo;x", "/x%2flogo"]) {
    assert.ok((await ask(target)).body.endsWith(`GET ${target}`), target);
  }
  assert.equal(source.requests.length, 0);
});

test("a file whose name has spaces or other letters is served in every spelling", async (t) => {
  const { ask } = await acme(
    t,
    { "/avatars/My%20Assistant": "{source}/a", "/avatars/Zoë": "{source}/b" },
    (request, reply) => reply.end(`file ${request.url}`),
  );
  for (const [target, file] of [
    ["/avatars/My%20Assistant", "file /a"],
    ["/avatars/My%20Assistant?v=1", "file /a"],
    ["/avatars/%4dy%20Assistant", "file /a"],
    ["/avatars/Zo%C3%AB", "file /b"],
    ["/avatars/Zo%c3%ab", "file /b"],
  ]) {
    assert.equal((await ask(target)).body, file, target);
  }
  for (const target of ["/avatars/My%2520Assistant", "/avatars%2fZo%C3%AB", "/avatars/Zo%EB"]) {
    assert.match((await ask(target)).body, /the server's own/, target);
  }
  for (const target of ["/avatars/%2e%2e%2fZo%C3%AB", "/avatars/%00"]) {
    assert.equal((await ask(target)).status, 400, target);
  }
});

test("concurrent requests for a file share one request to the source", async (t) => {
  const { ask, source } = await acme(t, { "/logo": "{source}/logo.png" }, (_, reply) =>
    reply.end("logo"),
  );
  const begun = Date.now();
  const storm = await Promise.all(Array.from({ length: 60 }, () => ask("/logo")));
  // A request that has waited for another's for 300 ms asks for itself.
  const most = 1 + Math.floor((Date.now() - begun) / 300);
  assert.ok(storm.every(({ status, body }) => status === 200 && body === "logo"));
  const asked = source.requests.length;
  assert.ok(asked <= most, `${asked} requests`);
  assert.equal((await ask("/logo?again")).body, "logo");
  assert.equal(source.requests.length, asked);
});

test("a new isolate finds a file in its location's cache while the source is down", async (t) => {
  const { ask, source, cache, vestibule } = await acme(
    t,
    { "/logo": "{source}/logo.svg" },
    (_, reply) => {
      reply.setHeader("content-type", "image/svg+xml");
      reply.end(SVG);
    },
  );
  const [etag] = header(await ask("/logo"), "etag");
  await kept(cache);
  await source.stop();
  await vestibule.restart();
  const answer = await ask("/logo");
  assert.deepEqual([answer.status, answer.body, header(answer, "etag")], [200, SVG, [etag]]);
  assert.deepEqual(vestibule.logged("asset_unavailable"), []);
});

test("a stale file is refreshed, and served for one day while its source is down", async (t) => {
  let body = "first";
  const { ask, source, cache, vestibule } = await acme(
    t,
    { "/logo": "{source}/logo.png" },
    (_, reply) => reply.end(body),
  );
  assert.equal((await ask("/logo")).body, "first");
  await kept(cache);
  const restartedAfter = async (/** @type {number} */ minutes) => {
    age(cache, minutes);
    await vestibule.restart();
  };

  await restartedAfter(6);
  body = "second";
  assert.equal((await ask("/logo")).body, "second");
  await kept(cache, "second");

  await source.stop();
  await restartedAfter(23 * 60);
  for (let round = 0; round < 3; round += 1) assert.equal((await ask("/logo")).body, "second");
  const logged = () =>
    vestibule
      .logged("asset_unavailable")
      .map(({ tenant, path, reason }) => ({ tenant, path, reason }));
  assert.deepEqual(logged(), [{ tenant: "acme", path: "/logo", reason: "no answer" }]);

  await restartedAfter(2 * 60);
  assert.match((await ask("/logo")).body, /the server's own/);
});

for (const [what, status] of /** @type {const} */ ([
  ["that was removed (404)", 404],
  ["that is gone (410)", 410],
])) {
  test(`a file ${what} is no longer served, even if the cached copy is fresh`, async (t) => {
    let isThere = true;
    const { ask, cache, vestibule } = await acme(
      t,
      { "/logo": "{source}/logo.png" },
      (_, reply) => {
        reply.statusCode = isThere ? 200 : status;
        reply.end("logo");
      },
    );
    assert.equal((await ask("/logo")).body, "logo");
    await kept(cache);
    isThere = false;
    age(cache, 6);
    await vestibule.restart();
    for (let round = 0; round < 2; round += 1) {
      assert.match((await ask("/logo")).body, /the server's own/);
    }
    await until(() => cache.stored.size === 0, { what: "the location's cache" });
  });
}

for (const { what, assets, answer, reason } of [
  {
    what: "that is unreachable",
    assets: { "/logo": "{closed}/logo.png" },
    reason: "no answer",
  },
  {
    what: "that redirects elsewhere",
    assets: { "/logo": "{source}/logo.png" },
    answer: (/** @type {any} */ request, /** @type {any} */ reply) => {
      if (request.url === "/logo.png") reply.writeHead(302, { location: "/elsewhere.png" });
      reply.end("elsewhere");
    },
    reason: "status 302",
  },
  {
    what: "that fails",
    assets: { "/logo": "{source}/logo.png" },
    answer: (/** @type {any} */ _, /** @type {any} */ reply) => reply.writeHead(500).end("oops"),
    reason: "status 500",
  },
  {
    what: "that cuts its response short",
    assets: { "/logo": "{source}/logo.png" },
    answer: (/** @type {any} */ _, /** @type {any} */ reply) => {
      reply.writeHead(200, { "content-length": "100" }).write("half");
      setImmediate(() => reply.destroy());
    },
    reason: "no answer",
  },
  {
    what: "of 6 MiB",
    assets: { "/logo": "{source}/logo.png" },
    answer: (/** @type {any} */ _, /** @type {any} */ reply) =>
      reply.end(Buffer.alloc(6 * 1024 * 1024)),
    reason: "larger than 5 MiB",
  },
  {
    what: "that does not answer in time",
    assets: { "/logo": "{source}/logo.png" },
    answer: () => {},
    reason: "deadline",
  },
  { what: "that is not in the store", assets: { "/logo": "kv:logo" }, reason: "absent" },
]) {
  test(`a source ${what} falls back to the server's own file and is logged once`, async (t) => {
    const { ask, source, vestibule } = await acme(t, assets, answer);
    for (let round = 0; round < 3; round += 1) {
      const shown = await ask("/logo?theme=dark");
      assert.deepEqual([shown.status, shown.body], [200, "the server's own, GET /logo?theme=dark"]);
    }
    const [logged, ...more] = vestibule.logged("asset_unavailable");
    assert.deepEqual([logged.path, logged.reason, more.length], ["/logo", reason, 0]);
    assert.ok(source.requests.length <= 1, "a source in trouble is left alone for a while");
  });
}

test("a file of 5 MiB is served", async (t) => {
  const { ask } = await acme(t, { "/logo": "{source}/logo.png" }, (_, reply) =>
    reply.end(Buffer.alloc(5 * 1024 * 1024, "x")),
  );
  const answer = await ask("/logo", { method: "HEAD" });
  assert.deepEqual([answer.status, header(answer, "content-length")], [200, ["5242880"]]);
});

test("a web page is never served as a file", async (t) => {
  const { ask, tenants } = await acme(
    t,
    { "/public/a.svg": "{source}/a.svg", "/public/b.svg": "kv:b" },
    (_, reply) => {
      reply.setHeader("content-type", "Text/HTML; charset=utf-8");
      reply.end("<script>alert(1)</script>");
    },
  );
  tenants.plant("asset:acme:b", stored("text/html", "<script>alert(1)</script>"));
  for (const path of ["/public/a.svg", "/public/b.svg"]) {
    const answer = await ask(path);
    assert.deepEqual([answer.status, answer.code], [502, "asset_is_page"], path);
  }
});

/**
 * The cache is written after the response.
 * @param {LocationCache} cache
 * @param {string} [what]
 */
function kept(cache, what = "") {
  return until(() => [...cache.stored.values()].some((file) => file.includes(what)), {
    what: "the location's cache",
  });
}

/**
 * Makes the cache's entries older by a number of minutes.
 * @param {LocationCache} cache
 * @param {number} minutes
 */
function age(cache, minutes) {
  for (const [address, file] of cache.stored) {
    const older = file
      .toString("latin1")
      .replace(/x-fetched: (\d+)/i, (_, fetched) => `x-fetched: ${fetched - minutes * 60_000}`);
    cache.stored.set(address, Buffer.from(older, "latin1"));
  }
}
