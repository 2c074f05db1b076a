/** Reading a session from headers, as Vestibule writes them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel } from "../src/channel.ts";
import { DataOmitted, NoSession, Unverified } from "../src/index.ts";
import { writeJson } from "../src/json.ts";
import { Session } from "../src/session.ts";
import { parseSnapshot } from "../src/snapshot.ts";
import { ID } from "./support.ts";

function parse(headers: Record<string, string>) {
  return parseSnapshot(new Map(Object.entries({ "x-session-id": ID, ...headers })));
}

/** As `header_text` in src/session/names.rs: printable ASCII as it is, blanks at an end not. */
function headerText(text: string, also = ""): string {
  const bytes = Buffer.from(text);
  return Array.from(bytes, (byte, at) => {
    const char = String.fromCharCode(byte);
    const isEnd = at === 0 || at === bytes.length - 1;
    const isPlain = byte >= 0x20 && byte <= 0x7e && !`%${also}`.includes(char);
    if (isPlain && !(char === " " && isEnd)) return char;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

test("every header is read", () => {
  const session = parse({
    "x-session-id": `${ID}.AAECAwQF`,
    "x-session-tenant": "acme",
    "x-session-state": "takeover",
    "x-session-user": "ada",
    "x-session-email": "ada@acme.example",
    "x-session-name": "%E7%8E%8B %E8%8A%B3 100%25",
    "x-session-groups": "staff,%C3%A9quipe",
    "x-session-groups-omitted": "3",
    "x-session-data": '{"count":3,"w":"\\u738b"}',
    "x-session-env": '{"MODEL":"small"}',
    "x-session-created": "1700000000",
    "x-session-expires": "1700001800",
  });
  assert.deepEqual(session, {
    id: `${ID}.AAECAwQF`,
    tenant: "acme",
    user: "ada",
    email: "ada@acme.example",
    name: "王 芳 100%",
    groups: ["staff", "équipe"],
    groupsOmitted: 3,
    data: { count: 3, w: "王" },
    dataOmitted: false,
    env: { MODEL: "small" },
    state: "takeover",
    created: 1_700_000_000,
    expires: 1_700_001_800,
  });
});

test("a guest has no user and no data", () => {
  const { user, data, dataOmitted, groups, state } = parse({ "x-session-state": "new" });
  assert.deepEqual([user, data, dataOmitted, groups, state], [null, {}, false, [], "new"]);
});

test("omitted data never looks like no data", () => {
  const snapshot = parse({ "x-session-data-omitted": "size" });
  assert.equal(snapshot.dataOmitted, true);
  const session = new Session(new Channel(null, snapshot));
  assert.equal(session.dataOmitted, true);
  assert.throws(
    () => session.data,
    (error) => {
      assert.ok(error instanceof DataOmitted);
      assert.match(error.message, /MAX_DATA.*await session\.refresh\(\)/);
      return true;
    },
  );
});

test("names arrive as they were given", () => {
  for (const name of [
    "ada",
    " ada ",
    "a+b",
    "100%",
    "%41",
    "王 芳",
    "a,b",
    "🙂",
    "a\u00a0b",
    "é",
  ]) {
    const session = parse({
      "x-session-user": headerText(name),
      "x-session-name": headerText(name),
      "x-session-groups": `${headerText(name, ",")},x`,
    });
    assert.deepEqual([session.user, session.name, session.groups], [name, name, [name, "x"]]);
  }
});

test("data arrives as it was stored", () => {
  const data = {
    "": null,
    a: [1.5, true, { b: "\u2028\u0000é🙂" }],
    toString: "x",
    constructor: {},
  };
  assert.deepEqual(parse({ "x-session-data": writeJson(data) }).data, data);
});

test("long data is read", () => {
  const data = { text: "x".repeat(16_000) };
  assert.deepEqual(parse({ "x-session-data": writeJson(data) }).data, data);
});

test("data reaches no prototype", () => {
  const text =
    '{"__proto__":{"admin":true},"a":{"\\u005f_proto__":{"admin":true},"b":1},"c":[{"__proto__":1}]}';
  const { data, env } = parse({ "x-session-data": text, "x-session-env": text });
  assert.deepEqual(data, { a: { b: 1 }, c: [{}] });
  assert.deepEqual(env, data);
  const copy = Object.assign({}, data, data.a) as { admin?: boolean };
  assert.equal(copy.admin, undefined);
  assert.equal(({} as { admin?: boolean }).admin, undefined);
});

const MALFORMED: [string, string][] = [
  ["x-session-data", "{"],
  ["x-session-data", "[]"],
  ["x-session-data", '{"a":1}, {"a":2}'],
  ["x-session-data", `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`],
  ["x-session-env", "1"],
  ["x-session-name", "%FF"],
  ["x-session-groups", "a,%"],
  ["x-session-state", "revived"],
  ["x-session-created", "soon"],
  ["x-session-created", "1e3"],
  ["x-session-expires", "-1"],
];

for (const [name, value] of MALFORMED) {
  test(`a malformed ${name} is refused: ${value.slice(0, 20)}`, () => {
    assert.throws(
      () => parse({ [name]: value }),
      (error) => error instanceof Unverified && error.message.includes(name),
    );
  });
}

test("no error repeats what a header holds", () => {
  assert.throws(
    () => parse({ "x-session-data": '{"token":"a-secret' }),
    (error: Error) => !`${error.message}${error.stack}${error.cause}`.includes("a-secret"),
  );
});

test("a request without a session has none", () => {
  assert.throws(
    () => parseSnapshot(new Map([["x-session-tenant", "acme"]])),
    (error) => error instanceof NoSession && /X-Session-Id/.test(error.message),
  );
});

test("a snapshot is immutable, to its depth", () => {
  const session = parse({ "x-session-data": '{"a":{"b":[1]}}' });
  // biome-ignore lint/suspicious/noExplicitAny: what the types forbid.
  const { data } = session as any;
  const writes = [
    () => Object.assign(session, { user: "boss" }),
    () => Object.assign(data, { a: 2 }),
    () => Object.assign(data.a, { b: 2 }),
    () => data.a.b.push(2),
  ];
  for (const write of writes) assert.throws(write, TypeError);
});
