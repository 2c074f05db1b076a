/** Tests how the benchmark decides: quartiles, goals, the load of other programs, and what its variants send. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { documents } from "../bench/documents.mjs";
import { goals, goalsAsPicture, goalsInMarkdown, shareOf, verdict } from "../bench/goals.mjs";
import { readCount } from "../bench/instructions.mjs";
import { machineTicks, othersBetween, ownTicks, refusal, ticks } from "../bench/other-load.mjs";
import { against, median, quartiles } from "../bench/quartiles.mjs";
import { recorded } from "../bench/recorded.mjs";
import { costInMarkdown } from "../bench/report.mjs";
import { difference, head, PAIRS, sentHead } from "../bench/sent-headers.mjs";
import { EACH, QUIET, TOLD, VARIANTS } from "../bench/variants.mjs";

/** @param {string} name @param {number[]} rounds @returns {import("../bench/report.mjs").Row} */
function row(name, rounds) {
  return { name, does: "", cost: 0, ratio: 1, low: 1, high: 1, throughput: 0, rounds };
}

/** @param {string} name @param {Partial<import("../bench/recorded.mjs").Recorded>} changed */
function goalNamed(name, changed) {
  const goal = goals({ ...recorded(), ...changed }).find((one) => one.name === name);
  assert.ok(goal, name);
  return goal;
}

test("a single disturbed round moves neither the median nor the quartiles", () => {
  const calm = [10, 11, 12, 13, 14, 15, 16, 17];
  const disturbed = [...calm.slice(0, -1), 900];
  assert.deepEqual(quartiles(calm), { low: 12, median: 14, high: 15 });
  assert.deepEqual(quartiles(disturbed), quartiles(calm));
  assert.deepEqual(quartiles([7]), { low: 7, median: 7, high: 7 });
  assert.equal(median([3, 1, 2]), 2);
});

test("a ratio is computed in each round", () => {
  // The machine was half as fast in the second round.
  assert.deepEqual(against([110, 220, 120], [100, 200, 100]), { ratio: 1.1, low: 1.1, high: 1.2 });
});

test("the warm goal compares a request that is decided by itself with the floor that sends the same headers", () => {
  const cost = [row(TOLD.name, [100, 200]), row("Vestibule, warm, repeated", [50, 50])];
  const missing = goalNamed("warm request", { cost });
  assert.equal(verdict(missing), "not measured yet");
  const met = goalNamed("warm request", { cost: [...cost, row(EACH.name, [112, 224])] });
  assert.deepEqual([met.figure?.reached, met.limit, verdict(met)], [1.12, 1.12, "met"]);
  const failed = goalNamed("warm request", { cost: [...cost, row(EACH.name, [113, 226])] });
  assert.equal(verdict(failed), "not met");
});

test("figures of different runs are not compared", () => {
  const cost = [row(TOLD.name, [100, 100, 100]), row(EACH.name, [100, 100])];
  assert.equal(verdict(goalNamed("warm request", { cost })), "not measured yet");
});

test("telemetry's share is a part of the whole request", () => {
  const cost = [row(EACH.name, [100, 200, 100]), row(QUIET.name, [97, 194, 97])];
  assert.deepEqual(shareOf(cost, EACH.name, QUIET.name), { reached: 3, low: 3, high: 3 });
  assert.equal(verdict(goalNamed("telemetry, share of a warm request", { cost })), "met");
  assert.equal(shareOf(cost, EACH.name, "another"), undefined);
});

test("a goal of equality is met if the lower quartile reaches it, any other only by its median", () => {
  const base = {
    name: "",
    limit: 1,
    unit: "",
    digits: 2,
    figure: { reached: 1.02, low: 0.98, high: 1.1 },
  };
  assert.equal(verdict({ ...base, isEqual: true }), "met");
  assert.equal(verdict(base), "not met");
});

test("tables and pictures show what was not measured yet", () => {
  const { young: _, ...without } = recorded();
  const nothing = { ...without, cost: [], native: { ...without.native, table: [] } };
  assert.match(
    goalsInMarkdown(nothing),
    /\| young isolate, 300 requests \|.*\| not measured yet \|/,
  );
  assert.match(goalsAsPicture(nothing), /not measured yet/);
  for (const { name } of VARIANTS) {
    assert.ok(costInMarkdown([]).includes(`| ${name} | not measured yet |`), name);
  }
  const page = documents({ ...without, young: undefined }).find(
    ({ name }) => name === "internals/bench.md",
  );
  assert.match(page?.wanted ?? "", /\| bare JS \| not measured yet \|/);
});

