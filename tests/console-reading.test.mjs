/** Tests the console's computations: positions in JSON, differences, rates and quantiles. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { occupied, quantile, ticks } from "../www/console/histogram.js";
import { continued, grown, per, perSecond } from "../www/console/rates.js";
import { completion } from "../www/console/tenant/complete.js";
import { condensed, diff } from "../www/console/tenant/diff.js";
import { renamed, withValue } from "../www/console/tenant/document.js";
import { lineOf, nodeAt, nodeOf, read } from "../www/console/tenant/json-text.js";
import { addition, kindOf, schemaAt } from "../www/console/tenant/schema.js";

const DOCUMENT = `{
  "id": "acme",
  "headers": { "X-User": "user" },
  "origins": [
    { "url": "http://a" },
    { "url": "http://b", "weight": 2 }
  ]
}`;

/** @param {string} text */
function sound(text) {
  const { root } = read(text);
  assert.ok(root);
  return root;
}

for (const [what, text, line, problem] of /** @type {[string, string, number, RegExp][]} */ ([
  ["an empty text", "", 1, /value is missing/],
  ["a surplus comma", '{\n"a": 1,\n}', 3, /Remove the comma before this }/],
  ["a missing comma", '{\n"a": 1\n"b": 2\n}', 3, /comma or } is missing/],
  ["an unclosed list", '{\n"a": [\n1, 2\n', 2, /comma or \] is missing/],
  ["a bare key", "{\na: 1}", 2, /double quotes/],
  ["a duplicate key", '{"a": 1,\n"a": 2}', 2, /twice/],
  ["an unclosed string", '{\n"a": "x\n}', 2, /no end/],
  ["a Python literal", '{"a":\nundefined}', 2, /not JSON/],
  ["text after the end", "{}\n{}", 2, /ends before this/],
])) {
  test(`the line of a JSON error is found: ${what}`, () => {
    const { root, mistake } = read(text);
    assert.equal(root, null);
    assert.ok(mistake);
    assert.equal(lineOf(text, mistake.at), line);
    assert.match(mistake.problem, problem);
  });
}

test("the parser accepts exactly the texts that JSON.parse accepts", () => {
  for (const text of ["1", "-0.5e+3", '"\\u00e4\\n"', "[]", "{}", " [true, null] ", DOCUMENT]) {
    assert.doesNotThrow(() => JSON.parse(text));
    assert.ok(read(text).root, text);
  }
  for (const text of ["01", "1.", "'a'", "[1,]", '"\\x"', '"\t"', "+1", "NaN", "tru", "{,}"]) {
    assert.throws(() => JSON.parse(text));
    assert.ok(read(text).mistake, text);
  }
});

test("a fault's path leads to its line, or to the nearest existing one", () => {
  const root = sound(DOCUMENT);
  for (const [path, line] of /** @type {[string, number][]} */ ([
    ["id", 2],
    ["headers.X-User", 3],
    ["origins", 4],
    ["origins[0].url", 5],
    ["origins[1].weight", 6],
    ["origins[1].state", 6],
    ["login.mode", 1],
  ])) {
    assert.equal(lineOf(DOCUMENT, nodeOf(root, path).from), line, path);
  }
});

test("the caret's position yields the path of its JSON value", () => {
  const root = sound(DOCUMENT);
  assert.equal(nodeAt(root, DOCUMENT.indexOf("http://b")).path, "origins[1].url");
  assert.equal(nodeAt(root, DOCUMENT.indexOf('{ "url": "http://a"') + 1).path, "origins[0]");
  assert.equal(nodeAt(root, DOCUMENT.length).path, "");
});

test("the outline's insertions leave valid JSON at any place", () => {
  const schema = {
    type: "object",
    properties: {
      vault: { type: "array", items: { type: "string" } },
      login: { type: "object", required: ["mode"], properties: { mode: { enum: ["off", "on"] } } },
    },
  };
  for (const [text, key, expected] of /** @type {[string, string, unknown][]} */ ([
    ["{}", "vault", { vault: [] }],
    ['{\n  "a": 1\n}', "vault", { a: 1, vault: [] }],
    ['{ "a": 1 }', "login", { a: 1, login: { mode: "off" } }],
  ])) {
    const inner = schemaAt(schema, [key]);
    assert.ok(inner);
    const { from, to, text: added } = addition(text, sound(text), key, inner);
    assert.deepEqual(JSON.parse(text.slice(0, from) + added + text.slice(to)), expected);
  }
  assert.equal(kindOf({ enum: ["a", "b"] }), "a | b");
});

test("a diff transforms one text into the other", () => {
  const texts = ["", "a", "a\nb\nc", "b\nc\nd", "x\na\nb\nb\nc\ny", "c\nb\na", "a\na\na\nb"];
  for (const before of texts) {
    for (const after of texts) {
      const changes = diff(before, after);
      const received = (/** @type {string} */ without) =>
        changes
          .filter(({ kind }) => kind !== without)
          .map(({ text }) => text)
          .join("\n");
      assert.equal(received("new"), before);
      assert.equal(received("gone"), after);
      if (before === after) assert.ok(changes.every(({ kind }) => kind === "same"));
    }
  }
});

test("the diff of a long text shows only lines near a change", () => {
  const lines = Array.from({ length: 40 }, (_, at) => `line ${at}`);
  const after = lines.with(20, "another");
  const shown = condensed(diff(lines.join("\n"), after.join("\n")));
  assert.deepEqual(
    shown.map((change) => change?.text ?? null),
    [
      null,
      "line 17",
      "line 18",
      "line 19",
      "line 20",
      "another",
      "line 21",
      "line 22",
      "line 23",
      null,
    ],
  );
});

