/** Draws a plot over time, with its newest values as text. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { span, timeOfDay } from "../format.js";

const HEIGHT = 160;

/** The cursor marks the same moment in all plots. */
const CURSOR = { sync: { key: "overview" }, drag: { x: false, y: false }, points: { size: 7 } };

/** @typedef {{ label: string, color: string, dash?: number[] }} Series the color a custom property */

/**
 * @param {{ title: string, series: Series[], times: number[], values: (number | null)[][],
 *   format: (value: number) => string, range: number, least?: number }} props times in milliseconds; `range`:
 *   shown time in seconds; `least`: minimum of the axis's maximum
 */
export function Plot({ title, series, times, values, format, range, least = 1 }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {UPlot | null} */ (null));
  const pointed = useSignal(/** @type {number | null} */ (null));
  const data = /** @type {UPlot.AlignedData} */ ([times.map((at) => at / 1000), ...values]);
  const newest = useRef(data);
  newest.current = data;
  /** Shown time; the plot reads it at each drawing. */
  const shown = useRef(range);
  shown.current = range;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new UPlot(
        options(element, { series, format, least, pointed, shown }),
        newest.current,
        element,
      );
    };
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const size = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    draw();
    size.observe(element);
    dark.addEventListener("change", draw);
    return () => {
      size.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [times, values, range]);

  const index = pointed.value ?? times.length - 1;
  const entries = series.map(({ label }, at) => ({ label, value: values[at]?.[index] ?? null }));
  return (
    <figure class="card plot">
      <figcaption>
        <h2>{title}</h2>
        <span class="soft number">
          {pointed.value !== null && times[index] ? timeOfDay(times[index]) : `last ${span(range)}`}
        </span>
      </figcaption>
      <ul class="legend">
        {entries.map(({ label, value }, at) => (
          <li
            key={label}
            data-series={series[at].color.slice(2)}
            class={series[at].dash ? "dashed" : undefined}
          >
            {label} <b class="number">{value === null ? "–" : format(value)}</b>
          </li>
        ))}
      </ul>
      <div
        class="canvas"
        ref={place}
        role="img"
        aria-label={summary(title, series, values, format)}
      >
        {values.every((one) => one.every((value) => value === null)) && (
          <p class="blank soft">Too few figures yet</p>
        )}
      </div>
    </figure>
  );
}

/**
 * @param {HTMLElement} element
 * @param {{ series: Series[], format: (value: number) => string, least: number,
 *   pointed: { value: number | null }, shown: { current: number } }} plot
 * @returns {UPlot.Options}
 */
function options(element, { series, format, least, pointed, shown }) {
  const style = getComputedStyle(element);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name);
  const axis = {
    stroke: color("--soft"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    // Room for half of the last time label.
    padding: [null, 32, null, null],
    cursor: CURSOR,
    legend: { show: false },
    scales: {
      x: { range: (_, __, until) => [until - shown.current, until] },
      y: { range: (_, __, most) => [0, Math.max(most * 1.15, least)] },
    },
    axes: [
      {
        ...axis,
        size: 26,
        space: 80,
        values: (_, splits, __, ___, step) =>
          splits.map((at) => timeOfDay(at * 1000).slice(0, step < 60 ? 8 : 5)),
      },
      {
        ...axis,
        size: 58,
        space: 26,
        values: (_, splits) => splits.map((at) => round(format(at))),
      },
    ],
    series: [
      {},
      ...series.map((one, at) => ({
        label: one.label,
        stroke: color(one.color),
        dash: one.dash,
        width: 2,
        fill: at === 0 ? `${color(one.color)}1a` : undefined,
        points: { show: false },
      })),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          pointed.value = plot.cursor.idx ?? null;
        },
      ],
    },
  };
}

/** Shortens an axis label: "60/s", not "60.0/s". @param {string} text */
function round(text) {
  return text.replace(/\.0+(?!\d)/, "");
}

/**
 * Describes the plot for screen readers.
 * @param {string} title
 * @param {Series[]} series
 * @param {(number | null)[][]} values
 * @param {(value: number) => string} format
 */
function summary(title, series, values, format) {
  const each = series.map(({ label }, at) => {
    const known = (values[at] ?? []).filter((value) => value !== null);
    const [last] = known.slice(-1);
    if (last === undefined) return `${label}: nothing yet`;
    const [least, most] = [Math.min(...known), Math.max(...known)];
    return `${label}: now ${format(last)}, between ${format(least)} and ${format(most)}`;
  });
  return `${title} over the last minutes. ${each.join(". ")}.`;
}
