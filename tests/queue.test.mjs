/** Tests newcomers who wait in order while their tenant is full. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { enrol, hashed } from "./harness/accounts.mjs";
import { Browser } from "./harness/browser.mjs";
import { Mood } from "./harness/mood.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { Browser as SignInBrowser, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN = "an-admin-token-for-tests";

/** A deployment with accounts. */
const sites = await Sites.start({ after });

/**
 * Starts a deployment whose only server has room for one conversation.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} vars
 * @param {Partial<import("./harness/workerd.mjs").Options>} [options]
 */
async function deployment(t, vars, options = {}) {
  const origin = await Origin.start(t);
  new WebSocketServer({ server: origin.server });
  const vestibule = await Vestibule.start(t, {
    ...options,
    origins: [`a=${origin.url};capacity=1`],
    vars: { ADMIN_TOKEN: ADMIN, STREAMS: "revocable", OVERLOAD_QUEUE: "10", ...vars },
  });
  return { vestibule, origin };
}

/**
 * Lets a visitor open a socket, which fills the server. Returns the visitor, and a function that closes the socket.
 * @param {import("node:test").TestContext} t
 * @param {Vestibule} vestibule
 */
async function fill(t, vestibule) {
  const visitor = new Browser(vestibule.url);
  await visitor.fetch("/");
  const socket = new WebSocket(`ws://127.0.0.1:${vestibule.port}/ws`, {
    headers: { cookie: visitor.cookie },
    origin: vestibule.url,
  });
  t.after(() => socket.terminate());
  await once(socket, "open");
  return { visitor, leave: () => socket.close() };
}

/** Returns a newcomer with the first place. @param {string} url */
function firstInLine(url) {
  // The isolate counts open sockets now and then.
  return until(
    async () => {
      const newcomer = new Browser(url);
      const { status, place } = await ask(newcomer);
      return status === 503 && place === 1 && newcomer;
    },
    { what: "a full server" },
  );
}

/** Asks as a program. @param {Browser} browser */
async function ask(browser) {
  const response = await browser.fetch("/");
  const text = await response.text();
  const { code, place, detail } = response.status === 200 ? {} : JSON.parse(text);
  return { status: response.status, headers: response.headers, code, place, detail };
}

/** @param {string} url @param {string} metric */
async function figure(url, metric) {
  const answer = await fetch(`${url}/_session/admin/metrics`, {
    headers: { authorization: `Bearer ${ADMIN}` },
  });
  const line = (await answer.text()).split("\n").find((one) => one.startsWith(metric));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ")));
}

test("newcomers are admitted in order of arrival at any location, and see their place fall", async (t) => {
  const { vestibule } = await deployment(t, {}, { lags: [0, 1] });
  const [here, there] = vestibule.urls;
  const { leave } = await fill(t, vestibule);
  const first = await firstInLine(here);
  const second = new Browser(there);
  assert.equal((await ask(second)).place, 2);
  const third = new Browser(here);
  assert.equal((await ask(third)).place, 3);
  leave();
  const waiting = new Map([
    ["third", third],
    ["second", second],
    ["first", first],
  ]);
  /** @type {string[]} */
  const admitted = [];
  const lowest = new Map([
    ["second", 2],
    ["third", 3],
  ]);
  await until(
    async () => {
      for (const [name, browser] of waiting) {
        const { status, place } = await ask(browser);
        if (status === 200) {
          admitted.push(name);
          waiting.delete(name);
        } else {
          assert.ok(place <= (lowest.get(name) ?? 1), `${name} at ${place}`);
          lowest.set(name, place);
        }
      }
      return waiting.size === 0;
    },
    { within: 40_000, what: "all newcomers admitted" },
  );
  assert.deepEqual(admitted, ["first", "second", "third"]);
});

test("a newcomer without a ticket does not overtake those who wait when a place frees", async (t) => {
  const { vestibule } = await deployment(t, {}, { lags: [0, 1] });
  const [here, there] = vestibule.urls;
  const { leave } = await fill(t, vestibule);
  const first = await firstInLine(here);
  leave();
  await until(
    async () => {
      const other = await ask(new Browser(there));
      assert.equal(other.status, 503);
      assert.notEqual(other.place, 1);
      return (await ask(first)).status === 200;
    },
    { what: "the first newcomer's turn" },
  );
});

test("a person sees the place on a page in English or Chinese that reloads itself", async (t) => {
  const { vestibule } = await deployment(t, {});
  await fill(t, vestibule);
  const newcomer = await firstInLine(vestibule.url);
  for (const [language, text] of [
    ["en", "You are number 1."],
    ["zh", "您排在第 1 位。"],
  ]) {
    const lines = [
      "Sec-Fetch-Mode: navigate",
      "Accept: text/html",
      `Accept-Language: ${language}`,
      `Cookie: ${newcomer.cookie}`,
    ];
    const page = await send(vestibule.port, { host: "localhost", lines });
    assert.equal(page.status, 503);
    assert.match(header(page, "content-type")[0], /^text\/html/);
    const body = Buffer.from(page.body, "latin1").toString();
    assert.ok(body.includes(text), body);
    assert.deepEqual(header(page, "refresh"), header(page, "retry-after"));
  }
});

