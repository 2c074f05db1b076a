/** Shows how long responses took, separately for edge and origin. */
import { count, counted, duration, percent } from "../format.js";
import { boundText, occupied, quantile, ticks } from "../histogram.js";

/** @import { Histogram } from "../backend.d.ts" */

/** @param {{ latency: { edge: Histogram, origin: Histogram } | undefined }} props */
export function Latency({ latency }) {
  return (
    <section class="card" aria-labelledby="latency-title">
      <h2 id="latency-title">Latency since counting began</h2>
      <div class="columns">
        <Part name="edge" label="Edge: what Vestibule adds" histogram={latency?.edge} />
        <Part name="origin" label="Origin: until its answer begins" histogram={latency?.origin} />
      </div>
    </section>
  );
}

/** @param {{ name: string, label: string, histogram: Histogram | undefined }} props */
function Part({ name, label, histogram }) {
  const values = [0.5, 0.95, 0.99].map((part) => (histogram ? quantile(histogram, part) : null));
  const shown = histogram ?? { bounds: [], counts: [], count: 0, sum: 0 };
  return (
    <div class="latency" data-part={name}>
      <h3>{label}</h3>
      <dl class="quantiles">
        {["p50", "p95", "p99"].map((quantileName, at) => (
          <div key={quantileName}>
            <dt>{quantileName}</dt>
            <dd class="number">
              {histogram ? formatBound(values[at], shown) : <span class="bone" />}
            </dd>
          </div>
        ))}
        <div>
          <dt>mean</dt>
          <dd class="number">{shown.count > 0 ? duration(shown.sum / shown.count) : "–"}</dd>
        </div>
      </dl>
      <Buckets histogram={shown} />
    </div>
  );
}

/**
 * @param {number | null} value
 * @param {Histogram} histogram
 */
function formatBound(value, { bounds }) {
  if (value === null) return "–";
  return Number.isFinite(value) ? duration(value) : `> ${duration(bounds.at(-1) ?? 0)}`;
}

/** @param {{ histogram: Histogram }} props */
function Buckets({ histogram: { bounds, counts } }) {
  const all = counts.reduce((sum, one) => sum + one, 0);
  const most = Math.max(1, ...counts);
  const names = [...bounds.map((bound) => `≤ ${boundText(bound)}`), "longer"];
  const heaviest = counts.indexOf(Math.max(...counts));
  const label =
    all > 0
      ? `${counted(all, "answer")}; most of them ${names[heaviest]}: ${percent(counts[heaviest] / all)}.`
      : "No answers counted yet.";
  const [from, until] = occupied(counts);
  return (
    <>
      <div class="buckets" role="img" aria-label={label}>
        {counts.slice(from, until).map((one, index) => {
          const name = names[from + index];
          return (
            <span key={name} title={`${name}: ${count(one)}`}>
              <span style={{ height: `${one === 0 ? 0 : Math.max(2, (one / most) * 100)}%` }} />
            </span>
          );
        })}
      </div>
      <p class="scale soft number" aria-hidden="true">
        {ticks(bounds, from, until).map((tick) => (
          <span key={tick}>{tick}</span>
        ))}
      </p>
    </>
  );
}
