/**
 * Compares the last recorded figures with the goals. Less is better for all of them, so a goal is met if
 * its figure is at most its limit.
 */
import { picture } from "./picture.mjs";
import { ONE_SESSION } from "./profiles.mjs";
import { against, quartiles, round } from "./quartiles.mjs";
import { aligned, markdown, spread, UNMEASURED } from "./report.mjs";
import { BARE, COLD, EACH, FORGED, HAND_WRITTEN, QUIET, TOLD } from "./variants.mjs";

/** Time for which an isolate uses a cached record, in seconds: the default of SESSION_CACHE. */
const CACHE = 5;

const HOUR = 3_600;

/** Cases of the core (`benches/`) that have a goal. */
const ROUTED = "request: warm, 10 servers";
const VERIFIED = "cookie: verified";

/** @typedef {{ reached: number, low?: number, high?: number }} Figure what was measured, and its quartiles */

/**
 * @typedef {object} Goal
 * @property {string} name
 * @property {number} limit
 * @property {Figure | undefined} figure undefined if it was not measured yet
 * @property {string} unit
 * @property {number} digits after the decimal point
 * @property {boolean} [isEqual] equal to the floor: met if the rounds show no difference
 */

/** @typedef {import("./recorded.mjs").Recorded} Recorded */

/**
 * @param {Recorded} recorded
 * @returns {Goal[]}
 */
export function goals(recorded) {
  return [
    ...ofRequests(recorded),
    ...ofCore(recorded),
    ...ofMessages(recorded),
    ...ofSize(recorded),
  ];
}

/** @param {Recorded} recorded @returns {Goal[]} */
function ofRequests({ cost, young, starts }) {
  const compared = (/** @type {string} */ name, /** @type {string} */ floor) =>
    ratioOf(cost, name, floor);
  return [
    {
      name: "warm request",
      limit: 1.12,
      figure: compared(EACH.name, TOLD.name),
      unit: "× bare JS, our headers",
      digits: 2,
    },
    {
      name: "cold request",
      limit: 1,
      figure: compared(COLD.name, HAND_WRITTEN.name),
      unit: "× hand-written JS",
      digits: 2,
    },
    {
      name: "forged cookie",
      limit: 0.55,
      figure: compared(FORGED.name, BARE.name),
      unit: "× bare JS",
      digits: 2,
    },
    {
      name: "young isolate, 300 requests",
      limit: 1,
      figure: young && figureOf(young.ratio),
      unit: "× hand-written JS",
      digits: 2,
    },
    {
      name: "telemetry, share of a warm request",
      limit: 3,
      figure: shareOf(cost, EACH.name, QUIET.name),
      unit: "%",
      digits: 1,
    },
    {
      name: "cold start beyond a bare Worker's",
      limit: 10,
      figure: { reached: starts.more.all, ...starts.spread },
      unit: "ms",
      digits: 1,
    },
  ];
}

/** @param {Recorded} recorded @returns {Goal[]} */
function ofCore({ native }) {
  const piece = (/** @type {string} */ wanted) => native.table.find(({ name }) => name === wanted);
  const [routed, verified] = [piece(ROUTED), piece(VERIFIED)];
  return [
    {
      name: "warm request, 10 servers, natively",
      limit: 28_000,
      figure: routed && { reached: routed.instructions },
      unit: "instructions",
      digits: 0,
    },
    {
      name: "the same",
      limit: 8,
      figure: routed && { reached: routed.allocations },
      unit: "allocations",
      digits: 0,
    },
    {
      name: "cookie verified, natively",
      limit: 6_000,
      figure: verified && { reached: verified.instructions },
      unit: "instructions",
      digits: 0,
    },
  ];
}

/** @param {Recorded} recorded @returns {Goal[]} */
function ofMessages({ messages }) {
  const figure = (/** @type {string} */ wanted) => {
    const row = messages.table.find(({ name }) => name === wanted);
    return row && figureOf(row);
  };
  return [
    {
      name: "WebSocket, a message",
      limit: 1,
      isEqual: true,
      figure: figure("WebSocket, Vestibule"),
      unit: "× bare JS",
      digits: 2,
    },
    {
      name: "SSE, an event",
      limit: 1,
      isEqual: true,
      figure: figure("SSE, Vestibule"),
      unit: "× bare JS",
      digits: 2,
    },
    {
      name: "revocable WebSocket, a message",
      limit: 1,
      figure: figure("WebSocket, Vestibule, revocable"),
      unit: "× JS pump",
      digits: 2,
    },
  ];
}

