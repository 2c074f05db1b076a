/** Shows further counts of the overview. */
import { followedText } from "../account.js";
import { count, percent } from "../format.js";
import { Bar } from "../parts/bar.jsx";
import { to } from "../route.js";

/** @import { TenantTotals, Totals } from "../backend.d.ts" */

/** @param {{ statuses: Record<string, number> | undefined }} props */
export function Statuses({ statuses = {} }) {
  const entries = Object.entries(statuses).sort(([a], [b]) => Number(a) - Number(b));
  const all = entries.reduce((sum, [, one]) => sum + one, 0);
  return (
    <section class="card" aria-labelledby="statuses-title">
      <h2 id="statuses-title">Answers by status</h2>
      {entries.length === 0 && <p class="soft">No request was answered yet.</p>}
      <div class="bars" data-figure="statuses">
        {entries.map(([status, one]) => (
          <Bar
            key={status}
            label={status}
            part={one / all}
            text={`${count(one)} · ${percent(one / all)}`}
            kind={kindOf(status)}
          />
        ))}
      </div>
    </section>
  );
}

/** @param {string} status */
function kindOf(status) {
  if (status >= "500") return "bad";
  return status >= "400" ? "warn" : "good";
}

/** @type {[keyof Totals, string, string][]} */
const OTHERS = [
  ["logins", "Signed in", "Successful sign-ins."],
  ["login_failures", "Sign-ins refused", "A wrong password, or a provider that said no."],
  [
    "refused",
    "Requests refused",
    "Answered by the edge itself: not signed in, not allowed, too many.",
  ],
  ["degraded", "Served degraded", "From memory, while storage did not answer."],
  ["origin_failures", "Origin failures", "Connections that failed or timed out."],
];

/** @param {{ totals: Totals | undefined }} props */
export function OtherCounts({ totals }) {
  return (
    <section class="card" aria-labelledby="other-title">
      <h2 id="other-title">Sign-ins and failures</h2>
      <dl class="facts counted">
        {OTHERS.map(([name, label, what]) => (
          <div key={name}>
            <dt>
              {label} <span class="soft">{what}</span>
            </dt>
            <dd class="number" data-figure={name}>
              {totals ? count(totals[name]) : "–"}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** @param {{ tenants: TenantTotals[] }} props */
export function Tenants({ tenants }) {
  return (
    <section class="card" aria-labelledby="tenants-title">
      <h2 id="tenants-title">Tenants</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Tenant</th>
            <th scope="col" class="number">
              Requests
            </th>
            <th scope="col" class="number">
              Errors
            </th>
            <th scope="col" class="number">
              Sessions
            </th>
            <th scope="col" class="number">
              Streams
            </th>
          </tr>
        </thead>
        <tbody>
          {tenants.map(({ tenant, requests, errors, sessions_active, streams_active }) => (
            <tr key={tenant}>
              <th scope="row">
                <a href={to("overview", "", { tenant })}>{tenant}</a>
              </th>
              <td class="number" data-label="Requests">
                {count(requests)}
              </td>
              <td class={errors > 0 ? "number bad" : "number"} data-label="Errors">
                {count(errors)}
              </td>
              <td class="number" data-label="Sessions">
                {count(sessions_active)}
              </td>
              <td class="number" data-label="Streams">
                {followedText(streams_active)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
