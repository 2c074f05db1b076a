/** Reads the dashboard for Grafana and its queries, and checks it against Grafana's own types. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./pages.mjs";

export const OBSERVABILITY = path.resolve(import.meta.dirname, "../../docs/operate/observability");
export const ALERTS = path.join(OBSERVABILITY, "alerts.yml");
export const DASHBOARD = JSON.parse(readFileSync(path.join(OBSERVABILITY, "grafana.json"), "utf8"));

/** Returns all panels except row headings. @returns {any[]} */
export function panels() {
  return DASHBOARD.panels.filter((/** @type {any} */ { type }) => type !== "row");
}

/**
 * Returns the queries of panels and annotations, with Grafana's variables replaced as in Grafana.
 * @returns {{ title: string, expression: string }[]}
 */
export function expressions() {
  const asked = [
    ...panels().flatMap(({ title, targets }) =>
      targets.map((/** @type {any} */ { expr }) => ({ title, expr })),
    ),
    ...DASHBOARD.annotations.list
      .filter((/** @type {any} */ { target }) => target)
      .map((/** @type {any} */ { name, target }) => ({ title: name, expr: target.expr })),
  ];
  return asked.map(({ title, expr }) => ({
    title,
    expression: expr.replaceAll("$__rate_interval", "1m").replaceAll("$tenant", ".*"),
  }));
}

/** Grafana's type of a dashboard, with the values of its enumerations as JSON has them, and what Prometheus adds. */
const TYPES = `import type { Dashboard } from "@grafana/schema";
type Json<T> = T extends string ? \`\${T}\`
  : T extends number | boolean | null | undefined ? T
  : T extends unknown[] ? Json<T[number]>[]
  : { [Key in keyof T]: Json<T[Key]> };
type OfPrometheus = { titleFormat?: string; textFormat?: string };
type Checked = Json<Dashboard> & { annotations?: { list?: OfPrometheus[] } };
`;

const COMPILER = [
  "--ignoreConfig",
  "--noEmit",
  "--strict",
  "--skipLibCheck",
  "--module",
  "nodenext",
];

/** Returns what Grafana's published types say against a dashboard; empty if nothing. @param {unknown} dashboard */
export function faultsOf(dashboard) {
  // Here the compiler finds the packages.
  const folder = mkdtempSync(path.join(ROOT, "target/dashboard-"));
  try {
    const file = path.join(folder, "dashboard.ts");
    writeFileSync(file, `${TYPES}export const dashboard: Checked = ${JSON.stringify(dashboard)};`);
    const tsc = path.join(ROOT, "node_modules/.bin/tsc");
    return spawnSync(tsc, [...COMPILER, file], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
