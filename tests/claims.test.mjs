/** docs/internals/claims.md and docs/compare.md cite tests that exist, and number and count their rows right. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ROOT, read, rowsOf } from "./harness/pages.mjs";

const PAGE = "docs/internals/claims.md";

/** Pages with rows of a number, a claim, a status and a reason. */
const PAGES = [PAGE, "docs/compare.md"];

const STATUSES = ["works", "does not apply", "partly", "missing"];

/** A file, and after a colon its tests: titles in quotes, names of functions as code. */
const CITATION = /`((?:tests|src|kits)\/[\w./-]+)`:\s*((?:(?:"[^"]+"|`\w+`)(?:,\s*)?)+)/g;

/** @param {string} page */
function claimsOf(page) {
  return rowsOf(read(page))
    .filter((row) => row.length === 4)
    .map(([number, claim, status, reason]) => ({ number: Number(number), claim, status, reason }));
}

const rows = claimsOf(PAGE);

for (const page of PAGES) checkClaims(page, claimsOf(page));

/**
 * Checks each claim of a page.
 * @param {string} page
 * @param {ReturnType<typeof claimsOf>} rows
 */
function checkClaims(page, rows) {
  test(`${page}: every test that a claim cites exists, under this very title`, () => {
    const missing = rows.flatMap(({ number, reason }) =>
      citationsOf(reason)
        .filter((citation) => !exists(citation))
        .map(({ file, name }) => `${number}: ${file}: ${name}`),
    );
    assert.deepEqual(missing, []);
  });

  test(`${page}: every claim that works cites a test`, () => {
    const bare = rows.filter(
      ({ status, reason }) => status === "works" && citationsOf(reason).length === 0,
    );
    assert.deepEqual(
      bare.map(({ number, claim }) => `${number}: ${claim}`),
      [],
    );
  });

  test(`${page}: every claim has one of the four statuses, and a reason`, () => {
    for (const { number, status, reason } of rows) {
      assert.ok(STATUSES.includes(status), `${number}: ${status}`);
      assert.ok(reason.length > 10, `${number}: ${reason}`);
    }
  });

  test(`${page}: a row that a claim refers to exists`, () => {
    const referred = rows.flatMap(({ reason }) =>
      Array.from(reason.matchAll(/\brows? (\d+)(?: and (\d+))?/g), ([, one, other]) => [
        one,
        other,
      ]),
    );
    const numbers = referred.flat().filter((number) => number !== undefined);
    assert.ok(numbers.every((number) => Number(number) >= 1 && Number(number) <= rows.length));
  });

  test(`${page}: claims are numbered`, () => {
    assert.ok(rows.length > 0);
    assert.deepEqual(
      rows.map(({ number }) => number),
      rows.map((_, at) => at + 1),
    );
  });
}

test("claims are counted at the top of the page", () => {
  const count = (/** @type {string} */ wanted) =>
    rows.filter(({ status }) => status === wanted).length;
  const [works, inapplicable, partly, missing] = STATUSES.map(count);
  const sentence = `Of ${rows.length} claims, ${works} work, ${inapplicable} do not apply, ${partly} hold in part, and ${missing} are missing`;
  assert.ok(read(PAGE).replaceAll(/\s+/g, " ").includes(sentence), sentence);
});

test("a title that no test has, and a function that is gone, are noticed", () => {
  const here = "tests/claims.test.mjs";
  const cited = citationsOf(
    `\`${here}\`: "claims are counted at the top of the page", "claims are counted"; ` +
      '`src/balancer/pool.rs`: `no_such_test`; `tests/nowhere.test.mjs`: "x"',
  );
  assert.deepEqual(cited.map(exists), [true, false, false, false]);
});

/**
 * Returns the tests that a text cites.
 * @param {string} text
 * @returns {{ file: string, name: string, isFunction: boolean }[]}
 */
function citationsOf(text) {
  return Array.from(text.matchAll(CITATION), ([, file, names]) =>
    Array.from(names.matchAll(/"([^"]+)"|`(\w+)`/g), ([, title, name]) => ({
      file,
      name: title ?? name,
      isFunction: title === undefined,
    })),
  ).flat();
}

/**
 * Tells whether a file has a test of this name: a function, or a title that is literally the same.
 * @param {{ file: string, name: string, isFunction: boolean }} citation
 */
function exists({ file, name, isFunction }) {
  if (!existsSync(path.join(ROOT, file))) return false;
  const text = read(file);
  if (isFunction) return new RegExp(`\\b(?:fn|def) ${name}\\(`).test(text);
  const title = name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`\\btest\\(\\s*(["'\`])${title}\\1`).test(text);
}
