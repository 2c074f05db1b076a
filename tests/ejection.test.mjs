/** Shows that one client's failing requests do not eject a server: only a dead server is ejected. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const CONVERSATIONS = 10;
const ATTACKS_A_SECOND = 20;

/** @typedef {import("node:http").IncomingMessage} Message */
/** @typedef {import("node:http").ServerResponse} Reply */

/**
 * Starts origins that respond with their number, unless `fails` handles the request.
 * @param {import("node:test").TestContext} t
 * @param {number} count
 * @param {(request: Message, reply: Reply) => boolean} fails whether it has dealt with a request
 * @param {Partial<import("./harness/workerd.mjs").Options>} [options]
 */
async function deployment(t, count, fails, options = {}) {
  const origins = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const origin = await Origin.start(t, (request, reply) => {
        if (!fails(request, reply)) reply.end(String(at));
      });
      origin.server.on("upgrade", (request, socket) => {
        if (request.url === "/attack") socket.destroy();
      });
      return origin;
    }),
  );
  const vestibule = await Vestibule.start(t, {
    ...options,
    origins: origins.map((origin, at) => `o${at}=${origin.url}`),
  });
  return { origins, vestibule };
}

/**
 * Runs conversations during an event; returns the numbers of failed requests and moved conversations.
 * @param {Vestibule} vestibule
 * @param {() => Promise<void>} happens
 */
async function meanwhile(vestibule, happens) {
  const visitors = Array.from({ length: CONVERSATIONS }, () => new Browser(vestibule.url));
  const visit = async (/** @type {Browser} */ visitor) => {
    const response = await visitor.fetch("/");
    const place = await response.text();
    return response.status === 200 ? place : "failed";
  };
  const homes = await Promise.all(visitors.map(visit));
  const seen = visitors.map(() => new Set());
  let over = false;
  const happening = happens().finally(() => {
    over = true;
  });
  let rounds = 0;
  while (!over) {
    const places = await Promise.all(visitors.map(visit));
    for (const [at, place] of places.entries()) seen[at].add(place);
    rounds += 1;
    await pause(20);
  }
  await happening;
  for (const [at, visitor] of visitors.entries()) seen[at].add(await visit(visitor));
  assert.ok(rounds > 5, `${rounds} rounds`);
  return {
    homes,
    failed: seen.filter((places) => places.has("failed")).length,
    moved: seen.filter((places, at) => [...places].some((place) => place !== homes[at])).length,
    places: seen.map((places) => [...places]),
  };
}

/**
 * Sends a number of attacks per second for a while, and ignores their outcomes.
 * @param {(attack: number) => Promise<unknown>} attack
 * @param {number} [seconds]
 */
async function attacks(attack, seconds = 2) {
  const under = [];
  for (let number = 0; number < seconds * ATTACKS_A_SECOND; number += 1) {
    under.push(attack(number).catch(() => {}));
    await pause(1_000 / ATTACKS_A_SECOND);
  }
  return Promise.all(under);
}

/** @type {[string, (request: Message, reply: Reply) => boolean, (vestibule: Vestibule, browser: Browser) => Promise<any>, Record<string, string>?][]} */
const KINDS = [
  [
    "cookies that are too large are answered by hanging up",
    (request) => (request.headers.cookie?.length ?? 0) > 4_096 && Boolean(request.socket.destroy()),
    ({ port }, { cookie }) =>
      send(port, { lines: [`Cookie: ${cookie}; big=${"x".repeat(5_000)}`] }),
  ],
  [
    "sixty headers of a kilobyte each are answered by a reset",
    (request) =>
      request.rawHeaders.join("").length > 50_000 && Boolean(request.socket.resetAndDestroy()),
    ({ port }, { cookie }) =>
      send(port, {
        lines: [
          `Cookie: ${cookie}`,
          ...Array.from({ length: 60 }, (_, at) => `X-${at}: ${"x".repeat(1_000)}`),
        ],
      }),
  ],
  ["a path resets its connections", on((request) => request.socket.resetAndDestroy()), asked({})],
  ["a path hangs up", on((request) => request.socket.destroy()), asked({})],
  ["a path hangs up on HEAD", on((request) => request.socket.destroy()), asked({ method: "HEAD" })],
  [
    "a path hangs up on POST",
    on((request) => request.socket.destroy()),
    asked({ method: "POST", body: "hi" }),
  ],
  [
    "a path hangs up on an empty POST",
    on((request) => request.socket.destroy()),
    asked({ method: "POST" }),
  ],
  ["a path answers with no HTTP", on((request) => request.socket.end("what?\r\n\r\n")), asked({})],
  [
    "a path answers with two lengths",
    on((request) =>
      request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ),
    asked({}),
  ],
  ["a path answers 503", on((_, reply) => reply.writeHead(503).end()), asked({})],
  [
    "a path answers 502 to POST",
    on((_, reply) => reply.writeHead(502).end()),
    asked({ method: "POST" }),
  ],
  ["a path never answers", on(() => {}), asked({}), { FIRST_BYTE_TIMEOUT: "1s" }],
  [
    "WebSockets are hung up on",
    () => false,
    ({ port, url }, { cookie }) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/attack`, {
          origin: url,
          headers: { cookie },
        });
        socket.on("error", () => {}).on("close", resolve);
      }),
  ],
];

/**
 * @param {(request: Message, reply: Reply) => unknown} fail
 * @returns {(request: Message, reply: Reply) => boolean}
 */
function on(fail) {
  return (request, reply) => {
    const is = request.url === "/attack";
    if (is) fail(request, reply);
    return is;
  };
}

/** @param {RequestInit} init */
function asked(init) {
  return (/** @type {Vestibule} */ _, /** @type {Browser} */ browser) =>
    browser.fetch("/attack", { ...init, signal: AbortSignal.timeout(5_000) });
}

for (const [what, fails, attack, vars] of KINDS) {
  for (const servers of [2, 1]) {
    test(`a client's failing requests affect no other client: ${what} (${servers} servers)`, async (t) => {
      const { origins, vestibule } = await deployment(t, servers, fails, { vars });
      const attacker = new Browser(vestibule.url);
      const home = await (await attacker.fetch("/")).text();
      const begun = Date.now();
      const { failed, moved, places } = await meanwhile(vestibule, async () => {
        await attacks(() => attack(vestibule, attacker));
      });
      assert.deepEqual({ failed, moved }, { failed: 0, moved: 0 }, JSON.stringify(places));
      assert.equal(await (await attacker.fetch("/")).text(), home, "nor does the attacker move");
      assert.deepEqual(vestibule.logged("origin_ejected"), []);
      const seconds = (Date.now() - begun) / 1_000;
      for (const { requests } of origins) {
        const probes = requests.filter(
          ({ headers }) => !headers.some(([name]) => name.toLowerCase() === "x-session-id"),
        );
        assert.ok(probes.length <= seconds + 2, `${probes.length} probes in ${seconds} s`);
      }
    });
  }
}

