/** Shows the traffic, and whether requests succeed. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { tenant } from "../account.js";
import { get } from "../api.js";
import { amount, count, counted, duration, percent } from "../format.js";
import { Trouble } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { Plot } from "../parts/plot.jsx";
import { usePolled } from "../polled.js";
import { continued, per, perSecond } from "../rates.js";
import { Busiest } from "./busiest.jsx";
import { Latency } from "./latency.jsx";
import { Beside, Statuses, Tenants } from "./overview-tables.jsx";

/** @import { Overview, Point } from "../backend.d.ts" */

const EVERY = 2_000;

export function OverviewPage() {
  const chosen = tenant.value;
  const points = useRef({ of: chosen, points: /** @type {Point[]} */ ([]) });
  const shown = useSignal(/** @type {Point[]} */ ([]));
  const load = async (/** @type {AbortSignal} */ signal) => {
    const query = { tenant: chosen };
    const overview = /** @type {Overview} */ (await get("admin/overview", { query, signal }));
    const known = points.current.of === chosen ? points.current.points : [];
    points.current = { of: chosen, points: continued(known, overview) };
    shown.value = points.current.points;
    return overview;
  };
  const reading = usePolled(load, EVERY, [chosen]);
  const { value, fault, refresh } = reading;
  const series = value ? shown.value : [];
  return (
    <>
      <Head title="Overview" lead={value ? scope(value) : "\u00a0"} reading={reading} />
      {fault && !value ? (
        <Trouble fault={fault} again={refresh} />
      ) : (
        <>
          <Figures overview={value} points={series} />
          <Plots points={series} />
          <Latency latency={value?.latency} />
          <div class="columns">
            <Statuses statuses={value?.statuses} />
            <Beside totals={value?.totals} />
          </div>
          {value && !chosen && value.tenants.length > 1 && <Tenants tenants={value.tenants} />}
          {value && <Busiest sessions={value.busiest} withTenant={!chosen} />}
        </>
      )}
    </>
  );
}

/** Describes what the numbers count. @param {Overview} overview */
function scope({ scope, isolates, freshness_ms }) {
  const age = `The newest number is ${duration(freshness_ms / 1000)} old.`;
  if (scope === "isolate")
    return `These are the numbers of the one isolate that answered, not of all. ${age}`;
  return `Counted over ${counted(isolates, "isolate")}. ${age}`;
}

/** @param {{ overview: Overview | undefined, points: Point[] }} props */
function Figures({ overview, points }) {
  const totals = overview?.totals;
  const latest = (/** @type {(number | null)[]} */ series) => series.at(-1) ?? null;
  const rate = latest(perSecond(points, "requests"));
  const failing = latest(perSecond(points, "errors")) ?? 0;
  const operations = totals && totals.kv_reads + totals.kv_writes + totals.object_calls;
  return (
    <dl class="figures">
      <Figure
        name="sessions"
        label="Active sessions"
        value={totals && count(totals.sessions_active)}
      >
        {totals &&
          `in 5 minutes; ${count(totals.sessions_created)} begun so far${
            totals.sessions_stored > 0 ? `; ${count(totals.sessions_stored)} stored` : ""
          }`}
      </Figure>
      <Figure name="streams" label="Open streams" value={totals && count(totals.streams_active)}>
        {totals && "sockets, events, answers"}
      </Figure>
      <Figure name="requests" label="Requests" value={totals && count(totals.requests)}>
        {totals && (rate === null ? "rate not known yet" : `${amount(rate)} a second now`)}
      </Figure>
      <Figure
        name="errors"
        label="Errors"
        value={totals && count(totals.errors)}
        // Old errors are no alarm: only current ones colour the figure.
        kind={failing > 0 ? "bad" : undefined}
      >
        {totals &&
          `${failing > 0 ? `${amount(failing)} a second` : "none"} now, ${ratio(totals.errors, totals.requests)} of all`}
      </Figure>
      <Figure
        name="storage"
        label="Storage calls"
        value={
          totals &&
          (totals.requests > 0 ? amount(((operations ?? 0) / totals.requests) * 1000) : "–")
        }
      >
        {totals && "per 1,000 requests"}
      </Figure>
      <Figure
        name="hits"
        label="Cache hit rate"
        value={totals && (totals.lookups > 0 ? percent(totals.cache_hits / totals.lookups) : "–")}
      >
        {totals && `of ${counted(totals.lookups, "lookup")}`}
      </Figure>
    </dl>
  );
}

/**
 * @param {{ name: string, label: string, value: string | undefined, kind?: string,
 *   children: import("preact").ComponentChildren }} props
 */
function Figure({ name, label, value, kind = "", children }) {
  return (
    <div class="card figure">
      <dt>{label}</dt>
      <dd class={`number ${kind}`} data-figure={name}>
        {value ?? <span class="bone" />}
      </dd>
      <dd class="soft">{children ?? "\u00a0"}</dd>
    </div>
  );
}

/** @param {{ points: Point[] }} props */
function Plots({ points }) {
  const times = points.map(({ at }) => at);
  const gauge = (/** @type {"sessions_active" | "streams_active"} */ name) =>
    points.map((point) => point[name]);
  const each = (/** @type {number} */ value) => `${amount(value)}/s`;
  return (
    <div class="plots">
      <Plot
        title="Traffic"
        series={[
          { label: "Requests", color: "--series-1" },
          { label: "Errors", color: "--series-bad", dash: [5, 3] },
        ]}
        times={times}
        values={[perSecond(points, "requests"), perSecond(points, "errors")]}
        format={each}
      />
      <Plot
        title="Time spent per request"
        series={[
          { label: "Origin", color: "--series-2" },
          { label: "Edge", color: "--series-1", dash: [5, 3] },
        ]}
        times={times}
        values={[
          per(points, "origin_seconds", "requests"),
          per(points, "edge_seconds", "requests"),
        ]}
        format={duration}
        least={0.01}
      />
      <Plot
        title="Who is here"
        series={[
          { label: "Sessions", color: "--series-1" },
          { label: "Streams", color: "--series-3", dash: [5, 3] },
        ]}
        times={times}
        values={[gauge("sessions_active"), gauge("streams_active")]}
        format={count}
        least={4}
      />
      <Plot
        title="Storage operations"
        series={[
          { label: "Reads", color: "--series-1" },
          { label: "Writes", color: "--series-2", dash: [5, 3] },
          { label: "Objects", color: "--series-3", dash: [2, 3] },
        ]}
        times={times}
        values={[
          perSecond(points, "kv_reads"),
          perSecond(points, "kv_writes"),
          perSecond(points, "object_calls"),
        ]}
        format={each}
      />
    </div>
  );
}

/**
 * @param {number} part
 * @param {number} all
 */
function ratio(part, all) {
  return all > 0 ? percent(part / all) : "0%";
}
