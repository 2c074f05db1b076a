/** Tests exported traces as a collector receives them, and that a failing collector does not affect visitors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Collector, collectorMissing } from "./harness/collector.mjs";
import { read } from "./harness/cookie.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { OtlpReceiver } from "./harness/otlp.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const HOST = "acme.localhost";
const ADMIN = "an-admin-token-for-tests";
const PARENT = "b7ad6b7169203331";
const NAMES = [
  ...["session lookup", "cookie", "cache", "kv", "object", "choose origin", "origin"],
  ...["serialise session", "write-back"],
];

/** Spans are sent after the response, and counts some seconds later. */
const SOON = { within: 30_000 };

/** Number of trace ids made so far; each request gets its own. */
let traces = 0;

/** @param {{ sampled: boolean }} decision a client's */
function context({ sampled }) {
  traces += 1;
  const traceId = `0af7651916cd43dd${traces.toString(16).padStart(16, "0")}`;
  return { traceId, line: `traceparent: 00-${traceId}-${PARENT}-${sampled ? "01" : "00"}` };
}

/**
 * Opens a tenant with the given sampling, and a receiver of traces.
 * @param {import("node:test").TestContext} t
 * @param {{ sample?: number, endpoint?: string, vars?: Record<string, string>, password?: string }} [options]
 */
async function deployment(t, { sample = 0, endpoint, vars = {}, password } = {}) {
  const receiver = await OtlpReceiver.start(t);
  const origin = await Origin.start(t, (request, reply) => {
    if (request.url?.startsWith("/store"))
      reply.setHeader("x-session-patch", '{"note":"words-of-the-session"}');
    reply.end("ok");
  });
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const document = {
    id: "acme",
    hosts: [HOST],
    origins: [{ name: "a", url: origin.url }],
    telemetry: { trace_one_in: sample, trace_callers: true },
    login: password === undefined ? {} : { mode: "optional", methods: { password: true } },
  };
  if (password !== undefined) enrol({ tenants }, "acme", { user: "ada", password });
  tenants.plant(`host:${HOST}`, "acme");
  tenants.plant("tenant:acme", JSON.stringify(document));
  const vestibule = await Vestibule.start(t, {
    tenants,
    origins: [],
    vars: {
      ADMIN_TOKEN: ADMIN,
      TELEMETRY_EVERY: "250",
      OTLP_ENDPOINT: endpoint ?? receiver.url,
      ...vars,
    },
  });
  /** @param {Parameters<typeof send>[1]} [request] */
  const visit = (request) => send(vestibule.port, { host: HOST, ...request });
  return { receiver, origin, vestibule, visit };
}

/**
 * Waits for a trace's root and further expected spans, and returns its spans.
 * @param {OtlpReceiver} receiver
 * @param {string} traceId
 * @param {string[]} [names]
 */
async function arrived(receiver, traceId, names = []) {
  const root = await until(
    () => {
      if (receiver.faults.length > 0) assert.fail(receiver.faults.join("\n"));
      const spans = receiver.trace(traceId);
      const complete = names.every((wanted) => spans.some(({ name }) => name === wanted));
      return complete && spans.find(({ kind }) => kind === "SERVER");
    },
    { ...SOON, what: `trace ${traceId} with ${["its root", ...names].join(", ")}` },
  );
  return { root, spans: receiver.trace(traceId) };
}

test("a client's trace continues through Vestibule to the origin", async (t) => {
  const { receiver, origin, visit } = await deployment(t);
  const { traceId, line } = context({ sampled: true });
  assert.equal((await visit({ lines: [line] })).status, 200);
  const { root, spans } = await arrived(receiver, traceId, ["origin"]);
  assert.equal(root.parentSpanId, PARENT);
  const toOrigin = spans.filter(({ name }) => name === "origin");
  assert.deepEqual(
    toOrigin.map(({ kind }) => kind),
    ["CLIENT"],
  );
  assert.deepEqual(origin.received("traceparent"), [`00-${traceId}-${toOrigin[0].spanId}-01`]);
});

