/** Tests that equal requests within a second share one decision, without a visible difference. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { loadEdge } from "./harness/edge-module.mjs";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

/** @typedef {import("./harness/origin.mjs").Message} Message */
/** @typedef {import("./harness/origin.mjs").Reply} Reply */

const ADMIN = "operators-know-this-token";

const { isAlike } = await loadEdge(`export { isAlike } from "./decision_cache/generation_map.js"`);

/**
 * Starts a Worker, an origin that responds with the query's headers, and a browser with a session.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 */
async function deployment(t, vars = {}) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) {
      if (/^(x-session-|cache-control)/.test(name)) reply.setHeader(name, value);
    }
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "50", ...vars },
  });
  const browser = new Browser(vestibule.url);
  await browser.fetch("/?x-session-patch=%7B%22a%22%3A1%7D");
  origin.requests.length = 0;
  return { origin, vestibule, browser };
}

/** Waits until a second has just begun, so that the next requests fall into it. */
function secondBegins() {
  return until(() => Date.now() % 1_000 < 100, { what: "a new second" });
}

/**
 * Sends equal requests within a second until one decision is cached.
 * @param {Browser} browser
 */
async function burst(browser) {
  await secondBegins();
  for (let visit = 0; visit < 4; visit += 1) await browser.fetch("/warm");
}

/**
 * Returns a counter's sum over the tenant's visitors.
 * @param {Vestibule} vestibule
 * @param {string} metric
 */
async function counted(vestibule, metric) {
  const headers = { authorization: `Bearer ${ADMIN}` };
  const page = await (await fetch(`${vestibule.url}/_session/admin/metrics`, { headers })).text();
  const own = page.split("\n").filter((line) => line.startsWith(`${metric}{tenant="default"`));
  return own.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Returns the number of repeated decisions. @param {Vestibule} vestibule */
function repeated(vestibule) {
  return counted(vestibule, "vestibule_decisions_repeated_total");
}

/**
 * @param {Vestibule} vestibule
 * @param {number} least
 */
function untilRepeated(vestibule, least) {
  const what = `${least} repeated decisions`;
  return until(async () => (await repeated(vestibule)) >= least, { what });
}

/** @param {import("./harness/origin.mjs").Received} received */
function headersOf(received) {
  return Object.fromEntries(received.headers.map(([name, value]) => [name.toLowerCase(), value]));
}

test("a visitor's requests within a second differ only in their target and trace", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await secondBegins();
  const paths = Array.from({ length: 20 }, (_, at) => `/files/${at}.js?v=${at}&name=a%20b`);
  for (const path of paths) await browser.fetch(path);
  assert.deepEqual(
    origin.requests.map(({ url }) => url),
    paths,
  );
  const printed = origin.requests.map(headersOf);
  const traces = printed.map(({ traceparent }) => traceparent.slice(3, 35));
  assert.equal(new Set(traces).size, 20);
  const spans = printed.map(({ traceparent }) => traceparent.slice(36, 52));
  assert.equal(new Set(spans).size, 20);
  const seconds = new Set(printed.map((headers) => headers["x-session-expires"]));
  assert.ok(seconds.size <= 2);
  const rest = printed.map(({ traceparent, "x-session-expires": _, ...headers }) =>
    JSON.stringify(headers),
  );
  assert.equal(new Set(rest).size, 1);
  assert.equal(printed[0]["x-session-data"], '{"a":1}');
  await untilRepeated(vestibule, 10);
  const lines = await until(() => {
    const lines = vestibule.logged("request").filter(({ trace_id }) => traces.includes(trace_id));
    return lines.length === 20 && lines;
  });
  assert.equal(new Set(lines.map(({ span_id }) => span_id)).size, 20);
  assert.equal(new Set(lines.map(({ handle }) => handle)).size, 1);
});

test("a request for an event stream never reuses a decision for another request", () => {
  const ignored = new Set(["accept"]);
  const like = (/** @type {string} */ one, /** @type {string} */ other) =>
    isAlike([["accept", one]], [["accept", other]], ignored);
  assert.equal(like("text/html", "*/*"), true);
  assert.equal(like("text/event-stream", "*/*"), false);
  assert.equal(like("*/*, text/event-stream;q=0.9", "*/*"), false);
  assert.equal(like("text/event-stream", "text/event-stream"), true);
});