test("instructions get a column only if every variant's were counted", () => {
  const all = VARIANTS.map(({ name }) => ({ ...row(name, [1]), instructions: 123_456 }));
  assert.match(costInMarkdown(all), /\| 123,456 \|/);
  assert.doesNotMatch(costInMarkdown([row("bare JS", [1]), ...all.slice(1)]), /instructions/);
});

test("a machine without a counter of instructions is recognised", () => {
  const counted =
    "# started on Mon Nov 30\n\n715234,,instructions:u,812345,100.00,0.9,insn per cycle\n";
  assert.equal(readCount(counted), 715_234);
  assert.equal(readCount("<not supported>,,instructions:u,0,100.00,,\n"), undefined);
  assert.equal(readCount(""), undefined);
});

test("the load of other programs excludes our own processes and interrupts", () => {
  // user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
  const stat = "cpu  100 10 40 800 20 1 9 20 5 0\ncpu0 1 2 3\n";
  assert.deepEqual(machineTicks(stat), { all: 1_000, busy: 170 });
  const line = (
    /** @type {number} */ pid,
    /** @type {number} */ parent,
    /** @type {number[]} */ times,
  ) => `${pid} (a ) b) S ${parent} 1 1 0 -1 0 0 0 0 0 ${times.join(" ")} 20 0`;
  const stats = [
    line(1, 0, [900, 900, 900, 900]),
    line(7, 1, [1, 2, 3, 4]),
    // Before its parent, as process ids may be reused.
    line(8, 9, [10, 0, 0, 0]),
    line(9, 7, [20, 0, 0, 0]),
    line(10, 1, [500, 0, 0, 0]),
  ];
  assert.equal(ownTicks(stats, 7), 40);
  const before = { all: 1_000, busy: 300, own: 100 };
  assert.equal(othersBetween(before, { all: 1_200, busy: 420, own: 200 }), 0.1);
  assert.equal(othersBetween(before, { all: 1_200, busy: 390, own: 200 }), 0);
  assert.equal(othersBetween(before, before), 0);
});

test("work of a child that has ended counts as our own", () => {
  const busy = "while (process.cpuUsage().user < 200_000);";
  const before = ticks();
  spawnSync(process.execPath, ["-e", busy]);
  const after = ticks();
  assert.ok(after.own - before.own >= 10, `${after.own - before.own} ticks`);
  assert.ok(after.all > before.all);
});

test("a loaded machine refuses a record and says what to do", () => {
  assert.equal(refusal(0.05, "before the start"), undefined);
  const why = refusal(0.23, 'while "processor" was measured') ?? "";
  assert.match(why, /Other programs used 23 % .*while "processor" was measured; at most 5\.0 %/);
  assert.match(why, /`top`/);
});

test("variants that send different amounts are not compared", () => {
  const one = head("GET / HTTP/1.1\r\nHost: a\r\nX-B: c:d\r\n\r\n");
  assert.deepEqual(one, {
    fields: [
      ["host", "a"],
      ["x-b", "c:d"],
    ],
    bytes: 37,
  });
  assert.equal(difference(one, { ...one, bytes: 36 }), undefined);
  assert.match(difference(one, { ...one, bytes: 60 }) ?? "", /37 and 60 bytes/);
  const more = head("GET / HTTP/1.1\r\nHost: a\r\nX-B: c\r\nX-C: d\r\n\r\n");
  assert.match(difference(one, more) ?? "", /2 and 3 headers\. Only one of them sends x-c\./);
});

for (const [floor, ours] of PAIRS) {
  test(`"${floor.name}" and "${ours.name}" send equally many headers and bytes`, async () => {
    assert.equal(difference(await sentHead(floor), await sentHead(ours)), undefined);
  });
}

test("a timer of the counted Worker has a number as its id, which clears it", () => {
  const clock = path.resolve(import.meta.dirname, "../bench/counted/clock.js");
  const program = `
    const { putForward } = await import(${JSON.stringify(clock)});
    const fired = [];
    const ids = ["cleared", "kept"].map((name) => setTimeout(() => fired.push(name), 60_000));
    clearTimeout(ids[0]);
    await putForward(61_000);
    console.log(JSON.stringify([ids.map((id) => typeof id), fired]));
    process.exit();`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  assert.deepEqual(JSON.parse(stdout), [["number", "number"], ["kept"]]);
});