test("a program gets problem details with its place, Retry-After and a ticket", async (t) => {
  const { vestibule } = await deployment(t, {});
  await fill(t, vestibule);
  const newcomer = await firstInLine(vestibule.url);
  const { status, headers, code, place, detail } = await ask(newcomer);
  assert.deepEqual([status, code, place], [503, "overloaded", 1]);
  assert.equal(headers.get("retry-after"), "5");
  assert.match(detail, /served in order/);
  assert.match(
    headers.getSetCookie().join(),
    /^vestibule-session-queue=[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=60$/,
  );
});

test("existing conversations continue while newcomers wait, and no server sees a ticket", async (t) => {
  const { vestibule, origin } = await deployment(t, {});
  const { visitor } = await fill(t, vestibule);
  const newcomer = await firstInLine(vestibule.url);
  const ticket = newcomer.jar.get("vestibule-session-queue") ?? "";
  visitor.jar.set("vestibule-session-queue", ticket);
  for (let visit = 0; visit < 5; visit += 1) assert.equal((await ask(visitor)).status, 200);
  const cookies = origin.requests.flatMap(({ headers }) =>
    headers.filter(([name]) => name.toLowerCase() === "cookie").map(([, value]) => value),
  );
  assert.ok(!cookies.some((value) => value.includes(ticket)));
  assert.equal((await ask(newcomer)).place, 1);
});

test("a newcomer beyond the last place is refused, and gets one that is given up", async (t) => {
  const vars = { OVERLOAD_QUEUE: "1", OVERLOAD_QUEUE_TIMEOUT: "3s", TELEMETRY_EVERY: "250" };
  const { vestibule } = await deployment(t, vars);
  await fill(t, vestibule);
  const first = await firstInLine(vestibule.url);
  const second = new Browser(vestibule.url);
  const refusal = await ask(second);
  assert.deepEqual([refusal.status, refusal.code, refusal.place], [503, "overloaded", undefined]);
  assert.equal(second.jar.size, 0);
  assert.equal((await ask(first)).place, 1);
  await until(async () => (await ask(second)).place === 1, { what: "the place given up" });
  const { place } = await ask(first);
  assert.equal(place, undefined, "who was away too long arrives anew");
  const { url } = vestibule;
  await until(
    async () => {
      await ask(second);
      return (await figure(url, "vestibule_queue_waiting{")) === 1;
    },
    { what: "the gauge" },
  );
  const givenUp = 'vestibule_queue_left_total{tenant="default",reason="given_up"}';
  await until(
    async () => {
      // Each takes the place when it is free, and never asks again.
      await ask(new Browser(url));
      return ((await figure(url, givenUp)) ?? 0) >= 1;
    },
    { what: "the counter" },
  );
});

test("a forged ticket gives the last place", async (t) => {
  const { vestibule } = await deployment(t, {});
  await fill(t, vestibule);
  const first = await firstInLine(vestibule.url);
  const forger = new Browser(vestibule.url);
  const ticket = first.jar.get("vestibule-session-queue") ?? "";
  forger.jar.set("vestibule-session-queue", `${ticket.slice(0, -4)}AAAA`);
  assert.equal((await ask(forger)).place, 2);
});

test("while the object does not answer, newcomers are refused and keep their turn", async (t) => {
  const mood = new Mood();
  const { vestibule } = await deployment(t, {}, { mood });
  await fill(t, vestibule);
  const first = await firstInLine(vestibule.url);
  const second = new Browser(vestibule.url);
  assert.equal((await ask(second)).place, 2);
  mood.pool = "refuses";
  for (const newcomer of [second, first]) {
    const { status, code, place } = await ask(newcomer);
    assert.deepEqual([status, code, place], [503, "overloaded", undefined]);
  }
  assert.ok(vestibule.logged("queue_unavailable").length >= 2);
  mood.pool = "fine";
  await until(async () => (await ask(first)).place === 1, { what: "the first place" });
  assert.equal((await ask(second)).place, 2);
});

test("with KV alone newcomers of an isolate wait in order", async (t) => {
  const { vestibule } = await deployment(t, { CONSISTENCY: "eventual" });
  const { leave } = await fill(t, vestibule);
  const first = await firstInLine(vestibule.url);
  const second = new Browser(vestibule.url);
  assert.equal((await ask(second)).place, 2);
  leave();
  await until(
    async () => {
      assert.ok((await ask(second)).place > 1);
      return (await ask(first)).status === 200;
    },
    { what: "the first newcomer's turn" },
  );
  await until(async () => (await ask(second)).status === 200, { what: "the second's turn" });
});

test("who signs in waits before the sign-in, and not at its end", async (t) => {
  let load = "0.1";
  const site = await sites.open(
    t,
    () => ({
      login: { mode: "required", methods: { password: true } },
      routing: { overload: { load: 90, queue: 5 } },
    }),
    (_request, reply) => {
      reply.setHeader("endpoint-load-metrics", `TEXT application_utilization=${load}`);
      reply.end("ok");
    },
  );
  const password = "down the rabbit hole";
  for (const user of ["alice", "bob"]) enrol(sites, site.id, { user, password: hashed(password) });
  const alice = new SignInBrowser();
  const page = await alice.get(`${site.url}/`);
  assert.equal((await alice.submit(page, { username: "alice", password })).status, 200);

  load = "1.0";
  assert.equal((await alice.get(`${site.url}/`)).status, 200);
  const bob = new SignInBrowser();
  const waiting = await bob.get(`${site.url}/`);
  assert.equal(waiting.status, 503);
  assert.match(waiting.body, /You are number 1\./);
  assert.equal((await alice.get(`${site.url}/`)).status, 200, "a signed-in user never waits");

  load = "0.1";
  assert.equal((await alice.get(`${site.url}/`)).status, 200);
  const form = await bob.get(waiting.url);
  assert.equal(form.status, 200, form.body);
  load = "1.0";
  assert.equal((await alice.get(`${site.url}/`)).status, 200);
  const answer = await bob.submit(form, { username: "bob", password });
  assert.deepEqual([answer.status, answer.body], [200, "ok"]);
});
