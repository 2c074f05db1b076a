/** Checks that the documents show the recorded measurements, and that the models fit them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { read } from "../bench/callgrind.mjs";
import { cbor } from "../bench/cbor.mjs";
import { documents } from "../bench/documents.mjs";
import { prices } from "../bench/money.mjs";
import { bounds, isMet, medians } from "../bench/native.mjs";
import { bill, listed, units } from "../bench/prices.mjs";
import { PROFILES, requestsOf, schedule } from "../bench/profiles.mjs";
import { recorded } from "../bench/recorded.mjs";
import { checks, DEPLOYMENT, limits } from "../bench/scale-model.mjs";
import { KEEPERS } from "../bench/variants.mjs";

const RECORDED = recorded();

for (const { name, text, wanted } of documents(RECORDED)) {
  test(`docs/${name} shows what is in bench/recorded.json`, () => {
    assert.equal(text, wanted);
  });
}

test("the benchmark's CBOR encoder matches the examples of RFC 8949", () => {
  const examples = /** @type {[unknown, string][]} */ ([
    [23, "17"],
    [24, "1818"],
    [1000000, "1a000f4240"],
    [1000000000000, "1b000000e8d4a51000"],
    [-1000, "3903e7"],
    [1.1, "fb3ff199999999999a"],
    [[false, true, null], "83f4f5f6"],
    ["\u6c34", "63e6b0b4"],
    [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  ]);
  for (const [value, hex] of examples) assert.equal(cbor(value).toString("hex"), hex);
});

test("a bill is the plan's price plus usage above the included amounts", () => {
  const nothing = /** @type {import("../bench/prices.mjs").Use} */ (
    Object.fromEntries(units().map((unit) => [unit, 0]))
  );
  assert.equal(bill(nothing), 5);
  assert.equal(bill({ ...nothing, requests: 10e6, kvReads: 10e6 }), 5);
  assert.equal(bill({ ...nothing, requests: 15e6, cpuMs: 15e6 * 7 }).toFixed(2), "8.00");
  assert.equal(listed({ ...nothing, kvWrites: 1e6 }, units()), 5);
});

test("every profile has a price for every way to keep sessions", () => {
  for (const profile of PROFILES) {
    const table = prices(RECORDED, profile);
    assert.deepEqual(
      table.map(({ name }) => name),
      KEEPERS.map(({ name }) => name),
    );
    for (const { total } of table) assert.ok(total > 0.3 && Number.isFinite(total));
  }
});

test("a schedule contains every request and change of its profile", () => {
  for (const profile of PROFILES) {
    const events = schedule(profile);
    assert.equal(events.length, requestsOf(profile));
    const changes = events.filter(({ path }) => path !== "/").length;
    const expected = profile.visitors.reduce(
      (sum, { many, keeps, changes }) => sum + (keeps ? many * (1 + changes) : 0),
      0,
    );
    assert.equal(changes, expected);
    assert.deepEqual(
      events.map(({ at }) => at),
      events.map(({ at }) => at).toSorted((a, b) => a - b),
    );
  }
});

test("the scale model's figures for one isolate match the recorded counts", () => {
  for (const { what, model, counted } of checks(RECORDED)) {
    const ratio = counted / model;
    assert.ok(ratio > 0.75 && ratio < 1.25, `${what}: ${counted} counted, ${model} by the model`);
  }
});

test("usage of a limit grows with the deployment", () => {
  const tenfold = limits({ ...DEPLOYMENT, sessions: DEPLOYMENT.sessions * 10, locations: 3_000 });
  for (const [at, { what, used }] of limits(DEPLOYMENT).entries()) {
    assert.ok(tenfold[at].used > used * 0.999, what);
  }
});

test("every case of the core was measured and is within its bound", () => {
  const { table } = RECORDED.native;
  const received = table.map(({ name, most }) => [name, most]);
  assert.deepEqual(Object.fromEntries(received), bounds());
  for (const piece of table) assert.ok(isMet(piece), piece.name);
});

test("times are parsed from divan's output, and calls from callgrind's", () => {
  const tree = [
    "core                fastest       │ slowest       │ median        │ mean",
    "╰─ core                           │               │               │",
    "   ├─ a: b, c 2     1.602 µs      │ 34 µs         │ 1.661 µs      │ 2.009 µs",
    "   ╰─ d             13.34 ns      │ 13.45 ns      │ 13.41 ns      │ 13.41 ns",
  ];
  assert.deepEqual(
    [...medians(tree.join("\n"))],
    [
      ["a: b, c 2", 1661],
      ["d", 13.41],
    ],
  );
  const dump = [
    "fn=(1) work",
    "cfn=(2) malloc",
    "calls=3 0",
    "cfn=(3) memcpy",
    "calls=5 0",
    "fn=(4) more",
    "cfn=(2)",
    "calls=2 0",
    "totals: 700",
  ];
  assert.deepEqual(read(dump.join("\n")), { instructions: 700, allocations: 5 });
});
