/** Shows that counts add up over all isolates, on every page, and across deaths of instances. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { WebSocket, WebSocketServer } from "ws";
import { Mood } from "./harness/mood.mjs";
import { Origin } from "./harness/origin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN = "operators-know-this-token";

/**
 * Sends a number of requests, some concurrently.
 * @param {string[]} urls in turn
 * @param {number} count
 */
async function visit(urls, count) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  let begun = 0;
  const visitor = async () => {
    while (begun < count) {
      const url = urls[begun % urls.length];
      begun += 1;
      await new Promise((resolve, reject) => {
        const sent = request(url, { agent }, (answer) => {
          answer.resume();
          answer.on("end", resolve);
        });
        sent.on("error", reject);
        sent.end();
      });
    }
  };
  await Promise.all(Array.from({ length: 16 }, visitor));
  agent.destroy();
}

/**
 * Returns the sum of a metric over all its series.
 * @param {string} url
 * @param {string} metric
 * @param {string} [having] a label that each series must have
 */
async function sum(url, metric, having = "") {
  const answer = await fetch(`${url}/_session/admin/metrics`, {
    headers: { authorization: `Bearer ${ADMIN}` },
  });
  const lines = (await answer.text()).split("\n");
  const own = lines.filter((line) => line.startsWith(metric) && line.includes(having));
  return own.reduce((all, line) => all + Number(line.slice(line.lastIndexOf(" "))), 0);
}

const OF_VISITORS = 'tenant="default"';

/**
 * @param {string} url
 * @param {number} expected
 */
function untilCounted(url, expected) {
  return until(async () => (await sum(url, "http_requests_total{", OF_VISITORS)) >= expected, {
    what: `${expected} requests on the page`,
    within: 20_000,
  });
}

test("10,000 requests to Workers in four locations count as 10,000 on every page", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    lags: [0, 1, 2, 3],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "250", LOG_LEVEL: "warn" },
  });
  await visit(vestibule.urls, 10_000);
  await untilCounted(vestibule.url, 10_000);
  for (const url of vestibule.urls) {
    assert.equal(await sum(url, "http_requests_total{", OF_VISITORS), 10_000, url);
    for (const part of ["edge", "origin"]) {
      const count = "http_request_duration_seconds_count{";
      assert.equal(await sum(url, count, `${OF_VISITORS},part="${part}"`), 10_000, part);
    }
  }
  assert.equal(await sum(vestibule.url, "vestibule_origin_requests_total{"), 10_000);
  assert.equal(await sum(vestibule.url, "vestibule_sessions_created_total{"), 10_000);
});

test("counts survive a restart", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "100" },
  });
  await visit([vestibule.url], 50);
  await untilCounted(vestibule.url, 50);
  const counted = Date.now();
  await until(() => vestibule.wroteAt("telemetry") > counted, { what: "the figures kept" });
  await vestibule.restart();
  await visit([vestibule.url], 7);
  await untilCounted(vestibule.url, 57);
  assert.equal(await sum(vestibule.url, "http_requests_total{", OF_VISITORS), 57);
});

test("a delayed batch counts once, and so do those that overtake it", async (t) => {
  const origin = await Origin.start(t);
  const mood = new Mood();
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    mood,
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "200" },
  });
  const failures = () => vestibule.logged("telemetry_not_taken").length;
  mood.telemetry = "hangs";
  await visit([vestibule.url], 10);
  await until(() => failures() > 0, { what: "a batch that is given up for now", within: 20_000 });
  for (const how of /** @type {const} */ (["refuses", "fine", "loses answers", "refuses"])) {
    mood.telemetry = how;
    await visit([vestibule.url], 10);
    const before = failures();
    if (how !== "fine") await until(() => failures() > before, { what: `one that ${how}` });
  }
  mood.telemetry = "fine";
  await visit([vestibule.url], 10);
  await untilCounted(vestibule.url, 60);
  assert.equal(await sum(vestibule.url, "http_requests_total{", OF_VISITORS), 60);
  assert.equal(await sum(vestibule.url, "vestibule_telemetry_batches_lost_total"), 0);
});

test("a timed-out request with a late response counts once", async (t) => {
  const origin = await Origin.start(
    t,
    (_, reply) => void setTimeout(() => reply.end("late"), 1_500),
  );
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "2000", FIRST_BYTE_TIMEOUT: "1s" },
  });
  await visit([vestibule.url], 4);
  await untilCounted(vestibule.url, 4);
  assert.equal(await sum(vestibule.url, "http_requests_total{", OF_VISITORS), 4);
  assert.equal(await sum(vestibule.url, "http_requests_total{", 'status="504"'), 4);
  assert.equal(await sum(vestibule.url, "vestibule_origin_requests_total{"), 0);
  assert.equal(await sum(vestibule.url, "vestibule_origin_in_flight{"), 0);
});

test("a disconnected client's request is in flight no longer than the response deadline", async (t) => {
  const origin = await Origin.start(t, (request, reply) => {
    if (request.url === "/slow") return;
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ADMIN_TOKEN: ADMIN, OVERLOAD_IN_FLIGHT: "5", FIRST_BYTE_TIMEOUT: "2s" },
  });
  const leaving = Array.from({ length: 8 }, async () => {
    await fetch(`${vestibule.url}/slow`, { signal: AbortSignal.timeout(200) }).catch(() => null);
  });
  await Promise.all(leaving);
  await until(async () => (await fetch(vestibule.url)).status === 200, { what: "room again" });
});

