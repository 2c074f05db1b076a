/** Changes as response headers, and merge patches (RFC 7396). */

import assert from "node:assert/strict";
import { test } from "node:test";
import { combine, headersOf, merge, patchOf } from "../src/change.ts";
import { ChangeRefused, type JsonObject } from "../src/index.ts";

/** RFC 7396, appendix A, as far as target and patch are objects. */
const RFC_7396: [target: JsonObject, patch: JsonObject, result: JsonObject][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test("a merge follows the standard", () => {
  for (const [target, patch, result] of RFC_7396) assert.deepEqual(merge(target, patch), result);
});

/** Returns numbers that look random and repeat (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function someObject(below: (below: number) => number, depth = 2): JsonObject {
  const members = Array.from({ length: below(4) }, () => {
    const kind = below(depth > 0 ? 4 : 2);
    const value = kind === 0 ? null : kind === 1 ? below(3) : someObject(below, depth - 1);
    return ["abc".charAt(below(3)), value] as const;
  });
  return Object.fromEntries(members);
}

test("combined patches have the effect of both", () => {
  const below = random(1);
  let combined = 0;
  for (let run = 0; run < 5_000; run += 1) {
    const data = merge({}, someObject(below)); // Stored data has no null.
    const [first, second] = [someObject(below), someObject(below)];
    const { patch } = combinable(first, second) ?? {};
    if (!patch) continue;
    combined += 1;
    assert.deepEqual(merge(data, patch), merge(merge(data, first), second));
  }
  assert.ok(combined > 2_000, `${combined}`);
});

function combinable(first: JsonObject, second: JsonObject) {
  try {
    return combine({ patch: first }, { patch: second });
  } catch (error) {
    assert.ok(error instanceof ChangeRefused);
    return undefined;
  }
}

test("patches that cannot be combined are refused", () => {
  assert.throws(
    () => combine({ patch: { a: null } }, { patch: { a: { b: 1 } } }),
    (error) => error instanceof ChangeRefused && /one patch/.test(error.message),
  );
});

test("a change is written as headers", () => {
  const identify = { user: "ada", name: "王芳", groups: ["staff"], email: undefined };
  const asked = { patch: { n: 1, w: "王" }, identify, ttl: 600, rotate: true, lease: 7, wait: 5 };
  assert.deepEqual(Object.fromEntries(headersOf(combine(asked, { destroy: true }))), {
    "x-session-patch": '{"n":1,"w":"\\u738b"}',
    "x-session-identify": '{"user":"ada","name":"\\u738b\\u82b3","groups":["staff"]}',
    "x-session-ttl": "600",
    "x-session-lease": "7",
    "x-session-lease-wait": "5",
    "x-session-rotate": "1",
    "x-session-destroy": "1",
  });
  assert.deepEqual(headersOf({}), []);
});

test("headers are one line of ASCII", () => {
  const every = Array.from({ length: 0x3000 }, (_, code) => String.fromCodePoint(code)).join("");
  const patch = { [every]: `${every}🙂` };
  const [[, value] = ["", ""]] = headersOf({ patch: patchOf(patch) });
  assert.match(value, /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(value), patch);
});

const NO_JSON: Record<string, unknown> = {
  NaN: Number.NaN,
  infinity: -1 / 0,
  "a big integer": 1n,
  "a function": () => {},
  "a symbol": Symbol("s"),
  "a set": new Set([1]),
  "a map": new Map(),
  "half of a surrogate pair": "\ud83d",
  "a name with half of one": { "\ud83d": 1 },
};

for (const [what, value] of Object.entries(NO_JSON)) {
  test(`a patch with ${what} is refused`, () => {
    assert.throws(
      () => patchOf({ a: [value] }),
      (error) => error instanceof ChangeRefused && /JSON/.test(error.message),
    );
  });
}

test("a patch with a circle, and one that is no object, are refused", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const value of [circle, [1], new Date(0)])
    assert.throws(() => patchOf(value), ChangeRefused);
});

test("a patch from a stranger's JSON reaches no prototype", () => {
  const patch = patchOf(
    JSON.parse('{"a":{"__proto__":{"admin":true}},"__proto__":{"admin":true}}'),
  );
  assert.deepEqual(patch, { a: {} });
  // Beyond `patchOf`, nothing that merges relies on it.
  const raw = JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}');
  const merged = merge(merge({ toString: 1 }, raw), raw);
  combine({ patch: raw }, { patch: raw });
  assert.equal(Object.getPrototypeOf(merged), Object.prototype);
  assert.equal(({} as { admin?: boolean }).admin, undefined);
});

test("a patch is a copy: what the caller changes later does not count", () => {
  const mine = { list: [1] };
  const patch = patchOf(mine);
  mine.list.push(2);
  assert.deepEqual(patch, { list: [1] });
});
