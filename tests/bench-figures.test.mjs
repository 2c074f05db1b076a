/** What the documents say was measured is what was measured, and the models fit it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { documents } from "../bench/documents.mjs";
import { prices } from "../bench/money.mjs";
import { bill, listed, units } from "../bench/prices.mjs";
import { PROFILES, requestsOf, schedule } from "../bench/profiles.mjs";
import { recorded } from "../bench/recorded.mjs";
import { checks, DEPLOYMENT, limits } from "../bench/scale-model.mjs";
import { KEEPERS } from "../bench/variants.mjs";

const RECORDED = recorded();

for (const { name, text, wanted } of documents(RECORDED)) {
  test(`what docs/${name} shows is what bench/recorded.json has`, () => {
    assert.equal(text, wanted);
  });
}

test("a bill is the plan and what is above that which it includes", () => {
  const nothing = /** @type {import("../bench/prices.mjs").Use} */ (
    Object.fromEntries(units().map((unit) => [unit, 0]))
  );
  assert.equal(bill(nothing), 5);
  assert.equal(bill({ ...nothing, requests: 10e6, kvReads: 10e6 }), 5);
  assert.equal(bill({ ...nothing, requests: 15e6, cpuMs: 15e6 * 7 }).toFixed(2), "8.00");
  assert.equal(listed({ ...nothing, kvWrites: 1e6 }, units()), 5);
});

test("every profile has a price for everybody", () => {
  for (const profile of PROFILES) {
    const table = prices(RECORDED, profile);
    assert.deepEqual(
      table.map(({ name }) => name),
      KEEPERS.map(({ name }) => name),
    );
    for (const { total } of table) assert.ok(total > 0.3 && Number.isFinite(total));
  }
});

test("a schedule has every request of its profile, and the changes it says", () => {
  for (const profile of PROFILES) {
    const events = schedule(profile);
    assert.equal(events.length, requestsOf(profile));
    const changes = events.filter(({ path }) => path !== "/").length;
    const said = profile.visitors.reduce(
      (sum, { many, keeps, changes }) => sum + (keeps ? many * (1 + changes) : 0),
      0,
    );
    assert.equal(changes, said);
    assert.deepEqual(
      events.map(({ at }) => at),
      events.map(({ at }) => at).toSorted((a, b) => a - b),
    );
  }
});

test("what the model of scale says about one isolate was counted", () => {
  for (const { what, model, counted } of checks(RECORDED)) {
    const ratio = counted / model;
    assert.ok(ratio > 0.75 && ratio < 1.25, `${what}: ${counted} counted, ${model} by the model`);
  }
});

test("what is used of a limit grows with the deployment", () => {
  const tenfold = limits({ ...DEPLOYMENT, sessions: DEPLOYMENT.sessions * 10, locations: 3_000 });
  for (const [at, { what, used }] of limits(DEPLOYMENT).entries()) {
    assert.ok(tenfold[at].used > used * 0.999, what);
  }
});
