/** Shows the traffic, and whether requests succeed. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { tenant, who } from "../account.js";
import { get } from "../api.js";
import { amount, count, counted, duration, percent } from "../format.js";
import { Trouble } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { continued, perSecond } from "../rates.js";
import { Busiest } from "./busiest.jsx";
import { Latency } from "./latency.jsx";
import { Plots } from "./overview-plots.jsx";
import { OtherCounts, Statuses, Tenants } from "./overview-tables.jsx";

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
            <OtherCounts totals={value?.totals} />
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
  const age = `The newest figure is ${duration(freshness_ms / 1000)} old.`;
  if (scope === "isolate") return `Figures of one isolate, not of the whole deployment. ${age}`;
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
          `in 5 minutes; ${count(totals.sessions_created)} created so far${
            totals.sessions_stored > 0 ? `; ${count(totals.sessions_stored)} stored` : ""
          }`}
      </Figure>
      <Streams overview={overview} />
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
 * Shows the open connections. Where the Worker does not follow them, sockets are estimated, and 0 would be wrong.
 * @param {{ overview: Overview | undefined }} props
 */
function Streams({ overview }) {
  const followed = overview?.totals.streams_active ?? 0;
  const estimated = (overview?.origins ?? []).reduce((sum, one) => sum + one.passed_through, 0);
  const isFollowed = followed > 0 || (who.value?.streams === "revocable" && estimated === 0);
  const parts = [
    isFollowed && count(followed),
    estimated > 0 && `about ${count(estimated)}`,
  ].filter((part) => part !== false);
  return (
    <Figure
      name="streams"
      label="Open streams"
      value={overview && (parts.join(" + ") || "not followed")}
      kind={parts.length === 0 ? "words" : undefined}
    >
      {overview &&
        (isFollowed && estimated === 0
          ? "sockets, events, answers"
          : estimated > 0
            ? "sockets that pass through are estimated"
            : "connections pass through")}
    </Figure>
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

/**
 * @param {number} part
 * @param {number} all
 */
function ratio(part, all) {
  return all > 0 ? percent(part / all) : "0%";
}
