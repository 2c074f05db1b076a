/** Plots the traffic over time. */
import { useSignal } from "@preact/signals";
import { amount, count, duration, span } from "../format.js";
import { Plot } from "../parts/plot.jsx";
import { MEMORY, per, perSecond } from "../rates.js";

/** @import { Point } from "../backend.d.ts" */
/** @import { Series } from "../parts/plot.jsx" */

/** Shown times, in seconds. */
const RANGES = [120, 300, MEMORY / 1000];

/**
 * @typedef {object} Described
 * @property {string} title
 * @property {(value: number) => string} format
 * @property {number} [least] minimum of the axis's maximum
 * @property {(Series & { of: (points: Point[]) => (number | null)[] })[]} lines
 */

const DASHED = [5, 3];
const DOTTED = [2, 3];

const each = (/** @type {number} */ value) => `${amount(value)}/s`;
const rate = (/** @type {keyof Point} */ counter) => (/** @type {Point[]} */ points) =>
  perSecond(points, counter);
const gauge = (/** @type {keyof Point} */ name) => (/** @type {Point[]} */ points) =>
  points.map((point) => point[name]);
const perRequest = (/** @type {keyof Point} */ counter) => (/** @type {Point[]} */ points) =>
  per(points, counter, "requests");

/** @type {Described[]} */
const PLOTS = [
  {
    title: "Traffic",
    format: each,
    lines: [
      { label: "Requests", color: "--series-1", of: rate("requests") },
      { label: "Errors", color: "--series-bad", dash: DASHED, of: rate("errors") },
    ],
  },
  {
    title: "Time spent per request",
    format: duration,
    least: 0.01,
    lines: [
      { label: "Origin", color: "--series-2", of: perRequest("origin_seconds") },
      { label: "Edge", color: "--series-1", dash: DASHED, of: perRequest("edge_seconds") },
    ],
  },
  {
    title: "Sessions and streams",
    format: count,
    least: 4,
    lines: [
      { label: "Sessions", color: "--series-1", of: gauge("sessions_active") },
      { label: "Streams", color: "--series-3", dash: DASHED, of: gauge("streams_active") },
    ],
  },
  {
    title: "Storage operations",
    format: each,
    lines: [
      { label: "Reads", color: "--series-1", of: rate("kv_reads") },
      { label: "Writes", color: "--series-2", dash: DASHED, of: rate("kv_writes") },
      { label: "Objects", color: "--series-3", dash: DOTTED, of: rate("object_calls") },
    ],
  },
];

/** @param {{ points: Point[] }} props */
export function Plots({ points }) {
  const range = useSignal(RANGES[0]);
  const times = points.map(({ at }) => at);
  return (
    <section aria-labelledby="plots-title">
      <div class="plots-head">
        <h2 id="plots-title">Over time</h2>
        <fieldset class="switch">
          <legend class="visually-hidden">Time range of the plots</legend>
          {RANGES.map((seconds) => (
            <label key={seconds}>
              <input
                type="radio"
                name="range"
                checked={range.value === seconds}
                onChange={() => {
                  range.value = seconds;
                }}
              />
              {span(seconds)}
            </label>
          ))}
        </fieldset>
      </div>
      <div class="plots">
        {PLOTS.map(({ lines, ...plot }) => (
          <Plot
            key={plot.title}
            {...plot}
            range={range.value}
            series={lines}
            times={times}
            values={lines.map(({ of }) => of(points))}
          />
        ))}
      </div>
    </section>
  );
}
