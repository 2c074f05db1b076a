/** Tests origins that come from a list: servers that come and go, and lists that cannot be read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const TOKEN = "an-admin-token-for-tests";

/** Time for a change of a list to reach an isolate, and for a new server to get its first session. */
const PATIENCE = { within: 45_000 };

/** @typedef {import("node:test").TestContext} Test */

/** Starts a chat server that says its name, and how the session came. @param {Test} t @param {string} name */
async function server(t, name) {
  return await Origin.start(t, (request, reply) => {
    reply.setHeader("x-state", request.headers["x-session-state"] ?? "");
    reply.end(name);
  });
}

/** Starts a server of lists, which answers as its `answer` says. @param {Test} t @param {unknown} list */
async function listServer(t, list) {
  const server = await Origin.start(t, (_, reply) => {
    const { status = 200, headers = {}, body } = of.answer;
    reply.writeHead(status, headers);
    reply.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  const of = {
    /** @type {{ status?: number, headers?: Record<string, string>, body: unknown }} */
    answer: { body: list },
    server,
    url: `${server.url}/servers`,
  };
  return of;
}

/** Interval at which lists are read. */
const REFRESH_MS = 2_000;

/** @param {Test} t @param {string[]} origins @param {Record<string, string>} [vars] @param {object} [more] */
function vestibule(t, origins, vars = {}, more = {}) {
  return Vestibule.start(t, {
    origins,
    vars: {
      ADMIN_TOKEN: TOKEN,
      ORIGIN_LIST_REFRESH: `${REFRESH_MS / 1000}s`,
      ORIGIN_LIST_DRAIN: "8s",
      ...vars,
    },
    ...more,
  });
}

/** Visits with a new browser, or one that has been here. @param {string} url @param {Browser} [browser] */
async function visit(url, browser = new Browser(url)) {
  browser.moveTo(url);
  const response = await browser.fetch("/");
  const place = await response.text();
  return { browser, place, status: response.status, state: response.headers.get("x-state") };
}

/** Begins sessions. @param {string} url @param {number} count */
async function newcomers(url, count) {
  const visits = [];
  for (let at = 0; at < count; at += 1) visits.push(await visit(url));
  return visits;
}

/** Returns the operators' answer about the origins. @param {Vestibule} vestibule */
async function operators({ port }) {
  const answer = await send(port, {
    target: "/_session/admin/origins",
    lines: [`Authorization: Bearer ${TOKEN}`],
  });
  return JSON.parse(Buffer.from(answer.body, "latin1").toString());
}

/** Returns the states of the origins, by their ports. @param {Vestibule} vestibule */
async function states(vestibule) {
  const { origins } = await operators(vestibule);
  return Object.fromEntries(
    origins.map((/** @type {any} */ one) => [one.name.split(":").at(-1), one.state]),
  );
}

test("servers come and go, and conversations stay where they are", async (t) => {
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => server(t, name)));
  const list = await listServer(t, [a.url, { url: b.url, weight: 1 }]);
  const gate = await vestibule(t, [`discover:${list.url};weight=1`]);
  const begun = Date.now();
  const visits = await newcomers(gate.url, 20);
  assert.deepEqual([...new Set(visits.map(({ place }) => place))].sort(), ["a", "b"]);
  const most = 1 + Math.floor((Date.now() - begun) / REFRESH_MS);
  assert.ok(list.server.requests.length <= most, `${list.server.requests.length} of ${most}`);
  assert.equal(list.server.received("accept")[0], "application/json");

  list.answer = { body: [c.url, b.url, a.url] };
  const first = await until(async () => {
    const one = await visit(gate.url);
    return one.place === "c" && one;
  }, PATIENCE);
  visits.push(first);
  const stay = async (/** @type {typeof visits} */ some) => {
    for (const { browser, place } of some) {
      const again = await visit(gate.url, browser);
      assert.deepEqual([again.place, again.state], [place, "active"]);
    }
  };
  await stay(visits);

  list.answer = { body: [c.url, b.url] };
  await until(async () => (await states(gate))[a.port] === "drain", PATIENCE);
  await stay(visits);
  for (const { place } of await newcomers(gate.url, 20)) assert.notEqual(place, "a");
  const of = (/** @type {boolean} */ isOfA) =>
    visits.filter(({ place }) => (place === "a") === isOfA);
  const [moved] = of(true);
  const next = await until(async () => {
    const again = await visit(gate.url, moved.browser);
    return again.place !== "a" && again;
  }, PATIENCE);
  assert.equal(next.state, "takeover");
  for (const { browser } of of(true)) {
    const then = await visit(gate.url, browser);
    assert.notEqual(then.place, "a");
    assert.deepEqual((await visit(gate.url, browser)).place, then.place);
  }
  await stay(of(false));
  assert.ok(gate.logged("origin_list_changed").length >= 3);
});

