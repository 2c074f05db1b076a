/**
 * Tests that the data plane parses the core's text, with the golden files that the core's own tests use, too
 * (`src/worker/protocol/tests.rs`).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import {
  applyEdits,
  describe,
  FLAGS,
  packHeaders,
  packRequest,
  responseOf,
  unpackForward,
  unpackResponse,
} from "../src/worker/js/wire.js";

/** @param {string} name */
function golden(name) {
  return readFileSync(path.join(import.meta.dirname, "golden/wire", `${name}.txt`), "utf8");
}

before(() => describe(golden("description")));

test("a forwarding decision is parsed into named fields", () => {
  /** @type {[string, string][]} */
  const received = [
    ["accept", "*/*"],
    ["x-session-id", "forged"],
    ["user-agent", "curl"],
  ];
  const order = unpackForward(golden("forward"), received);
  assert.deepEqual(order, {
    flags: "Fswo",
    url: "http://127.0.0.1:8000/chat?q=1",
    firstByteMs: 30_000,
    pauses: "15000,0,60000,0",
    place: "acme/blue",
    responseContext: "acme\tcookie\tc---------\tblue",
    sidSuffix: ".sig",
    kept: "+-+",
    requestLabels: {
      flags: "lwxm",
      labels: "acme\tblue\tv2\thit\tactive\t\t_other\tGET",
      members:
        '"tenant":"acme","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",' +
        '"method":"GET","session":"hit","state":"active","origin":"blue","release":"v2",' +
        '"handle":"BwcHBwcHBwcHBwcHBwcHBw"',
    },
    until: 1_700_000_001_000,
    trace: "0af7651916cd43dd8448eb211c80319c",
    seed: "",
    session: "acme\tBwcHBwcHBwcHBwcHBwcHBw",
    headers: {
      "x-session-id": "BwcHBwcHBwcHBwcHBwcHBw",
      "x-session-state": "active",
      "x-session-data": '{"draft":"a\\tb"}',
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      cookie: "theme=dark",
      "x-webui-name": "J%C3%BCrgen",
      accept: "*/*",
      "user-agent": "curl",
    },
  });
  const set = Object.entries(FLAGS).filter(([, letter]) => order.flags.includes(letter));
  assert.deepEqual(
    set.map(([name]) => name),
    ["handleResponse", "revocable", "anyTarget"],
  );
});

test("a response of Vestibule's own keeps each cookie and every body line", async () => {
  const answered = unpackResponse(golden("response"));
  assert.equal(answered.until, 1_700_000_001_000);
  assert.match(answered.requestLabels.members, /"reason":"forbidden"/);
  const response = responseOf(answered);
  assert.equal(response.status, 403);
  assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.deepEqual(response.headers.getSetCookie(), ["a=1; Path=/", "b=2; Path=/"]);
  assert.equal(await response.text(), "first line\nsecond line\n");
});

test("edits remove every header of a name before they append", () => {
  const response = new Response("body", {
    status: 201,
    headers: [
      ["set-cookie", "origin=1"],
      ["set-cookie", "origin=2"],
      ["x-session-set-data", "{}"],
      ["x-other", "kept"],
    ],
  });
  const edited = applyEdits(golden("edits"), response);
  assert.equal(edited.status, 201);
  assert.deepEqual(edited.headers.getSetCookie(), ["a=1; Path=/"]);
  assert.equal(edited.headers.get("x-session-set-data"), null);
  assert.equal(edited.headers.get("cache-control"), "private");
  assert.equal(edited.headers.get("x-other"), "kept");
});

test("a patched response has the core's body and the origin's other headers", async () => {
  const headers = { "content-length": "2", "content-type": "application/json" };
  const patched = applyEdits(golden("patched"), new Response("{}", { headers }));
  assert.equal(patched.headers.get("content-length"), null);
  assert.equal(patched.headers.get("content-type"), "application/json");
  assert.equal(patched.headers.get("vary"), "Cookie");
  assert.equal(await patched.text(), String.raw`{"ui":{"name":"a\nb"}}`);
});

test("a request is encoded as method, URL, and two lines per header", () => {
  const request = new Request("http://chat.example/a?b#c", { headers: { b: "2", a: "1" } });
  assert.equal(
    packRequest(request, [...request.headers]),
    "GET\nhttp://chat.example/a?b#c\na\n1\nb\n2",
  );
});

test("a response's cookies stay separate and in order", () => {
  const headers = new Headers([
    ["set-cookie", "b=1"],
    ["x-a", "1"],
    ["set-cookie", "a=2, c"],
  ]);
  assert.equal(packHeaders(headers), "x-a\n1\nset-cookie\nb=1\nset-cookie\na=2, c");
});
