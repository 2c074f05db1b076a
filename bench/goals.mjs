/**
 * Compares the last recorded figures with the goals. Less is better for all of them, so a goal is met if
 * its figure is at most its limit.
 */
import { picture } from "./picture.mjs";
import { ONE_SESSION } from "./profiles.mjs";
import { against, aligned, markdown, round } from "./report.mjs";

/** Time for which an isolate uses a cached record, in seconds: the default of SESSION_CACHE. */
const CACHE = 5;

const HOUR = 3_600;

/**
 * @typedef {object} Goal
 * @property {string} name
 * @property {number} limit
 * @property {number} reached
 * @property {number} [least] of all rounds
 * @property {number} [most]
 * @property {string} unit
 * @property {number} digits after the decimal point
 * @property {boolean} [isEqual] equal to the floor: met if the rounds show no difference
 */

/**
 * @param {import("./recorded.mjs").Recorded} recorded
 * @returns {Goal[]}
 */
export function goals({ cost, messages, operations, encodings, weight, starts, scale }) {
  const request = (/** @type {string} */ name) => ratio(found(cost, name));
  const message = (/** @type {string} */ name) => ratio(found(messages.table, name));
  const [cold, byHand] = ["Vestibule, cold", "hand-written JS"].map((name) => found(cost, name));
  // The more expensive of the two consistencies, so that neither hides the other.
  const kept = ["Vestibule", "Vestibule, KV alone"].map(
    (name) => operations[ONE_SESSION.name][name].kv,
  );
  const reads = Math.max(...kept.map((kv) => kv.reads));
  const writes = Math.max(...kept.map((kv) => kv.writes));
  const record = (/** @type {string} */ algorithm) => ({
    name: `record, tokens signed by ${algorithm}`,
    limit: 40,
    reached: partOfJson(encodings, `reference, ${algorithm}`),
    unit: "% of its JSON",
    digits: 1,
  });
  return [
    { name: "warm request", limit: 1.2, ...request("Vestibule, warm"), unit: "× bare JS" },
    {
      name: "cold request",
      limit: 1,
      ...ratio(against(cold.rounds, byHand.rounds)),
      unit: "× hand-written JS",
    },
    { name: "forged cookie", limit: 0.6, ...request("Vestibule, forged"), unit: "× bare JS" },
    {
      name: "WebSocket, a message",
      limit: 1,
      isEqual: true,
      ...message("WebSocket, Vestibule"),
      unit: "× bare JS",
    },
    {
      name: "SSE, an event",
      limit: 1,
      isEqual: true,
      ...message("SSE, Vestibule"),
      unit: "× bare JS",
    },
    {
      name: "revocable WebSocket, a message",
      limit: 1.5,
      ...message("WebSocket, Vestibule, revocable"),
      unit: "× JS pump",
    },
    {
      name: "KV reads of an active session",
      limit: 1,
      reached: round(reads / (HOUR / CACHE), 2),
      unit: "a cache period",
      digits: 2,
    },
    {
      name: "KV writes of an active session",
      limit: 8,
      reached: writes,
      unit: "an hour",
      digits: 0,
    },
    record("ES256"),
    record("RS256"),
    {
      name: "wasm, gzipped, all modules",
      limit: 420,
      reached: round((weight.gateway + weight.passwords) / 1_000, 0),
      unit: "kB",
      digits: 0,
    },
    {
      name: "cold start beyond a bare Worker's",
      limit: 10,
      reached: starts.more.all,
      ...starts.spread,
      unit: "ms",
      digits: 1,
    },
    {
      name: "p99 at 1,000,000 sessions",
      limit: 1.1,
      ...ratio(slowest(scale)),
      unit: "× at 1,000",
      digits: 2,
    },
  ];
}

/**
 * Figure for a million stored sessions, where each request reads its record.
 * @param {import("./scale.mjs").Scale} scale
 */
function slowest({ sessions }) {
  const series = sessions.find(({ series }) => series === "each read anew");
  const most = series?.sizes.find(({ sessions }) => sessions === 1_000_000);
  if (!most) throw new Error("a million sessions were not measured");
  return most.p99Ratio;
}

/** @param {{ ratio: number, least: number, most: number }} row */
function ratio({ ratio, least, most }) {
  return { reached: ratio, least, most, digits: 2 };
}

/**
 * @template {{ name: string }} T
 * @param {T[]} table
 * @param {string} wanted
 * @returns {T}
 */
function found(table, wanted) {
  const row = table.find(({ name }) => name === wanted);
  if (!row) throw new Error(`"${wanted}" was not measured`);
  return row;
}

/**
 * @param {import("./encodings.mjs").Encoded[]} encodings
 * @param {string} name
 */
function partOfJson(encodings, name) {
  const { stored, json } = found(encodings, name);
  return round((100 * stored) / json, 1);
}

/** @param {Goal} goal */
function isMet({ reached, limit, least = reached, isEqual }) {
  return (isEqual ? least : reached) <= limit;
}

const HEAD = ["goal", "at most", "reached", "spread", ""];

/** @param {import("./recorded.mjs").Recorded} recorded */
function body(recorded) {
  return goals(recorded).map((goal) => {
    const { name, limit, reached, least, most, unit, digits } = goal;
    const described = (/** @type {number} */ value) => `${value.toFixed(digits)} ${unit}`;
    const spread = [least, most].flatMap((end) => end?.toFixed(digits) ?? []).join("–");
    return [name, described(limit), described(reached), spread, isMet(goal) ? "met" : "not met"];
  });
}

/** @param {import("./recorded.mjs").Recorded} recorded */
export function goalsInMarkdown(recorded) {
  return markdown(HEAD, body(recorded));
}

/** @param {import("./recorded.mjs").Recorded} recorded */
export function goalsAsText(recorded) {
  return aligned(HEAD, body(recorded));
}

/** @param {import("./recorded.mjs").Recorded} recorded */
export function goalsAsPicture(recorded) {
  const bars = goals(recorded).map((goal) => {
    const { name, reached, limit, unit, digits } = goal;
    /** @type {import("./picture.mjs").Tone} */
    const tone = isMet(goal) ? "good" : "bad";
    return {
      label: name,
      value: reached / limit,
      text: `${reached.toFixed(digits)} ${unit}, goal ${limit}`,
      tone,
    };
  });
  const met = bars.filter(({ tone }) => tone === "good").length;
  return picture(
    `Goals: ${met} of ${bars.length} met`,
    "Each bar is what was measured as a part of what it may be at most: shorter is better.",
    [{ bars, line: { at: 1, text: "goal" }, most: 2 }],
  );
}
