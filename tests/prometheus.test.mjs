/** Tests the page of metrics with promtool and a real Prometheus. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { expressions } from "./harness/dashboard.mjs";
import { KvServer } from "./harness/kv.mjs";
import { documentedMetrics, metricOf } from "./harness/metrics-table.mjs";
import { Origin } from "./harness/origin.mjs";
import { Prometheus, prometheusMissing, promtool } from "./harness/prometheus.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const skip = prometheusMissing;
const ADMIN = "an-admin-token-for-tests";
const PAGE = "/_session/admin/metrics";

/** An isolate's counts are on the page within seconds. */
const FRESH = { within: 30_000 };

/**
 * Requests, their numbers, and the label of their method. The page itself, and checks whether the
 * Worker is up, get none of these statuses.
 * @type {[method: string, status: number, count: number, label?: string][]}
 */
const VISITS = [
  ["GET", 203, 12],
  ["GET", 404, 5],
  ["HEAD", 206, 2],
  ["POST", 201, 7],
  ["PUT", 204, 3],
  ["DELETE", 409, 2],
  ["PATCH", 500, 4],
  ["PROPFIND", 207, 2, "_OTHER"],
];
const VISITED = VISITS.reduce((sum, [, , count]) => sum + count, 0);

/** Matches all requests except the tests' own. */
const VISITORS = 'http_requests_total{status!~"200|401"}';

/** @typedef {{ after: (fn: () => Promise<void>) => void }} Test runs clean-up functions at its end */

/** Starts an origin that responds with the requested status. @param {Test} t */
function origin(t) {
  return Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    reply.statusCode = Number(searchParams.get("status") ?? 200);
    reply.end();
  });
}

/**
 * @param {Test} t
 * @param {Partial<import("./harness/workerd.mjs").Options>} [options]
 */
async function deployment(t, options = {}) {
  const { url } = await origin(t);
  return Vestibule.start(t, {
    origins: [`a=${url}`],
    ...options,
    vars: { ADMIN_TOKEN: ADMIN, TELEMETRY_EVERY: "250", ...options.vars },
  });
}

/**
 * Tenants' documents.
 * @param {Test} t
 * @param {{ id: string, hosts: string[], [key: string]: unknown }[]} tenants
 */
function documents(t, ...tenants) {
  const kv = new KvServer();
  t.after(() => kv.stop());
  for (const document of tenants) {
    for (const host of document.hosts) kv.plant(`host:${host}`, document.id);
    kv.plant(`tenant:${document.id}`, JSON.stringify(document));
  }
  return kv;
}

/** @param {string} url */
async function visit(url) {
  for (const [method, status, count] of VISITS) {
    for (let request = 0; request < count; request += 1) {
      const response = await fetch(`${url}/?status=${status}`, { method });
      assert.equal(response.status, status, method);
      await response.arrayBuffer();
    }
  }
}

/**
 * Waits until the page counts that many requests of visitors, and returns it.
 * @param {string} url
 * @param {number} requests
 */
async function pageWith(url, requests) {
  return until(
    async () => {
      const page = await (await get(url)).text();
      return requestsOn(page) === requests && page;
    },
    { ...FRESH, what: `${requests} requests on the page` },
  );
}

