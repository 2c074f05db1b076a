/** Shows the sessions of all tenants, the last seen first. */
import { get, Refusal } from "../api.js";
import { count } from "../format.js";
import { Empty } from "../parts/loaded.jsx";
import { OfAll, ofEach } from "../parts/of-all.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";
import { SessionTable } from "./session-table.jsx";

/** @import { SessionPage } from "../backend.d.ts" */

const EVERY = 15_000;

/** Number of sessions of each tenant. */
const EACH = 25;

export function SessionsOfAll() {
  const reading = usePolled(
    (signal) =>
      ofEach(async (tenant) => {
        const query = { tenant, limit: EACH };
        return /** @type {SessionPage} */ (await get("admin/sessions", { query, signal }));
      }),
    EVERY,
    [],
  );
  const pages = reading.value?.found.flatMap(({ tenant, value }) =>
    value instanceof Refusal ? [] : [{ tenant, ...value }],
  );
  const sessions = pages
    ?.flatMap(({ tenant, sessions }) => sessions.map((session) => ({ ...session, tenant })))
    .sort((a, b) => b.last_seen - a.last_seen);
  const more = pages?.filter(({ next }) => next) ?? [];
  return (
    <>
      <Head
        title="Sessions"
        lead={`${sessions ? `${count(sessions.length)}${more.length > 0 ? "+" : ""} stored sessions` : "Stored sessions"} of all tenants. Guests without data are not stored.`}
        reading={reading}
      />
      <OfAll reading={reading} what="sessions">
        {sessions && sessions.length > 0 ? (
          <SessionTable sessions={sessions} changed={reading.refresh} withTenant />
        ) : (
          <Empty title="No sessions">
            <p>A session is stored once it has data or a user.</p>
          </Empty>
        )}
        {more.length > 0 && (
          <p>
            Of these tenants only the first {EACH} are shown:{" "}
            {more.map(({ tenant }, at) => (
              <>
                {at > 0 && ", "}
                <a key={tenant} href={to("sessions", "", { tenant })}>
                  {tenant}
                </a>
              </>
            ))}
          </p>
        )}
      </OfAll>
    </>
  );
}