test("ignored headers are forwarded with each request's own values", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await secondBegins();
  const accepted = ["text/html", "*/*", "image/webp", "*/*", "application/json", "text/html"];
  for (const accept of accepted) {
    const headers = { accept, "if-none-match": `"${accept}"`, "cf-ray": accept };
    await browser.fetch("/", { headers });
  }
  const printed = origin.requests.map(headersOf);
  assert.ok(
    printed.every((headers) => !("cf-ray" in headers)),
    "what is dropped stays dropped",
  );
  assert.deepEqual(
    printed.map(({ accept }) => accept),
    accepted,
  );
  assert.deepEqual(
    printed.map((headers) => headers["if-none-match"]),
    accepted.map((accept) => `"${accept}"`),
  );
  await untilRepeated(vestibule, 1);
});

test("header bytes that are not UTF-8 are forwarded by cached decisions too", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  const { host } = new URL(vestibule.url);
  const values = ["caf\u00e9", "\u00c3\u00a9", "a\tb", "plain", "\u0080\u00ff", "caf\u00e9"];
  await secondBegins();
  for (const value of values) {
    const lines = [`Cookie: ${browser.cookie}`, `Accept: ${value}`];
    assert.equal((await send(vestibule.port, { host, lines })).status, 200);
  }
  const printed = origin.requests.map((request) => headersOf(request).accept);
  // The platform decodes headers as UTF-8, with U+FFFD for invalid bytes.
  const read = values.map((value) => Buffer.from(value, "latin1").toString("utf8"));
  assert.deepEqual(
    printed,
    read.map((value) => Buffer.from(value, "utf8").toString("latin1")),
  );
  await untilRepeated(vestibule, 1);
});

test("requests with different relevant headers are decided individually", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  const ask = (/** @type {string} */ path, /** @type {Record<string, string>} */ headers) =>
    browser.fetch(path, { headers });
  await secondBegins();
  for (let at = 0; at < 6; at += 1) await ask("/", { "user-agent": `browser ${at % 2}` });
  await ask("/", { "x-one": "same value" });
  await ask("/", { "x-two": "same value" });
  await ask("/", { "x-case": "a long value" });
  await ask("/", { "x-case": "a long value", accept: "x".repeat(600) });
  for (const [at, path] of [
    `/?long=${"x".repeat(1_100)}`,
    "/socket.io/?EIO=4&transport=polling",
    "/a//b",
    "/a/.b",
    "/a;b",
    "/a%20b",
    "/my_session/x",
  ].entries()) {
    // A decision is cached when the other request comes.
    await ask("/", { "x-path": String(at) });
    await ask(path, { "x-path": String(at) });
  }
  const same = { host: new URL(vestibule.url).host, lines: [`Cookie: ${browser.cookie}`] };
  for (const method of ["GET", "HEAD", "POST"]) await send(vestibule.port, { method, ...same });
  const sent = origin.requests.length;
  assert.equal(sent, 27);
  await until(() => vestibule.logged("request").length > sent, { what: "lines" });
  await until(async () => (await counted(vestibule, "http_requests_total")) > sent);
  assert.equal(await repeated(vestibule), 0);
});

test("where rules depend on paths, only the same URL reuses a decision", async (t) => {
  const { browser, vestibule } = await deployment(t, { VAULT: "access_token" });
  await secondBegins();
  for (const path of ["/a", "/b", "/a", "/b"]) await browser.fetch(path);
  await until(async () => (await counted(vestibule, "http_requests_total")) > 4);
  assert.equal(await repeated(vestibule), 0);
  await secondBegins();
  for (let visit = 0; visit < 4; visit += 1) await browser.fetch("/a");
  await untilRepeated(vestibule, 1);
});

test("a cacheable response does not invalidate a cached decision", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await secondBegins();
  for (let file = 0; file < 12; file += 1) {
    await browser.fetch(`/files/${file}.js?cache-control=max-age%3D600`);
  }
  assert.equal(origin.requests.length, 12);
  await untilRepeated(vestibule, 6);
});

test("a sign-out takes effect with the next request", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await burst(browser);
  const [id] = origin.received("x-session-id");
  const cookie = browser.cookie;
  const answer = await browser.fetch("/_session/logout", {
    method: "POST",
    headers: { origin: vestibule.url },
  });
  assert.ok(answer.ok, String(answer.status));
  const before = origin.requests.length;
  await fetch(`${vestibule.url}/warm`, { headers: { cookie } });
  for (const { headers } of origin.requests.slice(before)) {
    assert.ok(!headers.some(([, value]) => value === id));
  }
  await untilRepeated(vestibule, 1);
});