test("many clients with failing requests on many paths eject no healthy origin", async (t) => {
  const { vestibule } = await deployment(t, 2, (request) => {
    const is = request.url?.startsWith("/attack/") ?? false;
    if (is) request.socket.destroy();
    return is;
  });
  const { failed, moved } = await meanwhile(vestibule, async () => {
    await attacks((number) => new Browser(vestibule.url).fetch(`/attack/${number}`));
  });
  assert.deepEqual({ failed, moved }, { failed: 0, moved: 0 });
  assert.deepEqual(vestibule.logged("origin_ejected"), []);
});

test("a client gets 502 for a cut connection, and its next request succeeds", async (t) => {
  const { vestibule } = await deployment(
    t,
    2,
    on((request) => request.socket.destroy()),
  );
  const browser = new Browser(vestibule.url);
  const home = await (await browser.fetch("/")).text();
  const response = await browser.fetch("/attack");
  assert.deepEqual([response.status, (await response.json()).code], [502, "origin_unreachable"]);
  assert.equal(await (await browser.fetch("/")).text(), home);
});

test("a killed server is ejected at once although another client's requests fail continuously", async (t) => {
  const { origins, vestibule } = await deployment(
    t,
    2,
    on((request) => request.socket.destroy()),
  );
  const attacker = new Browser(vestibule.url);
  const { homes, failed, places } = await meanwhile(vestibule, async () => {
    const going = attacks(() => attacker.fetch("/attack"));
    await pause(500);
    await origins[0].stop();
    await going;
  });
  assert.equal(failed, 0, JSON.stringify(places));
  for (const [at, seen] of places.entries()) {
    assert.deepEqual(seen, homes[at] === "0" ? ["0", "1"] : ["1"]);
  }
});

test("a client's failing requests do not keep other clients from a recovered server", async (t) => {
  const { origins, vestibule } = await deployment(
    t,
    1,
    on((request) => request.socket.destroy()),
  );
  const attacker = new Browser(vestibule.url);
  const visitor = new Browser(vestibule.url);
  await visitor.fetch("/");
  await origins[0].stop();
  assert.equal((await visitor.fetch("/")).status, 502);
  let isOver = false;
  const going = attacks(() => attacker.fetch("/attack"), 8).then(() => {
    isOver = true;
  });
  await origins[0].comeBack();
  await until(async () => (await visitor.fetch("/")).status === 200);
  assert.ok(!isOver, "the server is back while the attack goes on");
  await going;
});

test("after a POST to a dead server failed, the next POST goes to another server", async (t) => {
  const { origins, vestibule } = await deployment(t, 2, () => false);
  const visitor = new Browser(vestibule.url);
  const home = Number(await (await visitor.fetch("/")).text());
  await origins[home].stop();
  const post = () => visitor.fetch("/", { method: "POST", body: "hi" });
  assert.equal((await post()).status, 502);
  await until(() => vestibule.logged("origin_ejected").length === 1, { what: "the probe" });
  assert.equal(Number(await (await post()).text()), 1 - home);
});