test("a list that fails, is empty, huge or no list keeps the known servers", async (t) => {
  const [a, fixed] = await Promise.all(["a", "fixed"].map((name) => server(t, name)));
  const list = await listServer(t, [{ targets: [a.url.slice("http://".length)] }]);
  const gate = await vestibule(t, [fixed.url, `discover:${list.url}`]);
  const { browser, place } = await visit(gate.url);
  for (const [answer, error] of /** @type {[any, string][]} */ ([
    [{ status: 503, body: "down" }, "the status is 503, not 200"],
    [{ body: "<html>" }, "no JSON array"],
    [{ body: [] }, "lists no server"],
    [{ body: [a.url, "http://b/path"] }, "server 2: url: use http"],
    [{ body: [a.url, "service:CHAT"] }, "server 2: use http"],
    [{ body: `[${" ".repeat(66_000)}"${a.url}"]` }, "more than 65536 bytes"],
    [{ status: 302, headers: { location: list.url }, body: "" }, "the status is 302"],
  ])) {
    list.answer = answer;
    await until(async () => {
      const { lists } = await operators(gate);
      return lists[0].error?.includes(error);
    }, PATIENCE);
    const { lists, origins } = await operators(gate);
    assert.deepEqual([lists[0].servers, origins.length], [1, 2]);
    assert.ok(lists[0].read > 0);
    assert.equal((await visit(gate.url, browser)).place, place);
  }
  const failures = gate.logged("origin_list_failed").map(({ detail }) => detail);
  assert.equal(new Set(failures).size, failures.length, "each cause is logged once");

  await gate.restart();
  assert.equal((await visit(gate.url, browser)).place, place);
  const places = (await newcomers(gate.url, 30)).map((one) => one.place);
  assert.deepEqual([...new Set(places)].sort(), ["a", "fixed"]);
  list.answer = { body: [a.url] };
  await until(async () => (await operators(gate)).lists[0].error === null, PATIENCE);
  const metrics = await until(async () => {
    const answer = await send(gate.port, {
      target: "/_session/admin/metrics",
      lines: [`Authorization: Bearer ${TOKEN}`],
    });
    return answer.body.includes("vestibule_origin_list_reads_total") && answer.body;
  });
  assert.match(metrics, /list_reads_total\{[^}]*list="discover:127\.0\.0\.1:\d+",result="error"/);
});

test("without any known server requests get the cause, and the first list ends that", async (t) => {
  const a = await server(t, "a");
  const list = await listServer(t, []);
  const gate = await vestibule(t, [`discover:${list.url}?key=s3cret`]);
  const refused = await send(gate.port, {});
  assert.deepEqual([refused.status, refused.code], [503, "servers_unknown"]);
  const retry = refused.headers.find(([name]) => name === "retry-after");
  assert.equal(retry?.[1], "5");
  assert.match(refused.body, /origin_list_failed/);
  assert.match((await operators(gate)).lists[0].error, /lists no server/);
  list.answer = { body: [a.url] };
  await until(async () => (await visit(gate.url)).place === "a", PATIENCE);
  assert.equal(gate.logged("origin_list_failed").length, 1);
  assert.ok(!gate.printed.includes("s3cret"));
});