test("data that an origin stores is sent with the next request", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  for (let round = 0; round < 5; round += 1) {
    await burst(browser);
    await browser.fetch(`/?x-session-patch=${encodeURIComponent(JSON.stringify({ round }))}`);
    await browser.fetch("/warm");
    assert.deepEqual(origin.received("x-session-data"), [JSON.stringify({ a: 1, round })]);
  }
  await untilRepeated(vestibule, 5);
});

test("a session revoked during a burst is rejected with the next request", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await burst(browser);
  const [id] = origin.received("x-session-id");
  const answer = await fetch(`${vestibule.url}/_session/admin/sessions?all=true`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${ADMIN}` },
  });
  assert.ok(answer.ok, String(answer.status));
  const before = origin.requests.length;
  await browser.fetch("/warm");
  for (const { headers } of origin.requests.slice(before)) {
    assert.ok(!headers.some(([, value]) => value === id));
  }
  await untilRepeated(vestibule, 1);
});

test("a refused request invalidates no cached decision", async (t) => {
  const { browser, vestibule } = await deployment(t, { LOGIN_MODE: "optional" });
  const { host } = new URL(vestibule.url);
  await secondBegins();
  for (let visit = 0; visit < 6; visit += 1) {
    await browser.fetch("/warm");
    const lines = ["Upgrade: websocket"];
    const { status } = await send(vestibule.port, { host, lines });
    assert.equal(status, 426);
  }
  await untilRepeated(vestibule, 3);
});

test("a flood of one forged cookie reuses one refusal, with a new trace for each response", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  const { host } = new URL(vestibule.url);
  let ray = 0;
  /** Each request has its own value of a header that no decision depends on, as the platform adds it. */
  const ask = ({ method = "GET", accept = "*/*", target = "/" } = {}) => {
    ray += 1;
    const cookie = `Cookie: vestibule-session=${"A".repeat(112)}`;
    const lines = [cookie, `Accept: ${accept}`, `CF-Ray: ${ray}`];
    return send(vestibule.port, { method, host, target, lines });
  };
  const flood = await Promise.all(Array.from({ length: 320 }, () => ask()));
  assert.deepEqual([...new Set(flood.map(({ status }) => status))].sort(), [200, 429]);
  const passed = origin.requests.length;
  const refused = [];
  for (let visit = 0; visit < 40; visit += 1) refused.push(await ask());
  // A refusal is cached when each of these comes.
  const page = await ask({ accept: "text/html" });
  await ask();
  const health = await ask({ target: "/_session/healthz" });
  await ask();
  const head = await ask({ method: "HEAD" });

  assert.ok(refused.every(({ status, code }) => status === 429 && code === "too_many_forgeries"));
  assert.match(page.body, /<html/, "a browser gets a page");
  assert.equal(health.status, 200, "the liveness check responds");
  assert.deepEqual([head.status, head.body], [429, ""]);
  assert.equal(origin.requests.length, passed);
  const good = await browser.fetch("/_session/me");
  assert.equal(good.status, 200, "a valid cookie is accepted");

  const traces = refused.map(({ body }) => /"trace_id":"(\w{32})"/.exec(body)?.[1] ?? "");
  assert.equal(new Set(traces).size, 40);
  const lines = await until(() => {
    const lines = vestibule.logged("request").filter(({ trace_id }) => traces.includes(trace_id));
    return lines.length === 40 && lines;
  });
  assert.equal(new Set(lines.map(({ span_id }) => span_id)).size, 40);
  assert.ok(lines.every(({ reason, status }) => reason === "too_many_forgeries" && status === 429));
  // More repetitions than the twenty of the flood itself.
  await untilRepeated(vestibule, 30);
});

test("a request to a reserved path invalidates cached decisions", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  for (let visit = 0; visit < 6; visit += 1) {
    await browser.fetch("/warm");
    assert.equal((await browser.fetch("/_session/me")).status, 200);
  }
  const answered = 2 * origin.requests.length;
  await until(async () => (await counted(vestibule, "http_requests_total")) > answered);
  assert.equal(await repeated(vestibule), 0);
});

test("reserved paths in any spelling are never cached", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  const { host } = new URL(vestibule.url);
  const lines = [`Cookie: ${browser.cookie}`];
  const ask = (/** @type {string} */ target) => send(vestibule.port, { target, host, lines });
  await secondBegins();
  for (const target of ["/warm", "/warm", "/other"]) {
    assert.equal((await ask(target)).status, 200, target);
  }
  assert.equal(origin.requests.length, 3);
  for (const [target, status] of /** @type {[string, number][]} */ ([
    ["/_session/me", 200],
    ["/%5Fsession/me", 400],
    ["/a/..%2f_session/me", 400],
    ["/_SESSION/me", 400],
    ["//_session/me", 400],
    ["/_session;x=1/me", 400],
  ])) {
    // A decision is cached when each of them comes.
    await ask("/warm");
    /** @type {number} */
    const before = origin.requests.length;
    assert.equal((await ask(target)).status, status, target);
    assert.equal(origin.requests.length, before, target);
  }
  await untilRepeated(vestibule, 2);
});

test("a cookie that differs in one character reuses no decision", async (t) => {
  const { browser, origin, vestibule } = await deployment(t, { LOGIN_MODE: "off" });
  await burst(browser);
  const [id] = origin.received("x-session-id");
  const session = browser.session;
  const other = session.at(-2) === "A" ? "B" : "A";
  const forged = `vestibule-session=${session.slice(0, -2)}${other}${session.slice(-1)}`;
  await fetch(`${vestibule.url}/warm`, { headers: { cookie: forged } });
  assert.notDeepEqual(origin.received("x-session-id"), [id]);
  await untilRepeated(vestibule, 1);
});

test("a client's trace is continued during a burst too", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await burst(browser);
  const trace = "0af7651916cd43dd8448eb211c80319c";
  await browser.fetch("/warm", { headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } });
  assert.equal(origin.received("traceparent")[0].slice(3, 35), trace);
  await browser.fetch("/warm");
  assert.notEqual(origin.received("traceparent")[0].slice(3, 35), trace);
  await untilRepeated(vestibule, 1);
});

test("a response that identifies the user takes effect within a burst", async (t) => {
  const { browser, origin, vestibule } = await deployment(t);
  await burst(browser);
  const cookie = browser.cookie;
  await browser.fetch("/warm?x-session-identify=%7B%22user%22%3A%22ada%22%7D");
  assert.notEqual(browser.cookie, cookie);
  await browser.fetch("/warm");
  assert.deepEqual(origin.received("x-session-user"), ["ada"]);
  await untilRepeated(vestibule, 1);
});

test("an origin that dies during a burst is replaced without a failed request", async (t) => {
  const origins = [await Origin.start(t), await Origin.start(t)];
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origins[0].url}`, `b=${origins[1].url}`],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "50" },
  });
  const browser = new Browser(vestibule.url);
  await browser.fetch("/");
  const home = origins[0].requests.length > 0 ? 0 : 1;
  await burst(browser);
  await origins[home].stop();
  const answer = await browser.fetch("/after");
  assert.equal(answer.status, 200);
  assert.equal(origins[1 - home].requests.at(-1)?.url, "/after");
  const [trace] = origins[1 - home].received("traceparent").map((parent) => parent.slice(3, 35));
  const [failed] = await until(() => {
    const lines = vestibule.logged("origin_failed");
    return lines.length > 0 && lines;
  });
  assert.equal(failed.trace_id, trace);
  await untilRepeated(vestibule, 1);
});

