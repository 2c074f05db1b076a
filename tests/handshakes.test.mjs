/** Tests responses to requests that look like Engine.IO handshakes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { test } from "node:test";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const POLL = "/anything?EIO=4&transport=polling";
const MIB = 1024 * 1024;

/**
 * @param {import("node:test").TestContext} t
 * @param {(request: import("node:http").IncomingMessage, reply: import("node:http").ServerResponse) => void} answer
 */
async function before(t, answer) {
  const origin = await Origin.start(t, answer);
  return Vestibule.start(t, { origins: [origin.url] });
}

/** Returns the resident memory of the Worker's process. @param {Vestibule} vestibule */
function resident({ pid }) {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

/**
 * Reads only the first bytes of a response, and measures how long they took.
 * @param {string} url
 */
function firstBytes(url) {
  const begun = Date.now();
  return new Promise((resolve, reject) => {
    const request = get(url, (response) => {
      response.once("data", (chunk) => {
        response.pause();
        resolve({ ms: Date.now() - begun, text: String(chunk), response, request });
      });
    });
    request.on("error", reject);
  });
}

for (const [what, type, length] of /** @type {[string, string, boolean][]} */ ([
  ["octets", "application/octet-stream", true],
  ["text", "text/plain", true],
  ["text of unknown length", "text/plain; charset=utf-8", false],
])) {
  test(`a response of 100 MiB is streamed: ${what}`, async (t) => {
    const size = 100 * MIB;
    const part = Buffer.alloc(64 * 1024, "x");
    const vestibule = await before(t, async (_, reply) => {
      reply.setHeader("content-type", type);
      if (length) reply.setHeader("content-length", size);
      for (let sent = 0; sent < size; sent += part.length) {
        if (!reply.write(part)) await new Promise((resolve) => reply.once("drain", resolve));
      }
      reply.end();
    });
    await (await fetch(`${vestibule.url}/_session/healthz`)).text();
    const base = resident(vestibule);
    const { ms, response } = await firstBytes(vestibule.url + POLL);
    assert.ok(ms < 3_000, `the first byte after ${ms} ms`);
    let highest = 0;
    let got = 0;
    response.on("data", (/** @type {Buffer} */ chunk) => {
      got += chunk.length;
      highest = Math.max(highest, resident(vestibule));
    });
    response.resume();
    await new Promise((resolve) => response.on("end", resolve));
    assert.ok(got > size - MIB, `${got} bytes`);
    const grown = Math.round((highest - base) / MIB);
    assert.ok(grown < 80, `${grown} MiB for an answer of 100`);
  });
}

for (const [what, type, first] of [
  ["event stream", "text/event-stream", "data: 1\n\n"],
  ["text", "text/plain", "tick\n"],
  ["text that begins like a handshake", "text/plain", `0{"sid":"${"x".repeat(5_000)}`],
]) {
  test(`an endless response begins at once: ${what}`, async (t) => {
    const vestibule = await before(t, (_, reply) => {
      reply.setHeader("content-type", type);
      reply.write(first);
    });
    const { ms, text, request } = await firstBytes(vestibule.url + POLL);
    request.destroy();
    assert.ok(first.startsWith(text), text);
    assert.ok(ms < 900, `${ms} ms`);
  });
}

test("a text response that starts late is delayed by at most a second", async (t) => {
  const vestibule = await before(t, (_, reply) => {
    reply.setHeader("content-type", "text/plain");
    reply.flushHeaders();
    setTimeout(() => reply.end("late"), 2_000);
  });
  const begun = Date.now();
  const response = await fetch(vestibule.url + POLL);
  assert.ok(Date.now() - begun < 1_900, "the headers");
  assert.equal(await response.text(), "late");
});

for (const [what, status, type, body] of /** @type {[string, number, string, string][]} */ ([
  ["another text", 200, "text/plain", "ok"],
  ["an empty text", 200, "text/plain", ""],
  ["a handshake as JSON", 200, "application/json", '0{"sid":"abc"}'],
  ["a handshake with another status", 201, "text/plain", '0{"sid":"abc"}'],
  ["an error", 400, "text/plain", '0{"sid":"abc"}'],
  ["a packet of another kind", 200, "text/plain", '4{"sid":"abc"}'],
  ["a handshake later on", 200, "text/plain", ' 0{"sid":"abc"}'],
  ["half a handshake", 200, "text/plain", '0{"sid":"abc'],
])) {
  test(`a response without a handshake passes unchanged: ${what}`, async (t) => {
    const vestibule = await before(t, (_, reply) => {
      reply.writeHead(status, { "content-type": type, "content-length": body.length }).end(body);
    });
    const response = await fetch(vestibule.url + POLL);
    assert.deepEqual([response.status, await response.text()], [status, body]);
    assert.equal(response.headers.get("content-length"), String(body.length));
  });
}

for (const [what, parts, length] of /** @type {[string, string[], boolean][]} */ ([
  ["in one part", ['0{"sid":"abc","upgrades":["websocket"]}'], true],
  ["in parts", ['0{"s', 'id":"a', 'bc","upgrades":["websocket"]}'], true],
  ["of unknown length", ['0{"sid":"abc","upgrades"', ':["websocket"]}'], false],
  [
    "with more behind it",
    ['0{"sid":"abc","upgrades":["websocket"]}', `\u001e4${"é".repeat(10_000)}`],
    false,
  ],
])) {
  test(`a handshake's sid gets the route appended: ${what}`, async (t) => {
    const whole = parts.join("");
    const vestibule = await before(t, async (_, reply) => {
      const size = length ? { "content-length": Buffer.byteLength(whole) } : {};
      reply.writeHead(200, { "content-type": "text/plain; charset=UTF-8", ...size });
      for (const part of parts) {
        reply.write(part);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      reply.end();
    });
    const response = await fetch(vestibule.url + POLL);
    const text = await response.text();
    const sid = /^0\{"sid":"(abc~[\w-]{43})"/.exec(text)?.[1];
    assert.ok(sid, text.slice(0, 100));
    assert.equal(text.replace(sid, "abc"), whole);
    const received = response.headers.get("content-length");
    assert.equal(received, length ? String(Buffer.byteLength(text)) : null);
  });
}

test("a client that disconnects during the response leaks nothing", async (t) => {
  let isOver = false;
  const vestibule = await before(t, (_, reply) => {
    reply.setHeader("content-type", "text/plain");
    const timer = setInterval(() => reply.write("tick\n"), 20);
    reply.on("close", () => {
      clearInterval(timer);
      isOver = true;
    });
  });
  const { request } = await firstBytes(vestibule.url + POLL);
  request.destroy();
  await until(() => isOver, { what: "the origin's answer being given up" });
});
