/** Reads the metrics of docs/reference/metrics.md, and compares expressions of PromQL with them. */
import { readFileSync } from "node:fs";
import path from "node:path";

const DOCUMENT = path.resolve(import.meta.dirname, "../../docs/reference/metrics.md");

/**
 * @typedef {object} Metric
 * @property {string} name
 * @property {string} type counter, gauge or histogram
 * @property {Map<string, string[]>} labels each with its values, if they are a fixed list
 */

/**
 * Returns the rows of its tables.
 * @returns {Map<string, Metric>}
 */
export function documentedMetrics() {
  const rows = readFileSync(DOCUMENT, "utf8").matchAll(
    /^\| `(?<name>\w+)` \| (?<type>\w+) \| (?<unit>[^|]+) \| (?<labels>[^|]+) \| (?<meaning>[^|]+) \|$/gm,
  );
  return new Map(
    [...rows].map(({ groups = {} }) => {
      const labels = groups.labels.matchAll(/`(\w+)`(?:: ([\w, ]+))?/g);
      const values = (/** @type {string} */ list) => list?.split(", ") ?? [];
      return [
        groups.name,
        {
          name: groups.name,
          type: groups.type,
          labels: new Map([...labels].map(([, label, list]) => [label, values(list)])),
        },
      ];
    }),
  );
}

/**
 * Returns the metrics of an expression, each with its label matchers.
 * @param {string} expression
 * @returns {{ name: string, matchers: [string, string, string][] }[]}
 */
export function selectors(expression) {
  const plain = expression
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right) ?\([^)]*\)/g, " ")
    .replaceAll(/\[[^\]]*\]/g, " ");
  const found = plain.matchAll(/([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?|"[^"]*"|\d\w*/g);
  return [...found]
    .filter(([, name, after]) => name && after !== "(" && !OPERATORS.has(name))
    .map(([, name, after = ""]) => ({
      name,
      matchers: [...after.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(
        ([, label, operator, value]) => /** @type {any} */ ([label, operator, value]),
      ),
    }));
}

const OPERATORS = new Set(["and", "or", "unless", "bool", "offset"]);

/**
 * Returns the faults of an expression, compared with the documented metrics.
 * @param {string} expression
 * @param {Map<string, Metric>} metrics
 */
export function misnamed(expression, metrics) {
  const named = selectors(expression);
  /** @type {string[]} */
  const faults = [];
  for (const { name, matchers } of named) {
    const metric = metricOf(name, metrics);
    if (!metric) faults.push(`${name} is no metric`);
    for (const [label, operator, value] of metric ? matchers : []) {
      const values = metric?.labels.get(label);
      if (!values) faults.push(`${name} has no label ${label}`);
      const unknown = value.split("|").filter((one) => !values?.includes(one));
      if (values?.length && operator.startsWith("=") && unknown.length > 0) {
        faults.push(`${name}: ${label} is never ${unknown.join(" or ")}`);
      }
    }
  }
  return named.length > 0 ? faults : [`${expression} names no metric`];
}

/**
 * Returns the documented metric of a series; a histogram has three kinds of series.
 * @param {string} series
 * @param {Map<string, Metric>} metrics
 */
export function metricOf(series, metrics) {
  const [base, suffix] = series.split(/_(bucket|count|sum)$/);
  const histogram = suffix ? metrics.get(base) : undefined;
  if (histogram?.type === "histogram") return histogram;
  const metric = metrics.get(series);
  return metric?.type === "histogram" ? undefined : metric;
}