test("the root span has method, tenant and status", async (t) => {
  const { receiver, origin, visit } = await deployment(t);
  const { traceId, line } = context({ sampled: true });
  await visit({ method: "POST", target: "/store", lines: [line, "Content-Length: 0"] });
  const { root } = await arrived(receiver, traceId);
  assert.deepEqual([root.name, root.kind, root.status], ["POST", "SERVER", "unset"]);
  assert.equal(root.resource["service.name"], "vestibule");
  assert.deepEqual(
    Object.fromEntries(Object.entries(root.attributes).filter(([name]) => name in EXPECTED)),
    { ...EXPECTED, "vestibule.handle": origin.received("x-session-id")[0] },
  );
});

const EXPECTED = {
  "http.request.method": "POST",
  "http.response.status_code": 200,
  "url.scheme": "http",
  "vestibule.tenant": "acme",
  "vestibule.handle": "",
  "vestibule.origin": "a",
};

test("every span lies within its parent, and all descend from the root", async (t) => {
  const { receiver, visit } = await deployment(t);
  const first = await visit({ target: "/store" });
  const [cookie] = header(first, "set-cookie").map((line) => line.split(";")[0]);
  const { traceId, line } = context({ sampled: true });
  await visit({ target: "/store", lines: [line, `Cookie: ${cookie}`] });
  const expected = [
    ...["session lookup", "cookie", "choose origin", "origin"],
    ...["serialise session", "write-back"],
  ];
  const { root, spans } = await arrived(receiver, traceId, expected);
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
  const names = spans.filter((span) => span !== root).map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => !NAMES.includes(name)),
    [],
  );
  const parents = Object.fromEntries(
    spans.map(({ name, parentSpanId }) => [
      name,
      spans.find(({ spanId }) => spanId === parentSpanId)?.name,
    ]),
  );
  assert.equal(parents["session lookup"], root.name);
  assert.equal(parents.cookie, "session lookup");
  assert.equal(parents["serialise session"], root.name);
  const [{ attributes }] = spans.filter(({ name }) => name === "serialise session");
  assert.ok(Number(attributes["vestibule.bytes"]) > 0, JSON.stringify(attributes));
  for (const span of spans) {
    if (span === root) continue;
    const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
    assert.ok(parent, `${span.name} has no parent`);
    assert.ok(span.start >= parent.start && span.end <= parent.end, `${span.name} is too long`);
  }
  const now = BigInt(Date.now()) * 1_000_000n;
  assert.ok(now - root.start < 60_000_000_000n && root.end <= now + 1_000_000_000n, "the clock");
});

test("a lookup in storage is part of the session's lookup", async (t) => {
  const { receiver, visit, vestibule } = await deployment(t);
  const first = await visit({ target: "/store" });
  const [cookie] = header(first, "set-cookie").map((line) => line.split(";")[0]);
  await vestibule.restart();
  const { traceId, line } = context({ sampled: true });
  await visit({ lines: [line, `Cookie: ${cookie}`] });
  const { spans } = await arrived(receiver, traceId, ["session lookup"]);
  const [lookup] = spans.filter(({ name }) => name === "session lookup");
  assert.match(String(lookup.attributes["vestibule.session"]), /^(?:miss|object)$/);
  const below = spans.filter(({ parentSpanId }) => parentSpanId === lookup.spanId);
  const names = below.map(({ name }) => name);
  assert.ok(names.includes("cookie") && names.includes("cache"), names.join());
  assert.ok(names.includes("kv") || names.includes("object"), names.join());
});

const PASSWORD = "correct horse battery staple";

