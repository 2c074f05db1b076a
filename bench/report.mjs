/** Formats figures as tables and as a picture. */

/** @typedef {{ name: string, does: string, cost: number, ratio: number, least: number, most: number, throughput: number, rounds: number[] }} Row */

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/**
 * Computes ratios round by round, so that changes of the machine's speed cancel out.
 * @param {import("./variant.mjs").Variant[]} variants the first is the floor
 * @returns {Row[]}
 */
export function rows(variants) {
  const [floor] = variants;
  return variants.map(({ description: { name, does }, cost, throughput }) => ({
    name,
    does,
    cost: round(median(cost), 1),
    ...against(cost, floor.cost),
    throughput: round(median(throughput), 0),
    rounds: cost.map((one) => round(one, 1)),
  }));
}

/**
 * Returns one series as a multiple of another, round by round.
 * @param {number[]} cost
 * @param {number[]} floor
 */
export function against(cost, floor) {
  const ratios = cost.map((one, at) => one / floor[at]);
  return {
    ratio: round(median(ratios), 2),
    least: round(Math.min(...ratios), 2),
    most: round(Math.max(...ratios), 2),
  };
}

/**
 * @param {number} value
 * @param {number} digits
 */
export function round(value, digits) {
  return Number(value.toFixed(digits));
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

const COST_HEAD = ["variant", "CPU µs", "× bare", "spread", "req/s"];

/** @param {Row[]} table */
function costBody(table) {
  return table.map(({ name, cost, ratio, least, most, throughput }) => [
    name,
    cost.toFixed(0),
    ratio.toFixed(2),
    `${least.toFixed(2)}–${most.toFixed(2)}`,
    throughput.toFixed(0),
  ]);
}

/** @param {Row[]} table */
export function costInMarkdown(table) {
  return markdown(COST_HEAD, costBody(table));
}

/** Descriptions follow below, because they do not fit on a line with the figures. @param {Row[]} table */
export function asText(table) {
  const does = table.map(({ name, does }) => `  ${name}: ${does}`);
  return [aligned(COST_HEAD, costBody(table)), "", ...does].join("\n");
}

/** Start of the bars and width of the widest, with room for labels and figures. */
const LEFT = 190;
const WIDEST = 420;
const ROW = 30;

/** @param {Row[]} table */
export function asPicture(table) {
  const scale = WIDEST / Math.max(...table.map(({ most }) => most));
  const bars = table.map(({ name, ratio, least, most }, at) => {
    const y = 20 + at * ROW;
    const x = (/** @type {number} */ value) => (LEFT + value * scale).toFixed(1);
    return `  <text x="${LEFT - 10}" y="${y + 16}" text-anchor="end">${name}</text>
  <rect x="${LEFT}" y="${y}" width="${(ratio * scale).toFixed(1)}" height="22" rx="3" fill="${name.startsWith("Vestibule") ? "#3a6ea5" : "#9aa5b1"}"/>
  <line x1="${x(least)}" x2="${x(most)}" y1="${y + 11}" y2="${y + 11}" stroke="#1d2433"/>
  <text x="${(Number(x(most)) + 8).toFixed(1)}" y="${y + 16}">× ${ratio.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDEST + 80} ${30 + table.length * ROW}" font-family="system-ui, sans-serif" font-size="14">
  <title>Processor time per request, as a multiple of the barest Worker</title>
  <rect width="100%" height="100%" fill="#ffffff"/>
${bars.join("\n")}
</svg>
`;
}