test("an origin with gateway errors is replaced within the same second", async (t) => {
  let failing = -1;
  const answer =
    (/** @type {number} */ at) => (/** @type {Message} */ _, /** @type {Reply} */ reply) =>
      void reply.writeHead(at === failing ? 502 : 200).end();
  const origins = [await Origin.start(t, answer(0)), await Origin.start(t, answer(1))];
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origins[0].url}`, `b=${origins[1].url}`],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "50" },
  });
  const browser = new Browser(vestibule.url);
  await browser.fetch("/");
  const home = origins[0].requests.length > 0 ? 0 : 1;
  await burst(browser);
  // This many gateway errors in a row eject it if the probe gets one, too.
  failing = home;
  for (let fault = 0; fault < 5; fault += 1) await browser.fetch("/fail");
  await browser.fetch("/after");
  assert.equal(origins[1 - home].requests.at(-1)?.url, "/after");
  await untilRepeated(vestibule, 1);
});

test("DECISIONS=each decides every request individually", async (t) => {
  const { browser, vestibule, origin } = await deployment(t, { DECISIONS: "each" });
  await burst(browser);
  await until(() => vestibule.logged("request").length >= 5, { what: "lines" });
  assert.equal(origin.requests.length, 4);
  assert.equal(await repeated(vestibule), 0);
});