for (const [password, result] of [
  [PASSWORD, "ok"],
  ["a wrong one", "refused"],
]) {
  test(`a sign-in by password is a span with its hash below it: ${result}`, async (t) => {
    const { receiver, visit } = await deployment(t, { password: PASSWORD });
    const { traceId, line } = context({ sampled: true });
    const body = new URLSearchParams({ username: "ada", password }).toString();
    await visit({
      method: "POST",
      target: "/_session/login",
      lines: [
        line,
        "Content-Type: application/x-www-form-urlencoded",
        `Content-Length: ${body.length}`,
        `Origin: http://${HOST}`,
      ],
      body,
    });
    const { root, spans } = await arrived(receiver, traceId, ["sign in", "login"]);
    const [signIn] = spans.filter(({ name }) => name === "sign in");
    assert.equal(signIn.parentSpanId, root.spanId);
    assert.deepEqual(
      [
        signIn.attributes["vestibule.sign_in.method"],
        signIn.attributes["vestibule.sign_in.result"],
      ],
      ["password", result],
    );
    const logins = spans.filter(({ name }) => name === "login");
    assert.ok(
      logins.length > 0 && logins.every(({ parentSpanId }) => parentSpanId === signIn.spanId),
    );
    const changes = spans.filter(({ name }) => name === "serialise session");
    assert.equal(changes.length > 0, result === "ok");
  });
}

test("failed requests are exported unsampled, successful ones are not", async (t) => {
  const { receiver, origin, visit } = await deployment(t, { sample: 0 });
  const good = context({ sampled: false });
  const begun = await visit();
  const continued = await visit({ lines: [good.line] });
  assert.deepEqual([begun.status, continued.status], [200, 200]);
  assert.match(origin.received("traceparent")[0], new RegExp(`^00-${good.traceId}-\\w{16}-00$`));
  await origin.stop();
  const bad = context({ sampled: false });
  assert.equal((await visit({ lines: [bad.line] })).status, 502);
  const { root, spans } = await arrived(receiver, bad.traceId, ["origin"]);
  assert.deepEqual([root.status, root.attributes["http.response.status_code"]], ["error", 502]);
  assert.equal(spans.find(({ name }) => name === "origin")?.status, "error");
  assert.deepEqual(
    receiver.spans.filter(({ traceId }) => traceId !== bad.traceId),
    [],
  );
});

test("a tenant that samples everything gets a new trace for each request", async (t) => {
  const { receiver, origin, visit } = await deployment(t, { sample: 1 });
  await visit();
  const [, traceId = ""] = /^00-(\w{32})-\w{16}-01$/.exec(origin.received("traceparent")[0]) ?? [];
  const { root } = await arrived(receiver, traceId);
  assert.equal(root.parentSpanId, "");
});

for (const mood of /** @type {const} */ ([503, 429, "reset", "hang", "gone"])) {
  test(`a collector's failure (${mood}) does not affect visitors and is counted`, async (t) => {
    const { receiver, visit } = await deployment(t, { sample: 1 });
    if (mood === "gone") await receiver.stop();
    else receiver.mood = mood;
    receiver.retryAfter = 3600;
    for (let request = 0; request < 5; request += 1) {
      const { status, body } = await visit();
      assert.deepEqual([status, /ok/.test(body)], [200, true]);
    }
    await until(async () => (await lost(visit)) > 0, { ...SOON, what: "lost spans" });
    assert.deepEqual(receiver.spans, []);
  });
}

test("a recovered collector gets spans again", async (t) => {
  const { receiver, visit } = await deployment(t, { sample: 1 });
  await receiver.stop();
  await visit();
  await until(async () => (await lost(visit)) > 0, { ...SOON, what: "lost spans" });
  await receiver.comeBack();
  await until(async () => (await visit()) && receiver.spans.length > 0, SOON);
  assert.deepEqual(receiver.faults, []);
});

/**
 * Returns the number of lost spans on the page of metrics.
 * @param {(request: { target: string, lines: string[] }) => Promise<{ body: string }>} visit
 */