/** @param {Recorded} recorded @returns {Goal[]} */
function ofSize({ operations, encodings, weight, scale }) {
  // The more expensive of the two consistencies, so that neither hides the other.
  const kept = ["Vestibule", "Vestibule, KV alone"].map(
    (name) => operations[ONE_SESSION.name][name].kv,
  );
  const reads = Math.max(...kept.map((kv) => kv.reads));
  const writes = Math.max(...kept.map((kv) => kv.writes));
  const record = (/** @type {string} */ algorithm) => ({
    name: `record, tokens signed by ${algorithm}`,
    limit: 40,
    figure: partOfJson(encodings, `reference, ${algorithm}`),
    unit: "% of its JSON",
    digits: 1,
  });
  return [
    {
      name: "KV reads of an active session",
      limit: 1,
      figure: { reached: round(reads / (HOUR / CACHE), 2) },
      unit: "a cache period",
      digits: 2,
    },
    {
      name: "KV writes of an active session",
      limit: 8,
      figure: { reached: writes },
      unit: "an hour",
      digits: 0,
    },
    record("ES256"),
    record("RS256"),
    {
      name: "wasm, gzipped, all modules",
      limit: 420,
      figure: { reached: round((weight.gateway + weight.passwords) / 1_000, 0) },
      unit: "kB",
      digits: 0,
    },
    {
      name: "p99 at 1,000,000 sessions",
      limit: 1.1,
      figure: slowest(scale),
      unit: "× at 1,000",
      digits: 2,
    },
  ];
}

/**
 * Figure for a million stored sessions, where each request reads its record.
 * @param {import("./scale.mjs").Scale} scale
 * @returns {Figure | undefined}
 */
function slowest({ sessions }) {
  const series = sessions.find(({ series }) => series === "each read anew");
  const most = series?.sizes.find(({ sessions }) => sessions === 1_000_000);
  return most && { reached: most.p99Ratio.ratio };
}

/**
 * Returns a variant's processor time as a multiple of another's, round by round.
 * @param {import("./report.mjs").Row[]} cost
 * @param {string} name
 * @param {string} floor
 * @returns {Figure | undefined}
 */
function ratioOf(cost, name, floor) {
  const rounds = roundsOf(cost, name, floor);
  return rounds && figureOf(against(...rounds));
}

/**
 * Returns what a variant adds to another one, in percent of the whole, round by round.
 * @param {import("./report.mjs").Row[]} cost
 * @param {string} name
 * @param {string} without
 * @returns {Figure | undefined}
 */
export function shareOf(cost, name, without) {
  const rounds = roundsOf(cost, name, without);
  if (!rounds) return undefined;
  const [whole, rest] = rounds;
  const shares = whole.map((one, at) => (100 * (one - rest[at])) / one);
  const { low, median, high } = quartiles(shares);
  return { reached: round(median, 1), low: round(low, 1), high: round(high, 1) };
}

/**
 * Returns the rounds of two variants if both were measured in the same run.
 * @param {import("./report.mjs").Row[]} cost
 * @param {string} one
 * @param {string} other
 * @returns {[number[], number[]] | undefined}
 */
function roundsOf(cost, one, other) {
  const [first, second] = [one, other].map((wanted) => cost.find(({ name }) => name === wanted));
  if (!first || first.rounds.length !== second?.rounds.length) return undefined;
  return [first.rounds, second.rounds];
}

/** @param {{ ratio: number, low?: number, high?: number }} row @returns {Figure} */
function figureOf({ ratio, low, high }) {
  return { reached: ratio, low, high };
}

/**
 * @param {import("./encodings.mjs").Encoded[]} encodings
 * @param {string} wanted
 * @returns {Figure | undefined}
 */
function partOfJson(encodings, wanted) {
  const row = encodings.find(({ name }) => name === wanted);
  return row && { reached: round((100 * row.stored) / row.json, 1) };
}

/** @param {Goal} goal @returns {"met" | "not met" | typeof UNMEASURED} */
export function verdict({ figure, limit, isEqual }) {
  if (!figure) return UNMEASURED;
  const { reached, low = reached } = figure;
  return (isEqual ? low : reached) <= limit ? "met" : "not met";
}

const HEAD = ["goal", "at most", "reached", "quartiles", ""];

/** @param {Recorded} recorded */
function body(recorded) {
  return goals(recorded).map((goal) => {
    const { name, limit, figure, unit, digits } = goal;
    const reached = figure ? described(figure.reached, goal) : "";
    const within = figure ? spread(figure, digits) : "";
    return [name, described(limit, { unit, digits }), reached, within, verdict(goal)];
  });
}

/** @param {number} value @param {{ unit: string, digits: number }} goal */
function described(value, { unit, digits }) {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString("en", format)} ${unit}`;
}

/** @param {Recorded} recorded */
export function goalsInMarkdown(recorded) {
  return markdown(HEAD, body(recorded));
}

/** @param {Recorded} recorded */
export function goalsAsText(recorded) {
  return aligned(HEAD, body(recorded));
}

/** @param {Recorded} recorded */
export function goalsAsPicture(recorded) {
  const all = goals(recorded);
  const bars = all.map((goal) => {
    const { name, figure, limit, unit, digits } = goal;
    /** @type {import("./picture.mjs").Tone} */
    const tone = figure ? (verdict(goal) === "met" ? "good" : "bad") : "other";
    const text = figure
      ? `${described(figure.reached, { unit, digits })}, goal ${limit.toLocaleString("en")}`
      : UNMEASURED;
    return { label: name, value: figure ? Math.max(0, figure.reached) / limit : 0, text, tone };
  });
  const met = all.filter((goal) => verdict(goal) === "met").length;
  return picture(
    `Goals: ${met} of ${bars.length} met`,
    "Each bar is what was measured as a part of what it may be at most: shorter is better.",
    [{ bars, line: { at: 1, text: "goal" }, most: 2 }],
  );
}