for (const how of /** @type {const} */ (["refuses", "loses answers"])) {
  test(`no count is lost or doubled while the aggregator object ${how}`, async (t) => {
    const origin = await Origin.start(t);
    const mood = new Mood();
    const vestibule = await Vestibule.start(t, {
      origins: [origin.url],
      mood,
      vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "100" },
    });
    mood.telemetry = how;
    await visit([vestibule.url], 40);
    const failed = () => vestibule.logs.some(({ event }) => event === "telemetry_not_taken");
    await until(failed, { what: "a batch that is not taken", within: 20_000 });
    mood.telemetry = "fine";
    await visit([vestibule.url], 3);
    await untilCounted(vestibule.url, 43);
    assert.equal(await sum(vestibule.url, "http_requests_total{", OF_VISITORS), 43);
  });
}

test("sockets and event streams are counted while they are open", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    // A stream detects that its client is gone at the next write.
    const speaking = setInterval(() => reply.write("data: 1\n\n"), 20);
    reply.on("close", () => clearInterval(speaking));
  });
  const sockets = new WebSocketServer({ server: origin.server });
  t.after(async () => sockets.close());
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "100", STREAMS: "revocable" },
  });
  const open = (/** @type {string} */ kind) =>
    sum(vestibule.url, "vestibule_streams_active{", `kind="${kind}"`);
  const stop = new AbortController();
  const stream = await fetch(vestibule.url, { signal: stop.signal });
  const reader = stream.body?.getReader();
  await reader?.read();
  const socket = new WebSocket(vestibule.url.replace("http", "ws"), { origin: vestibule.url });
  await once(socket, "open");
  for (const kind of ["sse", "websocket"]) {
    await until(async () => (await open(kind)) === 1, { what: `one ${kind} open` });
  }
  stop.abort();
  socket.close();
  for (const kind of ["sse", "websocket"]) {
    await until(async () => (await open(kind)) === 0, { what: `no ${kind} open` });
  }
});

test("the busiest sessions are shown with their requests and sockets", async (t) => {
  const origin = await Origin.start(t);
  const sockets = new WebSocketServer({ server: origin.server });
  t.after(async () => sockets.close());
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "100" },
  });
  /** @param {number} requests @param {number} opened */
  const visitor = async (requests, opened) => {
    const cookie = (await fetch(vestibule.url)).headers.getSetCookie()[0].split(";")[0];
    const headers = { cookie, origin: vestibule.url };
    for (let sent = 0; sent < requests; sent += 1) {
      assert.equal((await fetch(vestibule.url, { headers })).status, 200);
    }
    const handle = origin.received("x-session-id").at(-1);
    for (let each = 0; each < opened; each += 1) {
      const socket = new WebSocket(vestibule.url.replace("http", "ws"), { headers });
      t.after(() => socket.terminate());
      await once(socket, "open");
    }
    return { tenant: "default", handle, requests: requests + opened, sockets: opened };
  };
  const [second, first, third] = [await visitor(3, 2), await visitor(9, 0), await visitor(1, 0)];
  const shown = async () => {
    const answer = await fetch(`${vestibule.url}/_session/admin/overview`, {
      headers: { authorization: `Bearer ${ADMIN}` },
    });
    return (await answer.json()).busiest;
  };
  const wanted = [first, second, third];
  await until(async () => isDeepStrictEqual(await shown(), wanted), {
    what: `the sessions ${JSON.stringify(wanted)}`,
  });
});

for (const [streams, kind, member] of [
  ["revocable", "websocket", "sockets"],
  ["pass-through", "passed_through", "passed_through"],
])
  test(`requests and open sockets are counted by origin (${streams})`, async (t) => {
    const origins = await Promise.all([Origin.start(t), Origin.start(t)]);
    const servers = origins.map(({ server }) => new WebSocketServer({ server }));
    t.after(() => servers.map((one) => one.close()));
    const vestibule = await Vestibule.start(t, {
      origins: origins.map(({ url }, at) => `o${at}=${url}`),
      vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "100", STREAMS: streams },
    });
    for (let opened = 0; opened < 8; opened += 1) {
      const socket = new WebSocket(vestibule.url.replace("http", "ws"), { origin: vestibule.url });
      t.after(() => socket.terminate());
      await once(socket, "open");
    }
    const expected = servers.map(({ clients }) => clients.size);
    const figures = async () => {
      const answer = await fetch(`${vestibule.url}/_session/admin/overview`, {
        headers: { authorization: `Bearer ${ADMIN}` },
      });
      /** @type {{ origins: any[] }} */
      const { origins } = await answer.json();
      return origins.map((one) => [one.name, one.requests, one[member]]);
    };
    const wanted = expected
      .map((count, at) => [`o${at}`, count, count])
      .filter(([, count]) => count !== 0);
    await until(async () => JSON.stringify(await figures()) === JSON.stringify(wanted), {
      what: `the figures ${JSON.stringify(wanted)}`,
    });
    for (const [at, count] of expected.entries()) {
      const labels = `origin="o${at}",kind="${kind}"`;
      assert.equal(
        await sum(vestibule.url, "vestibule_origin_connections_active{", labels),
        count,
        labels,
      );
    }
  });