async function lost(visit) {
  const { body } = await visit({
    target: "/_session/admin/metrics",
    lines: [`Authorization: Bearer ${ADMIN}`],
  });
  return Number(/^vestibule_telemetry_spans_total\{result="lost"\} (\d+)/m.exec(body)?.[1] ?? 0);
}

test("the collector gets its configured headers and JSON", async (t) => {
  const { receiver, visit } = await deployment(t, {
    sample: 1,
    vars: { OTLP_HEADERS: "x-api-key=key-for-tests,x-dataset=edge" },
  });
  await visit();
  const [{ headers }] = await until(() => receiver.received.length > 0 && receiver.received, SOON);
  assert.deepEqual([headers["x-api-key"], headers["x-dataset"]], ["key-for-tests", "edge"]);
  assert.match(headers["content-type"] ?? "", /^application\/json/);
});

test("badly escaped collector headers stop neither traces nor metrics", async (t) => {
  const { receiver, visit, vestibule } = await deployment(t, {
    sample: 1,
    vars: { OTLP_HEADERS: "x-api-key=100%zz" },
  });
  await visit();
  const [{ headers }] = await until(() => receiver.received.length > 0 && receiver.received, SOON);
  assert.equal(headers["x-api-key"], "100%zz");
  await until(async () => {
    const page = await fetch(`${vestibule.url}/_session/admin/metrics`, {
      headers: { authorization: `Bearer ${ADMIN}` },
    });
    return /^http_requests_total\{tenant="acme",method="GET",status="200"\} 1$/m.test(
      await page.text(),
    );
  }, SOON);
});

test("no secret is exported", async (t) => {
  const { receiver, visit, vestibule } = await deployment(t, { sample: 1 });
  const first = await visit({ target: "/store" });
  const [pair] = header(first, "set-cookie").map((line) => line.split(";")[0]);
  const cookie = pair.slice(pair.indexOf("=") + 1);
  const { traceId, line } = context({ sampled: true });
  await visit({
    target: "/search?q=private-words&token=query-token",
    lines: [line, `Cookie: ${pair}; theirs=cookie-of-theirs`, "Authorization: Bearer bearer-token"],
  });
  await arrived(receiver, traceId);
  const { id } = read(cookie);
  const exported = receiver.received
    .map(({ headers, body }) => JSON.stringify(headers) + body)
    .join("\n");
  for (const secret of [
    cookie,
    id.toString("hex"),
    id.toString("base64url"),
    vestibule.keys,
    ADMIN,
    "private-words",
    "query-token",
    "bearer-token",
    "cookie-of-theirs",
    "words-of-the-session",
  ]) {
    assert.ok(!exported.includes(secret), secret);
  }
});

test("a real collector accepts the export", { skip: await collectorMissing() }, async (t) => {
  const collector = await Collector.start(t);
  const { origin, visit } = await deployment(t, { endpoint: collector.url });
  const { traceId, line } = context({ sampled: true });
  await visit({ lines: [line] });
  const spans = await until(
    () => {
      const seen = collector.spans.filter((span) => span.traceId === traceId);
      return seen.some(({ kind }) => kind === "SERVER") && seen.length > 1 && seen;
    },
    { ...SOON, what: "the spans at the collector" },
  );
  assert.equal(spans.find(({ kind }) => kind === "SERVER")?.parentSpanId, PARENT);
  const toOrigin = spans.find(({ name }) => name === "origin");
  assert.deepEqual(origin.received("traceparent"), [`00-${traceId}-${toOrigin?.spanId}-01`]);
});

test("Server-Timing is sent only where enabled", async (t) => {
  const { visit } = await deployment(t, { vars: { SERVER_TIMING: "true" } });
  const [timing = ""] = header(await visit(), "server-timing");
  assert.match(timing, /^[\w-]+;(desc="[^"]*";)?dur=\d+(\.\d+)?(, ?[\w-]+;.*)?$/);
  const { visit: quiet } = await deployment(t);
  assert.deepEqual(header(await quiet(), "server-timing"), []);
});
