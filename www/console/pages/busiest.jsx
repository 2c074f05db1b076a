/** Shows the sessions with the most requests of the last hour. */
import { get, Refusal } from "../api.js";
import { count, counted } from "../format.js";
import { BeganAt, ClientName } from "../parts/client.jsx";
import { SessionName } from "../parts/session-name.jsx";
import { usePolled } from "../polled.js";

/** @import { BusySession, SessionLine, SessionPage } from "../backend.d.ts" */

/** Interval of looking the sessions up, in milliseconds. */
const EVERY = 60_000;

/** Maximum number of tenants whose sessions are looked up. */
const MAX_TENANTS = 5;

/** @param {{ sessions: BusySession[], withTenant: boolean }} props */
export function Busiest({ sessions, withTenant }) {
  const tenants = [...new Set(sessions.map(({ tenant }) => tenant))].slice(0, MAX_TENANTS);
  const known = usePolled((signal) => stored(tenants, signal), EVERY, [tenants.join(" ")]).value;
  return (
    <section class="card" aria-labelledby="busiest-title">
      <h2 id="busiest-title">Busiest sessions</h2>
      <p class="soft">
        {sessions.length === 0
          ? "No session that returned made a request in the last hour."
          : `${counted(sessions.length, "session")} with the most requests of the last hour. Bytes are not counted, because bodies pass without being read.`}
      </p>
      {sessions.length > 0 && (
        <table data-figure="busiest">
          <thead>
            <tr>
              <th scope="col">User</th>
              {withTenant && <th scope="col">Tenant</th>}
              <th scope="col">Browser</th>
              <th scope="col">Path</th>
              <th scope="col">Origin</th>
              <th scope="col" class="number">
                Requests
              </th>
              <th scope="col" class="number">
                Sockets opened
              </th>
            </tr>
          </thead>
          <tbody>
            {sessions.map((one) => (
              <Row
                key={`${one.tenant} ${one.handle}`}
                busy={one}
                session={known?.find(({ handle }) => handle.startsWith(one.handle))}
                isLookedUp={known !== undefined}
                withTenant={withTenant}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/**
 * @param {{ busy: BusySession, session: SessionLine | undefined, isLookedUp: boolean, withTenant: boolean }} props
 */
function Row({ busy, session, isLookedUp, withTenant }) {
  const { tenant, handle, requests, sockets } = busy;
  return (
    <tr>
      <th scope="row">
        <SessionName
          handle={handle}
          // A session that is not stored is a guest's, or one beyond the first page.
          user={session?.user ?? (session ? null : undefined)}
          of={{ tenant }}
        />
      </th>
      {withTenant && <td data-label="Tenant">{tenant}</td>}
      <td data-label="Browser">
        {session ? (
          <ClientName session={session} />
        ) : (
          <span class="soft">{isLookedUp ? "not stored" : "…"}</span>
        )}
      </td>
      <td data-label="Path" class={session?.path ? undefined : "absent"}>
        <BeganAt path={session?.path ?? null} />
      </td>
      <td data-label="Origin">{session?.origin ?? <span class="soft">–</span>}</td>
      <td class="number" data-label="Requests">
        {count(requests)}
      </td>
      <td class="number" data-label="Sockets opened">
        {count(sockets)}
      </td>
    </tr>
  );
}

/**
 * Returns the newest stored sessions of tenants. A tenant that does not answer has none.
 * @param {string[]} tenants
 * @param {AbortSignal} signal
 * @returns {Promise<SessionLine[]>}
 */
async function stored(tenants, signal) {
  const pages = tenants.map(async (tenant) => {
    try {
      const query = { tenant, limit: 100 };
      return /** @type {SessionPage} */ (await get("admin/sessions", { query, signal })).sessions;
    } catch (error) {
      if (error instanceof Refusal) return [];
      throw error;
    }
  });
  return (await Promise.all(pages)).flat();
}
