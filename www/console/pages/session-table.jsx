/** Shows sessions in a table; on a phone as cards. */
import { useSignal } from "@preact/signals";
import { tenant as chosen } from "../account.js";
import { ask } from "../api.js";
import { BeganAt, ClientName, clientText } from "../parts/client.jsx";
import { Confirm } from "../parts/dialog.jsx";
import { notify } from "../parts/notice.jsx";
import { SessionName } from "../parts/session-name.jsx";
import { Time } from "../parts/time.jsx";
import { to } from "../route.js";

/** @import { SessionLine } from "../backend.d.ts" */

/** @typedef {SessionLine & { tenant?: string }} Line with the tenant where several are shown */

/** @param {{ sessions: Line[], changed: () => void, withTenant?: boolean }} props */
export function SessionTable({ sessions, changed, withTenant = false }) {
  const asked = useSignal(/** @type {Line | null} */ (null));
  return (
    <>
      <table class="card list sessions">
        <caption class="visually-hidden">Sessions</caption>
        <thead>
          <tr>
            <th scope="col">User</th>
            {withTenant && <th scope="col">Tenant</th>}
            <th scope="col">Browser</th>
            <th scope="col">Path</th>
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
              withTenant={withTenant}
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

/** @param {{ session: Line, withTenant: boolean, revoke: () => void }} props */
function Row({ session, withTenant, revoke }) {
  const { handle, user, path, origin, last_seen, expires, tenant } = session;
  /** @type {Record<string, string>} */
  const of = tenant ? { tenant } : {};
  return (
    <tr>
      <th scope="row">
        <SessionName handle={handle} user={user} of={of} />
      </th>
      {withTenant && <td data-label="Tenant">{tenant}</td>}
      <td data-label="Browser">
        <ClientName session={session} />
      </td>
      <td data-label="Path" class={path ? undefined : "absent"}>
        <BeganAt path={path} />
      </td>
      <td data-label="Origin">
        {origin ? <a href={to("origins", origin, of)}>{origin}</a> : <span class="soft">none</span>}
      </td>
      <td data-label="Last seen" class="number">
        <Time at={last_seen} />
      </td>
      <td data-label="Ends" class="number">
        <Time at={expires} />
      </td>
      <td class="last">
        <button type="button" onClick={revoke}>
          Revoke
          <span class="visually-hidden">
            {" "}
            the session {handle} of {user ?? "a guest"}
          </span>
        </button>
      </td>
    </tr>
  );
}

/**
 * @param {{ session: Line, close: () => void, done: () => void }} props
 */
export function Revoke({ session, close, done }) {
  const { handle, user, tenant } = session;
  const act = async () => {
    const query = { tenant: tenant ?? chosen.value };
    await ask("DELETE", `admin/sessions/${encodeURIComponent(handle)}`, { query });
    notify("The session is revoked.");
    done();
  };
  return (
    <Confirm title="Revoke this session?" action="Revoke" danger act={act} close={close}>
      <p>
        {user ?? "A guest"} ({clientText(session)}) is signed out at once, and open connections of
        the session are closed. The session <code>{handle}</code> cannot be restored.
      </p>
    </Confirm>
  );
}