test("a list that hangs delays the first request alone", async (t) => {
  const fixed = await server(t, "fixed");
  const silent = await Origin.start(t, () => {});
  const gate = await vestibule(t, [fixed.url, `discover:${silent.url}/`]);
  assert.equal((await visit(gate.url)).place, "fixed");
  assert.equal(silent.requests.length, 1);
  const begun = Date.now();
  for (const { place } of await newcomers(gate.url, 10)) assert.equal(place, "fixed");
  // Each would wait for six seconds.
  assert.ok(Date.now() - begun < 20_000, "none waits for the list again");
  await until(() => gate.logged("origin_list_failed").some(({ detail }) => detail === "deadline"));
});

test("an isolate that was idle learns new servers before it decides", async (t) => {
  const [a, b] = await Promise.all(["a", "b"].map((name) => server(t, name)));
  const list = await listServer(t, [a.url]);
  const gate = await vestibule(t, [`discover:${list.url}`], {}, { lags: [0, 0] });
  const [here, there] = gate.urls;
  await visit(there);
  await visit(here);
  list.answer = { body: [a.url, b.url] };
  await until(async () => (await visit(here)).place === "b", PATIENCE);
  for (const { browser, place } of await newcomers(here, 10)) {
    assert.equal((await visit(there, browser)).place, place);
  }
});

test("servers are found by SRV and A records, with DNS over HTTPS", async (t) => {
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => server(t, name)));
  const resolver = await Origin.start(t, (request, reply) => {
    const asked = new URL(request.url ?? "", "http://dns").searchParams;
    const [name, type] = [asked.get("name"), asked.get("type")];
    const record = (/** @type {number} */ type, /** @type {string} */ data) => ({
      name,
      type,
      TTL: 30,
      data,
    });
    const zone = new Map([
      [
        "_chat._tcp.example.com SRV",
        [
          record(33, `20 0 ${c.port} 127.0.0.1.`),
          record(33, `10 0 ${b.port} 127.0.0.1.`),
          record(33, `10 0 ${a.port} 127.0.0.1.`),
        ],
      ],
      ["chat.internal A", [record(5, "alias.internal."), record(1, "127.0.0.1")]],
    ]);
    const answers = zone.get(`${name} ${type}`);
    reply.setHeader("content-type", "application/dns-json");
    const Status = answers ? 0 : 3;
    reply.end(JSON.stringify({ Status, Question: [{ name, type }], Answer: answers }));
  });
  const vars = { DNS_RESOLVER: `${resolver.url}/dns-query` };
  for (const [origin, expected] of /** @type {[string, string[]][]} */ ([
    ["srv:_chat._tcp.example.com", ["a", "b"]],
    [`dns:chat.internal:${c.port}`, ["c"]],
  ])) {
    const gate = await vestibule(t, [origin], vars);
    const places = (await newcomers(gate.url, 20)).map(({ place }) => place);
    assert.deepEqual([...new Set(places)].sort(), expected);
    assert.equal(resolver.received("accept")[0], "application/dns-json");
    await gate.stop();
  }
  const unknown = await vestibule(t, ["srv:gone.example.com"], vars);
  assert.equal((await send(unknown.port, {})).code, "servers_unknown");
  assert.match((await operators(unknown)).lists[0].error, /status 3/);
});

test("lists without objects, and malformed ones, are refused with what to do", async (t) => {
  for (const [origin, vars, expected] of /** @type {[string, any, RegExp][]} */ ([
    ["discover:https://a.example/", { CONSISTENCY: "eventual" }, /use session\.consistency strong/],
    ["discover:https://u:p@a.example/", {}, /use discover:https:\/\/host\/path, srv:name/],
    ["dns:a.example", {}, /use discover:https:\/\/host\/path, srv:name/],
    ["srv:a.example", { ORIGIN_LIST_REFRESH: "1s" }, /ORIGIN_LIST_REFRESH: use 2s to 1h/],
    ["srv:a.example", { DNS_RESOLVER: "http://dns.example/" }, /DNS_RESOLVER: use an https/],
  ])) {
    const gate = await vestibule(t, [origin], vars);
    const answer = await send(gate.port, {});
    assert.equal(answer.code, "misconfigured");
    assert.match(JSON.parse(answer.body).detail, expected);
    await gate.stop();
  }
});
