/** Tests merge patches of JSON responses: each tenant sees its own settings of one chat server. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { after, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { Browser, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const sites = await Sites.start({ after });

const SETTINGS = { ui: { name: "Assistant", theme: "dark" }, features: { upload: true }, n: 1.5 };
const PATCH = { ui: { name: "Acme", theme: null }, features: { upload: false } };
const PATCHED = { ui: { name: "Acme" }, features: { upload: false }, n: 1.5 };

/** Largest response that is patched. */
const MOST = 256 * 1024;

/** @typedef {import("./harness/origin.mjs").Message} Message */
/** @typedef {import("./harness/origin.mjs").Reply} Reply */

/**
 * Opens a site that patches `/settings`.
 * @param {import("node:test").TestContext} t
 * @param {(request: Message, reply: Reply) => void} [handler]
 */
async function open(t, handler = (_, reply) => sendJson(reply, SETTINGS)) {
  const site = await sites.open(t, () => ({ responses: { "/settings": PATCH } }), handler);
  const browser = new Browser();
  return { site, browser, url: `${site.url}/settings` };
}

/** @param {Reply} reply @param {unknown} value @param {Record<string, string>} [headers] */
function sendJson(reply, value, headers = {}) {
  const body = JSON.stringify(value);
  const length = String(Buffer.byteLength(body));
  const all = { "content-type": "application/json", "content-length": length, ...headers };
  reply.writeHead(200, all).end(body);
}

test("each tenant gets its own settings of one chat server", async (t) => {
  const handler = (/** @type {Message} */ _, /** @type {Reply} */ reply) =>
    sendJson(reply, SETTINGS);
  const names = ["Acme", "Globex"];
  const seen = await Promise.all(
    names.map(async (name) => {
      const patch = { "/settings": { ui: { name } } };
      const { url } = await sites.open(t, () => ({ responses: patch }), handler);
      const answer = await new Browser().fetchJson(`${url}/settings?language=de`);
      return answer.json().ui.name;
    }),
  );
  assert.deepEqual(seen, names);
});

test("a patched response has its own length, and no validators of the original", async (t) => {
  const validators = { etag: '"1"', "last-modified": "Sat, 28 Nov 2026 10:00:00 GMT" };
  const { site, browser, url } = await open(t, (_, reply) =>
    sendJson(reply, SETTINGS, { ...validators, "x-own": "kept" }),
  );
  const headers = { "if-none-match": '"1"', range: "bytes=0-3", "accept-encoding": "zstd" };
  const answer = await browser.fetchJson(url, { headers });
  assert.deepEqual(answer.json(), PATCHED);
  assert.equal(answer.header("content-length"), String(Buffer.byteLength(answer.body)));
  assert.equal(answer.header("x-own"), "kept");
  for (const name of Object.keys(validators)) assert.equal(answer.header(name), "", name);
  for (const name of ["if-none-match", "range"]) assert.deepEqual(site.origin.received(name), []);
  assert.deepEqual(site.origin.received("accept-encoding"), ["identity"]);
  const head = await browser.fetchJson(url, { method: "HEAD" });
  assert.deepEqual([head.status, head.body, head.header("etag")], [200, "", ""]);
  assert.notEqual(head.header("content-length"), String(JSON.stringify(SETTINGS).length));
});

for (const [coding, compress] of /** @type {const} */ ([
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
])) {
  test(`a response that the server compresses all the same is patched: ${coding}`, async (t) => {
    const { browser, url } = await open(t, (_, reply) => {
      const type = { "content-type": "application/json", "content-encoding": coding };
      reply.writeHead(200, type).end(compress(JSON.stringify(SETTINGS)));
    });
    const answer = await browser.fetchJson(url, { headers: { "accept-encoding": "identity" } });
    assert.deepEqual(answer.json(), PATCHED);
  });
}

test("a response without a length is patched, in whatever pieces it comes", async (t) => {
  const { browser, url } = await open(t, (_, reply) => {
    reply.writeHead(200, { "content-type": "application/json; charset=utf-8" });
    const [first, second] = [
      JSON.stringify(SETTINGS).slice(0, 9),
      JSON.stringify(SETTINGS).slice(9),
    ];
    reply.write(first, () => setImmediate(() => reply.end(second)));
  });
  assert.deepEqual((await browser.fetchJson(url)).json(), PATCHED);
});

test("responses that cannot be patched pass unchanged, and are logged", async (t) => {
  const large = JSON.stringify({ text: "x".repeat(MOST) });
  /** @type {[string, string, string, string | null][]} */
  const cases = [
    ["too large", "application/json", large, "too_large"],
    ["not JSON", "application/json", "{not json", "not_json"],
    ["a list", "application/json", "[1,  2]", "not_json"],
    ["a page", "text/html", "<p>", "not_json"],
  ];
  for (const [what, type, body, reason] of cases) {
    for (const length of [true, false]) {
      const { site, browser, url } = await open(t, (_, reply) => {
        const lengths = length ? { "content-length": String(Buffer.byteLength(body)) } : {};
        reply.writeHead(200, { "content-type": type, etag: '"1"', ...lengths }).end(body);
      });
      const answer = await browser.fetchJson(url);
      assert.ok(answer.body === body, `${what}: ${answer.body.slice(0, 80)}`);
      assert.equal(answer.header("etag"), '"1"');
      const logged = () =>
        sites.vestibule
          .logged("response_not_patched")
          .filter(({ tenant }) => tenant === site.id)
          .map((event) => event.reason);
      await until(() => logged().length > 0, { what: "the log" });
      assert.deepEqual(logged(), [reason], what);
    }
  }
});

test("errors, other paths and other methods pass unchanged", async (t) => {
  const { browser, url, site } = await open(t, (request, reply) => {
    if (request.url === "/settings?fails") reply.statusCode = 500;
    reply.setHeader("content-type", "application/json");
    reply.end(JSON.stringify(SETTINGS));
  });
  for (const [target, method] of [
    ["/settings?fails", "GET"],
    ["/settings/", "GET"],
    ["/Settings", "GET"],
    ["/settings", "POST"],
  ]) {
    const answer = await browser.fetchJson(site.url + target, { method });
    assert.deepEqual(answer.json(), SETTINGS, `${method} ${target}`);
  }
  const escaped = await browser.fetchJson(url.replace("settings", "%73ettings"));
  assert.deepEqual(escaped.json(), PATCHED);
});

test("a stream at a patched path arrives while it is written", async (t) => {
  /** @type {Reply[]} */
  const replies = [];
  const { url, site } = await open(t, (_, reply) => {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    reply.write("data: first\n\n");
    replies.push(reply);
  });
  const { port, host } = new URL(url);
  const sent = request({ host: "127.0.0.1", port, path: "/settings", headers: { host } }).end();
  t.after(() => sent.destroy());
  const [response] = await once(sent, "response");
  const [chunk] = await once(response, "data");
  assert.equal(String(chunk), "data: first\n\n");
  assert.equal(site.origin.requests.length, 1);
  replies[0].end();
});

test("a patched response still changes the session", async (t) => {
  const { site, browser, url } = await open(t, (_, reply) =>
    sendJson(reply, SETTINGS, { "x-session-patch": '{"seen":true}' }),
  );
  assert.deepEqual((await browser.fetchJson(url)).json(), PATCHED);
  await browser.fetchJson(url);
  assert.deepEqual(site.origin.received("x-session-data"), ['{"seen":true}']);
});
