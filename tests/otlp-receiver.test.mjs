/** Tests the receiver of traces that other tests use: it accepts valid requests and nothing else. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Collector, collectorMissing } from "./harness/collector.mjs";
import { faultsOf, OtlpReceiver } from "./harness/otlp.mjs";
import { until } from "./harness/until.mjs";

const TRACE = "5b8efff798038103d269b633813fc60c";
const SPAN = {
  traceId: TRACE,
  spanId: "eee19b7ec3c1b174",
  name: "GET",
  kind: 2,
  startTimeUnixNano: "1544712660000000000",
  endTimeUnixNano: "1544712661000000000",
};

/** @param {Record<string, unknown>} change */
function body(change = {}) {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "vestibule" } }] },
        scopeSpans: [{ scope: { name: "vestibule" }, spans: [{ ...SPAN, ...change }] }],
      },
    ],
  });
}

/**
 * @param {{ url: string }} receiver
 * @param {string | Buffer} text
 * @param {Record<string, string>} [headers]
 */
function post({ url }, text, headers = {}) {
  return fetch(`${url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: /** @type {BodyInit} */ (text),
  });
}

/** @param {Record<string, unknown>} value */
const attribute = (value) => ({ attributes: [{ key: "a", value }] });

test("the example of the specification is valid", () => {
  const example = path.resolve(import.meta.dirname, "otlp/examples/trace.json");
  assert.deepEqual(faultsOf(readFileSync(example, "utf8")), []);
});

/** @type {[string, Record<string, unknown>][]} */
const SOUND = [
  ["a root span", { parentSpanId: "" }],
  ["a child span", { parentSpanId: "eee19b7ec3c1b173" }],
  ["ids in capitals", { traceId: TRACE.toUpperCase() }],
  ["an integer as string", attribute({ intValue: "200" })],
  ["an integer as number", attribute({ intValue: 200 })],
  ["a fraction", attribute({ doubleValue: 0.5 })],
  ["a list", attribute({ arrayValue: { values: [{ stringValue: "x" }, { boolValue: true }] } })],
  ["an event", { events: [{ timeUnixNano: "1", name: "ejected" }] }],
  ["a link", { links: [{ traceId: TRACE, spanId: "eee19b7ec3c1b175" }] }],
  ["a status", { status: { code: 2, message: "lost" } }],
  ["flags and state", { flags: 257, traceState: "a=b" }],
];

for (const [what, change] of SOUND) {
  test(`a valid span is accepted: ${what}`, () => assert.deepEqual(faultsOf(body(change)), []));
}

for (const [what, change, fault] of /** @type {[string, Record<string, unknown>, RegExp][]} */ ([
  ["an unknown field", { colour: "red" }, /spans\[0\]\.colour is unknown/],
  ["a field in snake case", { parent_span_id: "eee19b7ec3c1b173" }, /parent_span_id is unknown/],
  ["ids in base64", { traceId: "W47/95gDgQPSabYzgT/GDA==" }, /traceId is no id of 32 hex/],
  ["an id of zeros", { spanId: "0000000000000000" }, /spanId is no id of 16 hex/],
  ["no id", { spanId: undefined }, /spanId is missing/],
  ["no name", { name: undefined }, /name is missing/],
  ["a kind by name", { kind: "SPAN_KIND_SERVER" }, /kind is no number of .*SpanKind/],
  ["an unknown kind", { kind: 6 }, /kind is no number of .*SpanKind/],
  ["no kind", { kind: 0 }, /kind is missing/],
  ["a status by name", { status: { code: "ERROR" } }, /status\.code is no number/],
  [
    "a time as a rounded number",
    { endTimeUnixNano: 1544712661000000000 },
    /endTimeUnixNano is no fixed64/,
  ],
  ["a fractional time", { startTimeUnixNano: "1.5" }, /startTimeUnixNano is no fixed64/],
  ["a negative time", { startTimeUnixNano: "-1" }, /startTimeUnixNano is no fixed64/],
  ["time running backwards", { endTimeUnixNano: "1" }, /ends before it begins/],
  ["no end", { endTimeUnixNano: undefined }, /no beginning or no end/],
  ["a bare attribute", { attributes: { a: "b" } }, /attributes is no array/],
  ["a bare value", attribute(/** @type {any} */ ("b")), /attributes\[0\]\.value is no object/],
  ["two values", attribute({ stringValue: "b", intValue: 1 }), /intValue is one too many/],
  ["a number as string value", attribute({ stringValue: 1 }), /stringValue is no string/],
  ["an integer beyond 64 bits", attribute({ intValue: `${2n ** 63n}` }), /intValue is no int64/],
  ["no number at all", attribute({ doubleValue: "NaN" }), /doubleValue is no double/],
  ["half a surrogate pair", attribute({ stringValue: "\ud800" }), /stringValue is no string/],
  ["an attribute without key", { attributes: [{ value: {} }] }, /attributes\[0\]\.key is missing/],
  [
    "an attribute twice",
    { attributes: [{ key: "a" }, { key: "a" }] },
    /spans\[0\]\.attributes has a twice/,
  ],
  ["null", { traceState: null }, /traceState is no string/],
  ["a link without ids", { links: [{ traceId: TRACE }] }, /links\[0\]\.spanId is missing/],
])) {
  test(`an invalid span is rejected: ${what}`, () => {
    const faults = faultsOf(body(change));
    assert.match(faults.join("\n"), fault);
    assert.equal(
      faults.filter((line) => !fault.test(line) && !/no beginning/.test(line)).length,
      0,
    );
  });
}

for (const text of ["", "[]", "{", '"x"', '{"resourceSpans":{}}', '{"resource_spans":[]}']) {
  test(`an invalid request is rejected: ${text || "nothing"}`, () =>
    assert.equal(faultsOf(text).length, 1));
}

test("a real collector accepts valid spans", { skip: await collectorMissing() }, async (t) => {
  const collector = await Collector.start(t);
  for (const [what, change] of SOUND) {
    assert.equal(
      (await post(collector, body(change))).status,
      200,
      `${what}: ${collector.printed}`,
    );
  }
  await until(() => collector.spans.length === SOUND.length, { what: "the spans" });
  assert.deepEqual(collector.spans[1], {
    traceId: TRACE,
    spanId: SPAN.spanId,
    parentSpanId: "eee19b7ec3c1b173",
    name: "GET",
    kind: "SERVER",
  });
  assert.equal((await post(collector, body({ kind: "SERVER" }))).status, 400);
});

test("the receiver accepts and keeps valid requests, gzipped ones too", async (t) => {
  const receiver = await OtlpReceiver.start(t);
  const attributes = [
    { key: "http.response.status_code", value: { intValue: "502" } },
    { key: "vestibule.origin", value: { stringValue: "a" } },
  ];
  const answer = await post(receiver, body({ attributes, status: { code: 2 } }), { "x-key": "k" });
  assert.deepEqual([answer.status, await answer.json()], [200, {}]);
  const zipped = await post(receiver, gzipSync(body()), { "content-encoding": "gzip" });
  assert.equal(zipped.status, 200);
  assert.equal(receiver.received[0].headers["x-key"], "k");
  assert.equal(receiver.trace(TRACE).length, 2);
  assert.deepEqual(receiver.spans[0], {
    traceId: TRACE,
    spanId: SPAN.spanId,
    parentSpanId: "",
    name: "GET",
    kind: "SERVER",
    start: 1544712660000000000n,
    end: 1544712661000000000n,
    attributes: { "http.response.status_code": 502, "vestibule.origin": "a" },
    status: "error",
    resource: { "service.name": "vestibule" },
  });
});

test("the receiver rejects invalid requests with the reason", async (t) => {
  const receiver = await OtlpReceiver.start(t);
  const answer = await post(receiver, body({ kind: "SERVER" }));
  assert.equal(answer.status, 400);
  assert.match((await answer.json()).message, /kind is no number/);
  assert.equal((await post(receiver, body(), { "content-type": "text/plain" })).status, 415);
  assert.equal((await fetch(`${receiver.url}/v1/traces`)).status, 405);
  assert.equal((await fetch(`${receiver.url}/v1/trace`, { method: "POST" })).status, 404);
  assert.equal(receiver.faults.length, 4);
  assert.deepEqual(receiver.spans, []);
});

test("the receiver fails on demand, keeps what it was sent, and recovers", async (t) => {
  const receiver = await OtlpReceiver.start(t);
  receiver.mood = 429;
  receiver.retryAfter = 7;
  const busy = await post(receiver, body());
  assert.deepEqual([busy.status, busy.headers.get("retry-after")], [429, "7"]);
  receiver.mood = 503;
  assert.equal((await post(receiver, body())).status, 503);
  receiver.mood = "reset";
  await assert.rejects(post(receiver, body()));
  receiver.mood = "hang";
  const gone = new AbortController();
  const hung = fetch(`${receiver.url}/v1/traces`, {
    method: "POST",
    body: body(),
    signal: gone.signal,
  });
  const rejected = assert.rejects(hung, { name: "AbortError" });
  await until(() => receiver.received.length === 4, { what: "the request that hangs" });
  gone.abort();
  await rejected;
  assert.deepEqual([receiver.received.length, receiver.spans.length], [4, 0]);
  await receiver.stop();
  await assert.rejects(post(receiver, body()));
  await receiver.comeBack();
  receiver.mood = "fine";
  assert.equal((await post(receiver, body())).status, 200);
});
