/** Formats figures as tables and as a picture. */

import { against, median, round } from "./quartiles.mjs";
import { VARIANTS } from "./variants.mjs";

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} does
 * @property {number} cost median processor time of a request, in microseconds
 * @property {number} ratio to the floor, median
 * @property {number} low quartiles of the ratio
 * @property {number} high
 * @property {number} [instructions] median of a request, where the machine counts them
 * @property {number} throughput
 * @property {number[]} rounds cost in each round
 */

/** What a table says where a figure is missing. */
export const UNMEASURED = "not measured yet";

/**
 * @param {import("./variant.mjs").Variant[]} variants the first is the floor
 * @returns {Row[]}
 */
export function rows(variants) {
  const [floor] = variants;
  return variants.map(({ description: { name, does }, cost, instructions, throughput }) => ({
    name,
    does,
    cost: round(median(cost), 1),
    ...against(cost, floor.cost),
    ...(instructions.length > 0 ? { instructions: round(median(instructions), 0) } : {}),
    throughput: round(median(throughput), 0),
    rounds: cost.map((one) => round(one, 1)),
  }));
}

/**
 * Formats a table for the documents: the first column is text, the others are figures.
 * @param {string[]} head
 * @param {string[][]} body
 */
export function markdown(head, body) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, at) => (at === 0 ? "---" : "--:"));
  return [head, rule, ...body].map(line).join("\n");
}

/**
 * Formats a table for a terminal.
 * @param {string[]} head
 * @param {string[][]} body
 */
export function aligned(head, body) {
  const lines = [head, ...body];
  const widths = head.map((_, at) => Math.max(...lines.map((cells) => cells[at].length)));
  const pad = (/** @type {string} */ cell, /** @type {number} */ at) =>
    at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]);
  return lines.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n");
}

/** @param {Row[]} table */
function costLines(table) {
  const areCounted = table.length > 0 && table.every((row) => row.instructions !== undefined);
  const head = ["variant", "CPU µs", "× bare", "quartiles", "req/s"];
  if (areCounted) head.push("instructions");
  const body = VARIANTS.map(({ name }) => {
    const row = table.find((row) => row.name === name);
    if (!row) return [name, UNMEASURED, ...head.slice(2).map(() => "")];
    const { cost, ratio, throughput, instructions = 0 } = row;
    const cells = [name, cost.toFixed(0), ratio.toFixed(2), spread(row), throughput.toFixed(0)];
    return areCounted ? [...cells, instructions.toLocaleString("en")] : cells;
  });
  return { head, body };
}

/** @param {{ low?: number, high?: number }} quartiles */
export function spread({ low, high }, digits = 2) {
  if (low === undefined || high === undefined) return "";
  return `${low.toFixed(digits)}–${high.toFixed(digits)}`;
}

/** @param {Row[]} table */
export function costInMarkdown(table) {
  const { head, body } = costLines(table);
  return markdown(head, body);
}

/** Descriptions follow below, because they do not fit on a line with the figures. @param {Row[]} table */
export function costAsText(table) {
  const { head, body } = costLines(table);
  const does = VARIANTS.map(({ name, does }) => `  ${name}: ${does}`);
  return [aligned(head, body), "", ...does].join("\n");
}

/** Start of the bars and width of the widest, with room for labels and figures. */
const LEFT = 190;
const WIDEST = 420;
const ROW = 30;

/**
 * Draws the variants that decide every request. A reused decision is the best case, which the table has.
 * @param {Row[]} recorded
 */
export function asPicture(recorded) {
  const shown = VARIANTS.filter(({ reuses }) => !reuses);
  const table = shown.flatMap(({ name }) => recorded.find((row) => row.name === name) ?? []);
  const scale = WIDEST / Math.max(...table.map(({ high }) => high));
  const bars = table.map(({ name, ratio, low, high }, at) => {
    const y = 20 + at * ROW;
    const x = (/** @type {number} */ value) => (LEFT + value * scale).toFixed(1);
    return `  <text x="${LEFT - 10}" y="${y + 16}" text-anchor="end">${name}</text>
  <rect x="${LEFT}" y="${y}" width="${(ratio * scale).toFixed(1)}" height="22" rx="3" fill="${name.startsWith("Vestibule") ? "#3a6ea5" : "#9aa5b1"}"/>
  <line x1="${x(low)}" x2="${x(high)}" y1="${y + 11}" y2="${y + 11}" stroke="#1d2433"/>
  <text x="${(Number(x(high)) + 8).toFixed(1)}" y="${y + 16}">× ${ratio.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDEST + 80} ${30 + table.length * ROW}" font-family="system-ui, sans-serif" font-size="14">
  <title>Processor time per request, as a multiple of the barest Worker</title>
  <rect width="100%" height="100%" fill="#ffffff"/>
${bars.join("\n")}
</svg>
`;
}
