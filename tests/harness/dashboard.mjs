/** Reads the dashboard for Grafana and its queries. */
import { readFileSync } from "node:fs";
import path from "node:path";

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
      .filter((/** @type {any} */ { expr }) => expr)
      .map((/** @type {any} */ { name, expr }) => ({ title: name, expr })),
  ];
  return asked.map(({ title, expr }) => ({
    title,
    expression: expr.replaceAll("$__rate_interval", "1m").replaceAll("$tenant", ".*"),
  }));
}