/**
 * @param {number} at
 * @param {number} requests
 */
function point(at, requests) {
  return {
    at,
    requests,
    errors: 0,
    edge_seconds: requests / 100,
    origin_seconds: 0,
    kv_reads: 0,
    kv_writes: 0,
    object_calls: 0,
    sessions_active: 1,
    streams_active: 0,
  };
}

test("a rate covers several seconds, and a counter reset gives no negative rate", () => {
  assert.equal(grown(100, 130), 30);
  assert.equal(grown(100, 30), 30);
  const points = [point(0, 0), point(10_000, 100), point(20_000, 50), point(22_000, 60)];
  // The last rate covers 12 s, because 2 s are too short.
  assert.deepEqual(perSecond(points, "requests"), [null, 10, 5, 60 / 12]);
});

test("without requests there is no mean", () => {
  const points = [point(0, 0), point(10_000, 100), point(20_000, 100)];
  assert.deepEqual(per(points, "edge_seconds", "requests"), [null, 0.01, null]);
});

test("new points continue the history, and close points are merged", () => {
  const answer = (/** @type {number} */ at) =>
    /** @type {any} */ ({
      at,
      totals: { ...point(at, at / 100) },
      latency: { edge: { sum: 0 }, origin: { sum: 0 } },
      history: [point(0, 0), point(5_000, 50), point(10_000, 100)],
    });
  /** @type {any[]} */
  let points = [];
  for (let at = 12_000; at <= 30_000; at += 2_000) points = continued(points, answer(at));
  const gaps = points.slice(1).map((one, index) => one.at - points[index].at);
  assert.ok(
    gaps.slice(0, -1).every((gap) => gap >= 4_500),
    gaps.join(),
  );
  assert.equal(points[0].at, 0);
  assert.equal(points.at(-1)?.at, 30_000);
});

test("quantiles equal those of Prometheus", () => {
  const bounds = [0.1, 0.2, 0.4];
  const histogram = (/** @type {number[]} */ counts) => ({ bounds, counts, sum: 0, count: 0 });
  assert.equal(quantile(histogram([0, 0, 0, 0]), 0.5), null);
  assert.equal(quantile(histogram([10, 0, 0, 0]), 0.5), 0.05);
  assert.equal(quantile(histogram([0, 10, 0, 0]), 0.5)?.toFixed(3), "0.150");
  assert.equal(quantile(histogram([0, 0, 0, 10]), 0.5), Number.POSITIVE_INFINITY);
  assert.equal(quantile(histogram([50, 40, 9, 1]), 0.99)?.toFixed(3), "0.400");
});

test("a histogram shows the buckets with values, one empty one on each side, and at least eight", () => {
  const bounds = [0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10];
  const of = (/** @type {number[]} */ counts) => occupied(counts);
  assert.deepEqual(of([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), [0, 12]);
  assert.deepEqual(of([3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), [0, 8]);
  assert.deepEqual(of([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), [4, 12]);
  assert.deepEqual(of([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), [0, 12]);
  assert.deepEqual(ticks(bounds, 0, 8), ["0", "5 ms", "50 ms", "1 s"]);
  assert.deepEqual(ticks(bounds, 4, 12), ["10 ms", "500 ms", "2 s", "longer"]);
});

test("a value of a document is set, removed and renamed without a change elsewhere", () => {
  const document = { id: "acme", origins: [{ url: "http://a" }], login: { mode: "off" } };
  const before = structuredClone(document);
  assert.deepEqual(withValue(document, ["login", "mode"], "required"), {
    ...document,
    login: { mode: "required" },
  });
  assert.deepEqual(withValue(document, ["login", "mode"], undefined), {
    id: "acme",
    origins: document.origins,
  });
  assert.deepEqual(withValue(document, ["session", "idle"], "1h"), {
    ...document,
    session: { idle: "1h" },
  });
  assert.deepEqual(
    /** @type {any} */ (withValue(document, ["origins", 1, "url"], "http://b")).origins,
    [{ url: "http://a" }, { url: "http://b" }],
  );
  assert.deepEqual(withValue(document, ["origins", 0], undefined), { ...document, origins: [] });
  assert.deepEqual(renamed({ env: { a: "1", b: "2" } }, ["env"], "a", "c"), {
    env: { c: "1", b: "2" },
  });
  assert.deepEqual(document, before);
});

test("the schema completes keys that are not there yet, and the values of a key", () => {
  const schema = {
    type: "object",
    properties: {
      id: { type: "string" },
      login: { type: "object", properties: { mode: { enum: ["off", "on"] } } },
    },
  };
  /** @param {string} text with | at the caret */
  const complete = (text) => {
    const offset = text.indexOf("|");
    const found = completion(schema, text.replace("|", ""), offset);
    return found?.options.map(({ apply }) => apply);
  };
  assert.deepEqual(complete('{"id":"a", |}'), ['"login": {}']);
  assert.deepEqual(complete("{|}"), ['"id": ""', '"login": {}']);
  assert.deepEqual(complete('{"login": {"mode": "|"}}'), ['"off"', '"on"']);
  assert.deepEqual(complete('{"login": {|}}'), ['"mode": "off"']);
  assert.deepEqual(complete('{"id":"a","list":[{"b":1}], "lo|" }'), ['"login": {}']);
  assert.deepEqual(complete('{\n  |\n  "id": "a"\n}'), ['"login": {}']);
  assert.equal(complete('{"id": "a"|}'), undefined);
});
