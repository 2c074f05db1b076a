/**
 * Draws bar charts as SVG. Colours follow the reader's choice of light or dark; an own background keeps a
 * picture readable on pages that do not follow it.
 */

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value its length, from 0
 * @property {string} text the text after the bar
 * @property {Tone} tone
 */

/** @typedef {"ours" | "other" | "good" | "bad"} Tone */

/**
 * @typedef {object} Panel
 * @property {string} [title]
 * @property {Bar[]} bars
 * @property {{ at: number, text: string }} [line] drawn across all bars; texts are in a column then
 * @property {number} [most] value of the widest bar; longer ones are cut off and marked
 */

const WIDTH = 860;
const MARGIN = 24;
const ROW = 28;
const THICK = 18;

const STYLE = `
    .ground { fill: #ffffff; stroke: #d1d9e0 } text { fill: #1f2328 } .dim { fill: #59636e }
    .ours { fill: #3a6ea5 } .other { fill: #a3adb8 } .good { fill: #2f9e55 } .bad { fill: #d0632f }
    .line { stroke: #1f2328 } .cut { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #151b23; stroke: #3d444d } text { fill: #e6edf3 } .dim { fill: #9198a1 }
      .ours { fill: #5b9bd9 } .other { fill: #6b7580 } .good { fill: #3fb963 } .bad { fill: #e0793f }
      .line { stroke: #e6edf3 } .cut { fill: #151b23 }
    }`;

/**
 * @param {string} title
 * @param {string} says what is compared, and which way is better
 * @param {Panel[]} panels
 */
export function picture(title, says, panels) {
  const bars = panels.flatMap((panel) => panel.bars);
  const left = MARGIN + Math.max(...bars.map(({ label }) => widthOf(label))) + 12;
  const right = WIDTH - MARGIN - Math.max(...bars.map(({ text }) => widthOf(text))) - 8;
  let y = 84;
  const drawn = panels.map((panel) => {
    const text = drawPanel(panel, left, right, y);
    y += heightOf(panel);
    return text;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 4}" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="14">
  <title>${escaped(title)}</title>
  <style>${STYLE}
  </style>
  <rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${y + 3}" rx="8"/>
  <text x="${MARGIN}" y="36" font-size="17" font-weight="600">${escaped(title)}</text>
  <text x="${MARGIN}" y="58" class="dim" font-size="13">${escaped(says)}</text>
${drawn.join("\n")}
</svg>
`;
}

/** @param {Panel} panel */
function heightOf({ title, bars, line }) {
  return (title ? 28 : 0) + bars.length * ROW + (line ? 22 : 0) + 16;
}

/**
 * @param {Panel} panel
 * @param {number} left where bars begin
 * @param {number} right where the longest may end
 * @param {number} top
 */
function drawPanel({ title, bars, line, most }, left, right, top) {
  const widest = right - left;
  const end = most ?? Math.max(...bars.map(({ value }) => value), line?.at ?? 0, 1e-9);
  const scale = widest / end;
  const first = top + (title ? 28 : 0);
  const head = title
    ? `  <text x="${MARGIN}" y="${top + 16}" font-weight="600">${escaped(title)}</text>\n`
    : "";
  const column = line ? right + 8 : undefined;
  const rows = bars.map((bar, at) =>
    drawBar({ ...bar, column }, left, first + at * ROW, scale, widest),
  );
  return head + rows.join("\n") + (line ? drawLine(line, left, first, bars.length, scale) : "");
}

/**
 * @param {Bar & { column?: number }} bar `column`: where its text begins, behind itself otherwise
 * @param {number} left
 * @param {number} y
 * @param {number} scale
 * @param {number} widest
 */
function drawBar({ label, value, text, tone, column }, left, y, scale, widest) {
  const isCut = value * scale > widest;
  const width = Math.max(2, Math.min(value * scale, widest));
  const end = left + width;
  const middle = y + THICK / 2;
  const cut = isCut
    ? `\n  <path class="cut" d="M${f(end - 22)} ${y - 1}h6l-5 ${THICK + 2}h-6z"/>`
    : "";
  return `  <text x="${f(left - 12)}" y="${middle + 5}" text-anchor="end">${escaped(label)}</text>
  <rect class="${tone}" x="${f(left)}" y="${y}" width="${f(width)}" height="${THICK}" rx="3"/>${cut}
  <text x="${f(column ?? end + 8)}" y="${middle + 5}">${escaped(text)}</text>`;
}

/**
 * @param {{ at: number, text: string }} line
 * @param {number} left
 * @param {number} top
 * @param {number} rows
 * @param {number} scale
 */
function drawLine({ at, text }, left, top, rows, scale) {
  const x = f(left + at * scale);
  const bottom = top + rows * ROW - 4;
  return `\n  <line class="line" x1="${x}" x2="${x}" y1="${top - 6}" y2="${bottom}" stroke-dasharray="4 3"/>
  <text class="dim" x="${x}" y="${bottom + 17}" text-anchor="middle" font-size="13">${escaped(text)}</text>`;
}

/** Estimates the width of a text without its font. @param {string} text */
function widthOf(text) {
  return text.length * 7.9;
}

/** @param {number} value */
function f(value) {
  return Number(value.toFixed(1));
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