/**
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
function get(url, headers = {}) {
  return fetch(url + PAGE, { headers: { authorization: `Bearer ${ADMIN}`, ...headers } });
}

/** Returns the number of visitors' requests on a page. @param {string} page */
function requestsOn(page) {
  const lines = page.matchAll(/^http_requests_total\{.*status="(?!200|401).*\} (\d+)/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

/**
 * @param {Test} t
 * @param {Vestibule} vestibule
 */
function scrape(t, vestibule, token = ADMIN) {
  return Prometheus.start(t, { scrape: { port: vestibule.port, path: PAGE, token } });
}

test("promtool reports no fault in the metrics page", { skip }, async (t) => {
  const vestibule = await deployment(t);
  await visit(vestibule.url);
  const page = await pageWith(vestibule.url, VISITED);
  assert.deepEqual(await promtool(["check", "metrics"], { input: page }), { code: 0, output: "" });
});

describe("a real Prometheus scrapes the page", { skip }, () => {
  /** @type {Prometheus} */
  let prometheus;
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  before(async () => {
    const suite = { after: (/** @type {() => Promise<void>} */ end) => void ends.push(end) };
    const vestibule = await deployment(suite);
    prometheus = await scrape(suite, vestibule);
    await visit(vestibule.url);
    await until(async () => (await prometheus.value(`sum(${VISITORS})`)) === VISITED, {
      ...FRESH,
      what: `${VISITED} requests in Prometheus`,
    });
  });

  test("it counts the same requests as the visitors", async () => {
    assert.equal(await prometheus.value("up"), 1);
    assert.equal(await prometheus.value(`sum(${VISITORS})`), VISITED);
    const samples = await prometheus.query(`sum by (method, status) (${VISITORS})`);
    assert.deepEqual(
      samples.map(({ metric, value }) => `${metric.method} ${metric.status}: ${value}`).sort(),
      VISITS.map(
        ([method, status, count, label = method]) => `${label} ${status}: ${count}`,
      ).sort(),
    );
    for (const counter of [
      "vestibule_origin_requests_total",
      "vestibule_origin_request_duration_seconds_count",
      'http_request_duration_seconds_count{part="origin"}',
    ]) {
      assert.equal(await prometheus.value(`sum(${counter})`), VISITED, counter);
    }
    const timed = 'sum(http_request_duration_seconds_count{part="edge"})';
    assert.equal(await prometheus.value(`${timed} - sum(http_requests_total)`), 0);
    const whole = "sum by (method, status) (http_server_request_duration_seconds_count)";
    const counted = "sum by (method, status) (http_requests_total)";
    assert.deepEqual(await prometheus.query(`${whole} - ${counted} != 0`), []);
    assert.equal((await prometheus.query(whole)).length, (await prometheus.query(counted)).length);
  });

  test("it computes quantiles of the histograms", async () => {
    for (const [histogram, matcher, bounds] of /** @type {[string, string, number][]} */ ([
      ["http_request_duration_seconds", '{part="edge"}', 15],
      ["http_request_duration_seconds", '{part="origin"}', 15],
      ["http_server_request_duration_seconds", "", 11],
      ["vestibule_origin_request_duration_seconds", "", 15],
      ["vestibule_storage_operation_duration_seconds", "", 15],
    ])) {
      const buckets = `sum by (le) (${histogram}_bucket${matcher})`;
      const p95 = await prometheus.value(`histogram_quantile(0.95, ${buckets})`);
      assert.ok(p95 && p95 > 0 && p95 <= 10, `${histogram}${matcher}: ${p95}`);
      assert.equal(await prometheus.value(`count(${buckets})`), bounds + 1, "and infinity");
      const all = `${histogram}_bucket{le="+Inf"}`;
      assert.deepEqual(await prometheus.query(`${all} - ignoring(le) ${histogram}_count != 0`), []);
    }
  });

  test("it answers the dashboard's queries", async () => {
    for (const { title, expression } of expressions()) {
      await assert.doesNotReject(prometheus.query(expression), title);
    }
  });
});

test("a label's value cannot break the page, and is read back unchanged", { skip }, async (t) => {
  const release = 'v"2\\n vestibule_forged_total{a="b"} 1 \\# EOF {}, é';
  const tenants = documents(t, {
    id: "acme",
    hosts: ["127.0.0.1"],
    origins: [{ name: "a", url: (await origin(t)).url, release }],
    routing: { canary: { release, percent: 100 } },
  });
  const vestibule = await deployment(t, { tenants, origins: [] });
  await visit(vestibule.url);
  const page = await pageWith(vestibule.url, VISITED);
  assert.deepEqual(await promtool(["check", "metrics"], { input: page }), { code: 0, output: "" });
  const prometheus = await scrape(t, vestibule);
  const samples = await until(
    async () => {
      const found = await prometheus.query(
        "sum by (tenant, origin, release) (vestibule_origin_requests_total)",
      );
      return found.length > 0 && found;
    },
    { ...FRESH, what: "the origin in Prometheus" },
  );
  assert.deepEqual(samples, [{ metric: { tenant: "acme", origin: "a", release }, value: VISITED }]);
  assert.deepEqual(await prometheus.query("vestibule_forged_total"), []);
});

test("requests are counted by method, status and route, in buckets that can be set", async (t) => {
  const vestibule = await deployment(t, {
    vars: { ROUTES: "/,/items/{id},/files/*", METRICS_BUCKETS: "0.1,0.3,0.5,1,3" },
  });
  const { port } = vestibule;
  for (const [method, target, count] of /** @type {[string, string, number][]} */ ([
    ["GET", "/?status=203", 1],
    ["GET", "/items/1?status=203", 2],
    ["GET", "/items/%32?status=404", 1],
    ["DELETE", "/items/3?status=409", 1],
    ["GET", "/items/1/more?status=203", 1],
    ["GET", "/files/a/b?status=203", 1],
    ["GET", "/elsewhere?status=203", 1],
    ["GET", "/_session/nothing", 1],
    ["GET", "/%5fsession/me", 1],
  ])) {
    for (let n = 0; n < count; n += 1) await send(port, { host: "localhost", method, target });
  }
  const page = await pageWith(vestibule.url, 10);
  const counts = page.matchAll(
    /^http_server_request_duration_seconds_count\{tenant="default",(.*)\} (\d+)$/gm,
  );
  const labels = (
    /** @type {string} */ method,
    /** @type {number} */ status,
    /** @type {string} */ route,
  ) => `method="${method}",status="${status}",route="${route}"`;
  assert.deepEqual(Object.fromEntries(Array.from(counts, ([, of, count]) => [of, Number(count)])), {
    [labels("GET", 203, "/")]: 1,
    [labels("GET", 203, "/items/{id}")]: 2,
    [labels("GET", 404, "/items/{id}")]: 1,
    [labels("DELETE", 409, "/items/{id}")]: 1,
    [labels("GET", 203, "_other")]: 2,
    [labels("GET", 203, "/files/*")]: 1,
    [labels("GET", 404, "_session")]: 1,
    [labels("GET", 400, "_none")]: 1,
  });
  const bounds = page.matchAll(
    /^http_server_request_duration_seconds_bucket\{.*route="\/files\/\*",le="(.*)"\} (\d+)$/gm,
  );
  const filled = Array.from(bounds, ([, bound]) => bound);
  assert.deepEqual(filled, ["0.1", "0.3", "0.5", "1", "3", "+Inf"]);
});

test("clients cannot invent routes, and invalid settings are refused", async (t) => {
  const vestibule = await deployment(t);
  for (let n = 0; n < 20; n += 1) {
    await send(vestibule.port, { target: `/made-up-${n}?status=203` });
  }
  const page = await pageWith(vestibule.url, 20);
  assert.match(page, /_count\{tenant="default",method="GET",status="203",route="_other"\} 20$/m);
  assert.doesNotMatch(page, /made-up/);
  for (const [name, value] of [
    ["METRICS_BUCKETS", "3,1"],
    ["ROUTES", "/a?b"],
    ["SERVICE_NAME", 'a"b'],
  ]) {
    const wrong = await deployment(t, { vars: { [name]: value } });
    const { status, body } = await send(wrong.port, {});
    assert.equal(status, 500, body);
    assert.match(body, new RegExp(name));
    const [line] = await until(() => wrong.logged("misconfigured"), { what: "the log line" });
    assert.equal(line?.service ?? "vestibule", "vestibule");
  }
});

test("the memory of wasm instances is a gauge", async (t) => {
  const vestibule = await deployment(t);
  await visit(vestibule.url);
  const page = await pageWith(vestibule.url, VISITED);
  for (const name of ["vestibule_wasm_memory_bytes", "vestibule_wasm_memory_max_bytes"]) {
    const found = new RegExp(`^${name}\\{module="core"\\} (\\d+)$`, "m").exec(page);
    const bytes = Number(found?.[1]);
    assert.ok(bytes >= 1_048_576 && bytes <= 64 * 1_048_576 && bytes % 65_536 === 0, found?.[0]);
  }
});

test("a wrong token gets 401, and Prometheus reports the target as down", { skip }, async (t) => {
  const vestibule = await deployment(t);
  const wrong = await get(vestibule.url, { authorization: "Bearer a-wrong-token-of-some-length" });
  assert.equal(wrong.status, 401);
  assert.doesNotMatch(await wrong.text(), /http_requests_total/);
  assert.equal((await fetch(vestibule.url + PAGE)).status, 401);
  const prometheus = await scrape(t, vestibule, "a-wrong-token-of-some-length");
  await until(async () => (await prometheus.value("up")) === 0, { what: "the first scrape" });
  const { activeTargets } = await prometheus.get("targets");
  assert.equal(activeTargets[0].health, "down");
  assert.match(activeTargets[0].lastError, /401/);
  assert.deepEqual(await prometheus.query("http_requests_total"), []);
});

test("a tenant's token shows that tenant, and the deployment's token all", async (t) => {
  const { url } = await origin(t);
  const tenants = documents(
    t,
    { id: "acme", hosts: ["acme.localhost"], origins: [{ name: "a", url }] },
    { id: "globex", hosts: ["globex.localhost"], origins: [{ name: "a", url }] },
  );
  const own = "a-token-of-acmes-operators";
  const vestibule = await deployment(t, {
    tenants,
    origins: [],
    vars: { ACME__ADMIN_TOKEN: own },
  });
  for (const host of ["acme.localhost", "globex.localhost"]) {
    await send(vestibule.port, { host, target: "/?status=404" });
  }
  const page = async (/** @type {string} */ token) =>
    send(vestibule.port, {
      host: "acme.localhost",
      target: PAGE,
      lines: [`Authorization: Bearer ${token}`],
    });
  await until(async () => /tenant="globex".*status="404"/.test((await page(ADMIN)).body), FRESH);
  await until(async () => /tenant="acme".*status="404"/.test((await page(own)).body), FRESH);
  assert.doesNotMatch((await page(own)).body, /globex/);
});

test("the page has Prometheus' text format for any Accept header", async (t) => {
  const vestibule = await deployment(t);
  const page = await get(vestibule.url, {
    accept: "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
  });
  assert.match(page.headers.get("content-type") ?? "", /^text\/plain; ?version=0\.0\.4/);
  assert.doesNotMatch(await page.text(), /# EOF/);
});

test("counts of one location are on every location's page", async (t) => {
  const vestibule = await deployment(t, { lags: [0, 1] });
  const [here, there] = vestibule.urls;
  await visit(here);
  await visit(there);
  await pageWith(here, 2 * VISITED);
  await pageWith(there, 2 * VISITED);
});

test("docs/reference/metrics.md lists every metric of the page", async (t) => {
  const metrics = documentedMetrics();
  const vestibule = await deployment(t);
  await visit(vestibule.url);
  const page = await pageWith(vestibule.url, VISITED);
  for (const [, name, type] of page.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    assert.equal(metrics.get(name)?.type, type, name);
  }
  for (const [, series, labels = ""] of page.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const metric = metricOf(series, metrics);
    assert.ok(metric, series);
    const received = [
      ...metric.labels.keys(),
      ...(series.endsWith("_bucket") ? ["le"] : []),
    ].sort();
    const there = [...labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, label]) => label).sort();
    assert.deepEqual(there, received, series);
  }
});
