/** Formats the scale measurements as tables for docs/operate/scale.md and a terminal. */
import { aligned, markdown } from "./report.mjs";

/** @typedef {import("./scale.mjs").Scale} Scale */
/** @typedef {[head: string[], body: string[][]]} Table */

const text = (/** @type {number} */ value) => value.toLocaleString("en");

/** @param {import("./scale-figures.mjs").Ratio} ratio */
function spread({ least, most }) {
  return `${least.toFixed(2)}–${most.toFixed(2)}`;
}

const COST_HEAD = ["CPU µs", "CPU ×", "p50 µs", "p99 µs", "p99 ×", "p99 ×, spread"];

/** @param {import("./scale-rounds.mjs").Row} row */
function costs({ cost, costRatio, p50, p99, p99Ratio }) {
  return [
    cost.toFixed(0),
    costRatio.ratio.toFixed(2),
    text(p50),
    text(p99),
    p99Ratio.ratio.toFixed(2),
    spread(p99Ratio),
  ];
}

const MEMORY_HEAD = ["process MiB", "isolate MiB"];

/** @param {import("./scale-rounds.mjs").Memory} memory */
function memories({ resident, heap, wasm }) {
  return [resident.toFixed(0), (heap + wasm).toFixed(1)];
}

/** @param {Scale} scale @returns {Table} */
function sessions({ sessions }) {
  const body = sessions.flatMap(({ series, sizes }) =>
    sizes.map((row) => [series, text(row.sessions), ...costs(row), ...memories(row)]),
  );
  return [["visitors", "sessions", ...COST_HEAD, ...MEMORY_HEAD], body];
}

/** @param {Scale} scale @returns {Table} */
function tenants({ tenants }) {
  const body = tenants.series.flatMap(({ series, counts }) =>
    counts.map((row) => [
      series,
      text(row.tenants),
      ...costs(row),
      ...memories(row),
      row.first.toFixed(0),
    ]),
  );
  const bare = ["bare JS", ...Array(COST_HEAD.length + MEMORY_HEAD.length + 1).fill("")];
  return [
    ["", "tenants", ...COST_HEAD, ...MEMORY_HEAD, "first answer ms"],
    [...body, [...bare, tenants.bareFirst.toFixed(0)]],
  ];
}

/** @param {Scale} scale @returns {Table} */
function origins({ origins }) {
  const rows = (/** @type {string} */ who, /** @type {"warm" | "newcomer"} */ which) =>
    origins.map((row) => [who, text(row.origins), ...costs(row[which])]);
  return [
    ["", "servers", ...COST_HEAD],
    [...rows("warm", "warm"), ...rows("new visitor", "newcomer")],
  ];
}

/** @param {Scale} scale @returns {Table} */
function sockets({ sockets }) {
  const body = sockets.flatMap(({ name, points }) =>
    points.map(({ open, resident, idle, busy, messages }) => [
      name,
      text(open),
      resident.toFixed(0),
      idle.toFixed(1),
      text(messages),
      busy.toFixed(1),
    ]),
  );
  const head = ["", "open", "process MiB", "idle: CPU ms/s", "messages/s", "CPU ms/s"];
  return [head, body];
}

/** @param {Scale} scale @returns {Table} */
function slopes({ sockets }) {
  const body = sockets.map(({ name, memory, idle, message }) => [
    name,
    memory.toFixed(0),
    idle.toFixed(1),
    message.toFixed(1),
  ]);
  return [["", "KiB a socket", "idle: CPU µs/s a socket", "CPU µs a message"], body];
}

/** @param {Scale} scale @returns {Table} */
function how({ made }) {
  const body = Object.entries(made).map(([part, { date, machine, rounds, seconds }]) => [
    part,
    date,
    machine,
    String(rounds),
    String(seconds),
  ]);
  return [["", "on", "with", "rounds", "seconds each"], body];
}

const TABLES = {
  "measured, how": how,
  "measured, sessions": sessions,
  "measured, tenants": tenants,
  "measured, servers": origins,
  "measured, sockets": sockets,
  "measured, a socket": slopes,
};

/** @param {Scale} scale @returns {Record<string, string>} */
export function measuredTables(scale) {
  return Object.fromEntries(
    Object.entries(TABLES).map(([mark, table]) => [mark, markdown(...table(scale))]),
  );
}

/** @param {Scale} scale */
export function scaleAsText(scale) {
  return Object.values(TABLES)
    .map((table) => aligned(...table(scale)))
    .join("\n\n");
}
