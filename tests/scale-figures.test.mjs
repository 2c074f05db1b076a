/** Tests the computations of a scale run: rounds, series and pictures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { recorded } from "../bench/recorded.mjs";
import { ratioTo, rounded, slope } from "../bench/scale-figures.mjs";
import { ceiling, panels } from "../bench/scale-picture.mjs";
import { row } from "../bench/scale-rounds.mjs";
import { slopes } from "../bench/scale-sockets.mjs";

test("a ratio is computed round by round", () => {
  // The machine was half as fast in the second round, which cancels out.
  assert.deepEqual(ratioTo([100, 200, 100], [110, 220, 130]), {
    ratio: 1.1,
    least: 1.1,
    most: 1.3,
  });
});

test("a slope is that of the line through all points, at any offset", () => {
  assert.equal(slope([1, 2, 3].map((x) => [x, 7 + 4 * x])), 4);
  // Off the line to either side by the same.
  assert.equal(
    slope([
      [0, 1],
      [0, -1],
      [10, 21],
      [10, 19],
    ]),
    2,
  );
  assert.throws(() => slope([[3, 1]]));
});

test("figures keep their significant digits", () => {
  assert.deepEqual(
    [0, 1.2345, 12.345, 1234.5, 123456].map(rounded),
    [0, 1.23, 12.35, 1235, 123500],
  );
});

test("a row has the medians of its rounds and their ratios to the first row's", () => {
  const sample = (/** @type {number} */ cost, /** @type {number} */ p99) => ({
    cost,
    p50: 1,
    p99,
    throughput: 1,
  });
  const first = [sample(100, 1_000), sample(200, 4_000), sample(150, 1_000)];
  const own = [sample(120, 1_100), sample(220, 4_000), sample(150, 1_500)];
  const { cost, p99, costRatio, p99Ratio } = row(first, own);
  assert.deepEqual([cost, p99], [150, 1_500]);
  assert.deepEqual(costRatio, { ratio: 1.1, least: 1, most: 1.2 });
  assert.deepEqual(p99Ratio, { ratio: 1.1, least: 1, most: 1.5 });
});

test("the cost of a socket and a message excludes the idle process", () => {
  const point = (/** @type {number} */ open) => ({
    open,
    resident: 80 + open / 10,
    idle: 3 + open / 100,
    busy: 3 + open / 100 + (2 * open * 25) / 1_000,
    messages: 2 * open,
  });
  const { memory, idle, message } = slopes([1, 100, 2_000].map(point));
  assert.deepEqual([memory, idle, message], [102.4, 10, 25]);
});

test("an axis ends with a round number above all values", () => {
  assert.deepEqual(
    [0.9, 1, 1.3, 3, 4.4, 6, 9, 740, 1_000].map(ceiling),
    [1, 1, 2, 4, 5, 8, 10, 800, 1_000],
  );
});

test("every figure of the pictures was measured", () => {
  for (const { title, across, lines } of panels(recorded().scale)) {
    for (const { name, points } of lines) {
      assert.ok(points.length >= 2, `${title} by ${across}: ${name}`);
      for (const { x, y } of points) assert.ok(x > 0 && y >= 0, `${name}: ${x}, ${y}`);
    }
  }
});
