/** Shows the origins of all tenants in one table. */
import { get, Refusal } from "../api.js";
import { socketsOf, streamsOf } from "../connections.js";
import { count, counted, percent } from "../format.js";
import { withFigures } from "../origins-of.js";
import { OfAll, ofEach } from "../parts/of-all.jsx";
import { Health, takesNew } from "../parts/origin-health.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";

/** @import { Origin } from "../backend.d.ts" */

const EVERY = 5_000;

export function OriginsOfAll() {
  const reading = usePolled(
    async (signal) => {
      const overview = await get("admin/overview", { signal });
      return ofEach(async (tenant) => {
        const { origins } = await get("admin/origins", { query: { tenant }, signal });
        return withFigures(origins, overview, tenant);
      });
    },
    EVERY,
    [],
  );
  const found = reading.value?.found.flatMap(({ tenant, value }) =>
    value instanceof Refusal ? [] : value.map((origin) => ({ tenant, origin })),
  );
  return (
    <>
      <Head title="Origins" lead={lead(found?.map(({ origin }) => origin))} reading={reading} />
      <OfAll reading={reading} what="origins">
        {found && found.length > 0 && (
          <table class="card list">
            <caption class="visually-hidden">Origins of all tenants</caption>
            <thead>
              <tr>
                <th scope="col">Origin</th>
                <th scope="col">Tenant</th>
                <th scope="col">State</th>
                <th scope="col" class="number">
                  In flight
                </th>
                <th scope="col" class="number">
                  Load
                </th>
                <th scope="col" class="number">
                  Failures
                </th>
                <th scope="col" class="number">
                  Sockets
                </th>
                <th scope="col" class="number">
                  Event streams
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map(({ tenant, origin }) => (
                <Row key={`${tenant} ${origin.name}`} tenant={tenant} origin={origin} />
              ))}
            </tbody>
          </table>
        )}
      </OfAll>
    </>
  );
}

/** @param {Origin[] | undefined} origins */
function lead(origins) {
  if (!origins) return "The chat servers of all tenants.";
  const open = origins.filter(takesNew).length;
  return `${counted(origins.length, "chat server")} of all tenants; ${open} in service. Choose a tenant to drain one.`;
}

/** @param {{ tenant: string, origin: Origin }} props */
function Row({ tenant, origin }) {
  const { name, under_way, capacity, reported_load, figures } = origin;
  return (
    <tr>
      <th scope="row">
        <a href={to("origins", "", { tenant })}>{name}</a>
      </th>
      <td data-label="Tenant">{tenant}</td>
      <td data-label="State">
        <Health origin={origin} />
      </td>
      <td class="number" data-label="In flight">
        {count(under_way)}
        {capacity ? ` of ${count(capacity)}` : ""}
      </td>
      <td class="number" data-label="Load">
        {reported_load === null ? "–" : percent(reported_load / 1000)}
      </td>
      <td class="number" data-label="Failures">
        {count(figures?.failures ?? 0)}
      </td>
      <td class="number" data-label="Sockets">
        {socketsOf(origin)}
      </td>
      <td class="number" data-label="Event streams">
        {streamsOf(origin)}
      </td>
    </tr>
  );
}
