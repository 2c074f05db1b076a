/** Checks that the dashboard and the alerts in docs/operate/observability use existing metrics. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  ALERTS,
  DASHBOARD,
  expressions,
  faultsOf,
  OBSERVABILITY,
  panels,
} from "./harness/dashboard.mjs";
import { documentedMetrics, misnamed, selectors } from "./harness/metrics-table.mjs";
import { Prometheus, prometheusMissing, promtool } from "./harness/prometheus.mjs";

const skip = prometheusMissing;
const METRICS = documentedMetrics();

test("every dashboard expression uses existing metrics, labels and values", () => {
  assert.ok(METRICS.size > 30, "the tables of docs/reference/metrics.md");
  for (const { title, expression } of expressions()) {
    assert.deepEqual(misnamed(expression, METRICS), [], title);
  }
});

test("every metric is on the dashboard", () => {
  const shown = expressions().flatMap(({ expression }) =>
    selectors(expression).map(({ name }) => name.replace(/_(bucket|count|sum)$/, "")),
  );
  assert.deepEqual(
    [...METRICS.keys()].filter((name) => !shown.includes(name)),
    [],
  );
});

test("every dashboard expression is valid PromQL", { skip }, async (t) => {
  const prometheus = await Prometheus.start(t);
  for (const { title, expression } of expressions()) {
    await assert.doesNotReject(prometheus.query(expression), title);
  }
});

test("every panel has a title, description, unit and legend", () => {
  for (const panel of panels()) {
    assert.ok(panel.title && panel.description, JSON.stringify(panel.gridPos));
    assert.ok(panel.fieldConfig.defaults.unit, `the unit of ${panel.title}`);
    assert.ok(panel.targets.length > 0, panel.title);
    for (const target of panel.targets) {
      assert.ok(target.legendFormat, `a legend of ${panel.title}`);
      assert.match(target.datasource.uid, /^\$\{datasource\}$/, panel.title);
    }
  }
});

test("the dashboard is what Grafana's own types describe, to the last member", () => {
  assert.equal(faultsOf(DASHBOARD), "");
  assert.match(faultsOf({ ...DASHBOARD, panel: [] }), /'panel'|"panel"/);
  assert.match(faultsOf({ ...DASHBOARD, graphTooltip: "1" }), /DashboardCursorSync/);
});

test("the dashboard can be imported: ids are unique and panels do not overlap", () => {
  const all = DASHBOARD.panels;
  assert.equal(new Set(all.map((/** @type {any} */ { id }) => id)).size, all.length);
  const taken = new Set();
  for (const { title, gridPos } of all) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        assert.ok(!taken.has(`${x} ${y}`), `${title} lies over another`);
        taken.add(`${x} ${y}`);
      }
    }
  }
  const [datasource, tenant] = DASHBOARD.templating.list;
  assert.deepEqual([datasource.name, datasource.query], ["datasource", "prometheus"]);
  assert.deepEqual([tenant.name, tenant.multi, tenant.includeAll], ["tenant", true, true]);
});

test("promtool accepts the alerts", { skip }, async () => {
  const { code, output } = await promtool(["check", "rules", ALERTS]);
  assert.deepEqual([code, /SUCCESS/.test(output)], [0, true], output);
});

test("the alerts fire exactly under their conditions", { skip }, async () => {
  const { code, output } = await promtool(["test", "rules", "alerts.test.yml"], {
    cwd: OBSERVABILITY,
  });
  assert.equal(code, 0, output);
});

test("every alert uses existing metrics, has a test, and names the remedy", {
  skip,
}, async (t) => {
  const prometheus = await Prometheus.start(t, { rules: ALERTS });
  const { groups } = await prometheus.get("rules");
  const rules = groups.flatMap((/** @type {any} */ group) => group.rules);
  const tests = readFileSync(path.join(OBSERVABILITY, "alerts.test.yml"), "utf8");
  assert.ok(rules.length > 0);
  for (const { name, query, labels, annotations } of rules) {
    assert.deepEqual(misnamed(query, METRICS), [], name);
    assert.ok(tests.includes(`alertname: ${name}\n`), `${name} has no test`);
    assert.match(labels.severity, /^(critical|warning)$/, name);
    assert.ok(annotations.summary && annotations.description, name);
  }
});

for (const [expression, fault] of /** @type {[string, RegExp][]} */ ([
  ["rate(http_request_total[5m])", /http_request_total is no metric/],
  ["sum by (tenant) (http_request_duration_seconds)", /is no metric/],
  ["vestibule_origin_ejected_bucket", /is no metric/],
  ['vestibule_build_info{tenant="a"}', /has no label tenant/],
  ['rate(http_requests_total{method=~"GET|BREW"}[5m])', /method is never BREW/],
  ["1 + 1", /names no metric/],
])) {
  test(`a wrong expression is rejected: ${expression}`, () => {
    assert.match(misnamed(expression, METRICS).join("\n"), fault);
  });
}
