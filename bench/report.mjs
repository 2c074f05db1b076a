/** Figures as a table and as a picture. */

/** @typedef {{ name: string, does: string, cost: number, ratio: number, least: number, most: number, throughput: number }} Row */

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/**
 * Ratios are taken round by round, so that a machine that gets faster or slower cancels out.
 * @param {import("./variant.mjs").Variant[]} variants the first is the floor
 * @returns {Row[]}
 */
export function rows(variants) {
  const [floor] = variants;
  return variants.map(({ description: { name, does }, cost, throughput }) => {
    const ratios = cost.map((one, round) => one / floor.cost[round]);
    return {
      name,
      does,
      cost: median(cost),
      ratio: median(ratios),
      least: Math.min(...ratios),
      most: Math.max(...ratios),
      throughput: median(throughput),
    };
  });
}

/** @param {Row[]} table */
export function asText(table) {
  const lines = table.map(({ name, cost, ratio, least, most, throughput, does }) =>
    [
      name.padEnd(24),
      `${cost.toFixed(0).padStart(5)} µs`,
      `× ${ratio.toFixed(2)}`,
      `${least.toFixed(2)}–${most.toFixed(2)}`,
      `${throughput.toFixed(0).padStart(6)}/s`,
      does,
    ].join("  "),
  );
  return ["variant             CPU/req  × bare  spread      req/s  does", ...lines].join("\n");
}

/** @param {Row[]} table */
export function asPicture(table) {
  const scale = 420 / Math.max(...table.map(({ most }) => most));
  const bars = table.map(({ name, ratio, least, most }, at) => {
    const y = 20 + at * 34;
    const x = (/** @type {number} */ value) => (170 + value * scale).toFixed(1);
    return `  <text x="160" y="${y + 16}" text-anchor="end">${name}</text>
  <rect x="170" y="${y}" width="${(ratio * scale).toFixed(1)}" height="22" rx="3" fill="${name.startsWith("Vestibule") ? "#3a6ea5" : "#9aa5b1"}"/>
  <line x1="${x(least)}" x2="${x(most)}" y1="${y + 11}" y2="${y + 11}" stroke="#1d2433"/>
  <text x="${Number(x(most)) + 8}" y="${y + 16}">× ${ratio.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${30 + table.length * 34}" font-family="system-ui, sans-serif" font-size="14">
  <title>Processor time per request, as a multiple of the barest Worker</title>
  <rect width="100%" height="100%" fill="#ffffff"/>
${bars.join("\n")}
</svg>
`;
}
