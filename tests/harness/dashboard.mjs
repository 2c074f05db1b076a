/** The dashboard for Grafana, as it asks Prometheus. */
import { readFileSync } from "node:fs";
import path from "node:path";

export const OBSERVABILITY = path.resolve(import.meta.dirname, "../../docs/operate/observability");
export const ALERTS = path.join(OBSERVABILITY, "alerts.yml");
export const DASHBOARD = JSON.parse(readFileSync(path.join(OBSERVABILITY, "grafana.json"), "utf8"));

/** Everything but the rows' headings. @returns {any[]} */
export function panels() {
  return DASHBOARD.panels.filter((/** @type {any} */ { type }) => type !== "row");
}

/**
 * What panels and annotations ask, with Grafana's variables set as Grafana would.
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
