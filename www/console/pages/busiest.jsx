/** Shows the sessions with the most requests of the last hour. */
import { count, counted } from "../format.js";
import { to } from "../route.js";

/** @import { BusySession } from "../backend.d.ts" */

/** @param {{ sessions: BusySession[], withTenant: boolean }} props */
export function Busiest({ sessions, withTenant }) {
  return (
    <section class="card" aria-labelledby="busiest-title">
      <h2 id="busiest-title">Busiest sessions</h2>
      <p class="soft">
        {sessions.length === 0
          ? "No session that returned made a request in the last hour."
          : `${counted(sessions.length, "session")} with the most requests of the last hour. Bytes are not seen: bodies pass without being read. A guest without anything to keep has no page.`}
      </p>
      {sessions.length > 0 && (
        <table data-figure="busiest">
          <thead>
            <tr>
              <th scope="col">Session</th>
              {withTenant && <th scope="col">Tenant</th>}
              <th scope="col" class="number">
                Requests
              </th>
              <th scope="col" class="number">
                Sockets opened
              </th>
            </tr>
          </thead>
          <tbody>
            {sessions.map(({ tenant, handle, requests, sockets }) => (
              <tr key={`${tenant} ${handle}`}>
                <th scope="row">
                  <a class="mono" href={to("sessions", handle, { tenant })} title={handle}>
                    {`${handle.slice(0, 10)}…`}
                  </a>
                </th>
                {withTenant && <td data-label="Tenant">{tenant}</td>}
                <td class="number" data-label="Requests">
                  {count(requests)}
                </td>
                <td class="number" data-label="Sockets opened">
                  {count(sockets)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
