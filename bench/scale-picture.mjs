/** Draws the scale measurements as small plots side by side: docs/operate/scale.svg. */

/** @typedef {{ name: string, color: string, points: { x: number, y: number, least?: number, most?: number }[] }} Line */

/**
 * @typedef {object} Panel
 * @property {string} title
 * @property {string} across
 * @property {boolean} isLogarithmic whether the x axis is logarithmic
 * @property {Line[]} lines
 */

const [OURS, OTHER, THIRD, FOURTH] = ["#3a6ea5", "#c2703d", "#7a8794", "#8a5aa8"];

const COLUMNS = 2;
const [WIDTH, HEIGHT] = [430, 290];

/** Positions of a panel's axes. */
const [LEFT, RIGHT, TOP, BOTTOM] = [62, 402, 84, 238];

/** @param {import("./scale.mjs").Scale} scale @returns {Panel[]} */
export function panels({ sessions, tenants, origins, sockets }) {
  const colors = [OURS, OTHER, THIRD];
  const ofSessions = (/** @type {"cost" | "p99"} */ what, /** @type {number} */ unit) =>
    sessions.map(({ series, sizes }, at) => ({
      name: series,
      color: colors[at],
      points: sizes.map((row) => ({ x: row.sessions, y: row[what] / unit })),
    }));
  const ofOrigins = (/** @type {"warm" | "newcomer"} */ which) =>
    origins.map((row) => ({ x: row.origins, y: row[which].cost }));
  const ofSockets = (
    /** @type {(point: import("./scale-sockets.mjs").Point) => { x: number, y: number }} */ of,
  ) =>
    sockets.map(({ name, points }, at) => ({
      name,
      color: [THIRD, OURS, OTHER, FOURTH][at],
      points: points.map(of),
    }));
  return [
    {
      title: "CPU µs a request",
      across: "sessions stored",
      isLogarithmic: true,
      lines: ofSessions("cost", 1),
    },
    {
      title: "p99, ms",
      across: "sessions stored",
      isLogarithmic: true,
      lines: ofSessions("p99", 1_000),
    },
    {
      title: "CPU µs a request",
      across: "tenants",
      isLogarithmic: true,
      lines: tenants.series.map(({ series, counts }, at) => ({
        name: series,
        color: colors[at],
        points: counts.map((row) => ({ x: row.tenants, y: row.cost })),
      })),
    },
    {
      title: "CPU µs a request",
      across: "servers of a tenant",
      isLogarithmic: true,
      lines: [
        { name: "warm", color: OURS, points: ofOrigins("warm") },
        { name: "new visitor", color: OTHER, points: ofOrigins("newcomer") },
      ],
    },
    {
      title: "memory of the process, MiB",
      across: "open WebSockets",
      isLogarithmic: false,
      lines: ofSockets(({ open, resident }) => ({ x: open, y: resident })),
    },
    {
      title: "CPU ms a second",
      across: "messages a second",
      isLogarithmic: false,
      lines: ofSockets(({ messages, busy }) => ({ x: messages, y: busy })),
    },
  ];
}

/** @param {import("./scale.mjs").Scale} scale */
export function scaleAsPicture(scale) {
  const drawn = panels(scale).map((panel, at) => {
    const [x, y] = [(at % COLUMNS) * WIDTH, Math.floor(at / COLUMNS) * HEIGHT];
    return `  <g transform="translate(${x} ${y})">\n${draw(panel)}\n  </g>`;
  });
  const height = Math.ceil(drawn.length / COLUMNS) * HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#1d2433">
  <title>What grows with sessions, tenants, servers and sockets</title>
  <rect width="100%" height="100%" fill="#ffffff"/>
${drawn.join("\n")}
</svg>
`;
}

/** @param {Panel} panel */
function draw({ title, across, isLogarithmic, lines }) {
  const all = lines.flatMap(({ points }) => points);
  const highest = ceiling(Math.max(...all.map(({ y }) => y)));
  const place = isLogarithmic ? Math.log : (/** @type {number} */ x) => x;
  const most = Math.max(...all.map(({ x }) => x));
  const [from, to] = isLogarithmic
    ? [place(Math.min(...all.map(({ x }) => x))), place(most)]
    : [0, ceiling(most)];
  const left = (/** @type {number} */ x) =>
    LEFT + ((place(x) - from) / (to - from)) * (RIGHT - LEFT);
  const top = (/** @type {number} */ y) => BOTTOM - (y / highest) * (BOTTOM - TOP);
  const at = (/** @type {{ x: number, y: number }} */ { x, y }) =>
    `${left(x).toFixed(1)},${top(y).toFixed(1)}`;
  const figures = isLogarithmic
    ? lines[0].points.map(({ x }) => x)
    : [0, 0.5, 1].map((part) => part * to);
  const parts = [
    `<text x="${LEFT - 44}" y="28" font-weight="600">${title}</text>`,
    legend(lines),
    ...[0, 0.5, 1].map((part) => grid(top(part * highest), part * highest)),
    ...figures.map(
      (x) =>
        `<text x="${left(x).toFixed(1)}" y="${BOTTOM + 19}" text-anchor="middle">${short(x)}</text>`,
    ),
    `<text x="${(LEFT + RIGHT) / 2}" y="${BOTTOM + 38}" text-anchor="middle" fill="#5b6675">${across}</text>`,
    ...lines.map(({ color, points }) => {
      const dots = points.map((point) => {
        const [x, y] = at(point).split(",");
        return `<circle cx="${x}" cy="${y}" r="3.5" fill="${color}"/>`;
      });
      const path = `<polyline points="${points.map(at).join(" ")}" fill="none" stroke="${color}" stroke-width="2"/>`;
      return [path, ...dots].join("\n    ");
    }),
  ];
  return parts.map((part) => `    ${part}`).join("\n");
}

/** @param {Line[]} lines */
function legend(lines) {
  const names = lines.map(({ name, color }) => `<tspan fill="${color}">● ${name}</tspan>`);
  return `<text x="${LEFT - 44}" y="50">${names.join("  ")}</text>`;
}

/**
 * @param {number} y
 * @param {number} value
 */
function grid(y, value) {
  const line = `<line x1="${LEFT}" x2="${RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#d5dae1"/>`;
  return `${line}<text x="${LEFT - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end">${short(value)}</text>`;
}

/** Returns the next round number: 1, 2, 4, 5 or 8 and zeros. @param {number} value */
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const first = [1, 2, 4, 5, 8, 10].find((digit) => digit * power >= value * 0.999999);
  return (first ?? 10) * power;
}

/** @param {number} value */
function short(value) {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 1e4) return `${value / 1e3} k`;
  return value.toLocaleString("en", { maximumFractionDigits: 2 });
}
