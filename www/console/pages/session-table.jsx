/** Shows sessions in a table; on a phone as cards. */
import { useSignal } from "@preact/signals";
import { tenant } from "../account.js";
import { ask } from "../api.js";
import { Confirm } from "../parts/dialog.jsx";
import { notify } from "../parts/notice.jsx";
import { Time } from "../parts/time.jsx";
import { to } from "../route.js";

/** @import { SessionLine } from "../backend.d.ts" */

/** @param {{ sessions: SessionLine[], changed: () => void }} props */
export function SessionTable({ sessions, changed }) {
  const asked = useSignal(/** @type {SessionLine | null} */ (null));
  return (
    <>
      <table class="card sessions">
        <caption class="visually-hidden">Sessions</caption>
        <thead>
          <tr>
            <th scope="col">Session</th>
            <th scope="col">User</th>
            <th scope="col">Device</th>
            <th scope="col">Origin</th>
            <th scope="col">Last seen</th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span class="visually-hidden">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <Row
              key={session.handle}
              session={session}
              revoke={() => {
                asked.value = session;
              }}
            />
          ))}
        </tbody>
      </table>
      {asked.value && (
        <Revoke
          session={asked.value}
          close={() => {
            asked.value = null;
          }}
          done={changed}
        />
      )}
    </>
  );
}

/** @param {{ session: SessionLine, revoke: () => void }} props */
function Row({ session, revoke }) {
  const { handle, user, device, country, origin, last_seen, expires } = session;
  return (
    <tr>
      <th scope="row">
        <a class="mono" href={to("sessions", handle)} title={handle}>
          {handle.length > 12 ? `${handle.slice(0, 10)}…` : handle}
        </a>
      </th>
      <td data-label="User">
        {user ? <a href={to("sessions", "", { user })}>{user}</a> : <span class="soft">guest</span>}
      </td>
      <td data-label="Device">
        {device}
        {country && <span class="soft"> · {country}</span>}
      </td>
      <td data-label="Origin">
        {origin ? <a href={to("origins", origin)}>{origin}</a> : <span class="soft">none</span>}
      </td>
      <td data-label="Last seen" class="number">
        <Time at={last_seen} />
      </td>
      <td data-label="Ends" class="number">
        <Time at={expires} />
      </td>
      <td class="last">
        <button type="button" onClick={revoke}>
          Revoke<span class="visually-hidden"> {handle}</span>
        </button>
      </td>
    </tr>
  );
}

/**
 * @param {{ session: { handle: string, user: string | null, device: string }, close: () => void,
 *   done: () => void }} props
 */
export function Revoke({ session: { handle, user, device }, close, done }) {
  const act = async () => {
    const query = { tenant: tenant.value };
    await ask("DELETE", `admin/sessions/${encodeURIComponent(handle)}`, { query });
    notify("The session is revoked.");
    done();
  };
  return (
    <Confirm title="Revoke this session?" action="Revoke" danger act={act} close={close}>
      <p>
        {user ?? "A guest"} on {device} is out at once, and what was open there is closed. The
        session <code>{handle}</code> never comes back.
      </p>
    </Confirm>
  );
}
