/** Shows the chat servers with their health, load and use, and drains them. */
import { useSignal } from "@preact/signals";
import { tenant } from "../account.js";
import { get } from "../api.js";
import { isEmpty, sessionsOf, socketsOf, streamsOf } from "../connections.js";
import { count, percent } from "../format.js";
import { originsOf } from "../origins-of.js";
import { Bar } from "../parts/bar.jsx";
import { Empty, Loaded, Rows } from "../parts/loaded.jsx";
import { Health, takesNew } from "../parts/origin-health.jsx";
import { Head } from "../parts/page.jsx";
import { ServerLists } from "../parts/server-lists.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";
import { countSessions } from "../session-count.js";
import { OriginsOfAll } from "./all-origins.jsx";
import { Turn } from "./drain.jsx";
import { SessionTable } from "./session-table.jsx";

/** @import { Origin, SessionPage } from "../backend.d.ts" */
/** @import { SessionCount } from "../session-count.js" */

const EVERY = 3_000;

/** Interval of counting the stored sessions, which reads each of them. */
const COUNT_EVERY = 30_000;

/** @param {{ name: string }} props the origin with the shown sessions */
export function OriginsPage({ name }) {
  const chosen = tenant.value;
  if (!chosen) return <OriginsOfAll />;
  return name ? <WhoIsThere name={name} /> : <Origins tenant={chosen} />;
}

/** @param {{ tenant: string }} props */
function Origins({ tenant }) {
  const asked = useSignal(/** @type {Origin | null} */ (null));
  const reading = usePolled((signal) => originsOf(tenant, signal), EVERY, [tenant]);
  const counting = usePolled((signal) => countSessions({ tenant }, signal), COUNT_EVERY, [tenant]);
  const origin = asked.value;
  return (
    <>
      <Head
        title="Origins"
        lead={`The chat servers of ${tenant}. ${reading.value ? turns(reading.value.origins) : ""}`}
        reading={reading}
      />
      <Loaded reading={reading} waiting={<Rows count={3} tall />}>
        {({ origins, lists }) => (
          <>
            <ServerLists lists={lists} />
            <ul class="cards">
              {origins.map((one) => (
                <OriginCard
                  key={one.name}
                  origin={one}
                  sessions={counting.value}
                  ask={() => {
                    asked.value = one;
                  }}
                />
              ))}
            </ul>
          </>
        )}
      </Loaded>
      {origin && (
        <Turn
          origin={origin}
          tenant={tenant}
          sessions={counting.value}
          close={() => {
            asked.value = null;
            reading.refresh();
            counting.refresh();
          }}
        />
      )}
    </>
  );
}

/** Describes how many of the origins that hold conversations take new sessions. @param {Origin[]} origins */
function turns(origins) {
  const holders = origins.filter(({ paths }) => paths.length === 0);
  const open = holders.filter(takesNew).length;
  if (open === holders.length) return "All take new sessions.";
  return open === 0
    ? "None takes new sessions."
    : `${open} of ${holders.length} ${open === 1 ? "takes" : "take"} new sessions.`;
}

/** @param {{ origin: Origin, sessions: SessionCount | undefined, ask: () => void }} props */
function OriginCard({ origin, sessions, ask }) {
  const { name, url, paths, state, weight, release, capacity, under_way, reported_load } = origin;
  return (
    <li class="card origin">
      <div class="title">
        <h2>{name}</h2>
        <Health origin={origin} isEmpty={isEmpty(origin, sessions)} />
      </div>
      <p class="soft mono">{url}</p>
      <div class="bars">
        <Bar
          label={capacity ? "Requests in flight, of its capacity" : "Requests in flight"}
          part={capacity ? under_way / capacity : null}
          text={capacity ? `${count(under_way)} of ${count(capacity)}` : count(under_way)}
          kind={capacity && under_way >= capacity ? "bad" : "plain"}
        />
        <Bar
          label="Load it reports"
          part={reported_load === null ? null : reported_load / 1000}
          text={reported_load === null ? "not reported" : percent(reported_load / 1000)}
          kind={loadKind(reported_load)}
        />
      </div>
      <dl class="facts inline">
        <div>
          <dt>Weight</dt>
          <dd class="number">{weight}</dd>
        </div>
        <div>
          <dt>Release</dt>
          <dd>{release ?? "usual"}</dd>
        </div>
        {paths.length > 0 && (
          <div>
            <dt>Paths</dt>
            <dd class="mono">{paths.join(" ")}</dd>
          </div>
        )}
        <Figures origin={origin} sessions={sessions} />
      </dl>
      <div class="buttons">
        {paths.length === 0 && (
          <a class="button" href={to("origins", name)}>
            Who is there<span class="visually-hidden"> at {name}</span>
          </a>
        )}
        {state !== "down" && (
          <button type="button" onClick={ask}>
            {state === "drain" ? "Undrain" : "Drain"}
            <span class="visually-hidden"> {name}</span>
          </button>
        )}
      </div>
    </li>
  );
}

/** @param {{ origin: Origin, sessions: SessionCount | undefined }} props */
function Figures({ origin, sessions }) {
  const { figures, paths } = origin;
  const all = {
    ...(paths.length === 0 && { "Stored sessions": sessionsOf(origin, sessions) }),
    ...(figures && {
      Requests: count(figures.requests),
      Failures: count(figures.failures),
      Sockets: socketsOf(origin),
      "Event streams": streamsOf(origin),
    }),
  };
  return Object.entries(all).map(([name, text]) => (
    <div key={name}>
      <dt>{name}</dt>
      <dd class="number">{text}</dd>
    </div>
  ));
}

/** @param {number | null} load per mille */
function loadKind(load) {
  if (load === null || load < 700) return "plain";
  return load < 900 ? "warn" : "bad";
}

/** @param {{ name: string }} props */
function WhoIsThere({ name }) {
  const query = { tenant: tenant.value, origin: name, limit: 50 };
  const reading = usePolled(
    async (signal) => /** @type {SessionPage} */ (await get("admin/sessions", { query, signal })),
    EVERY * 3,
    [tenant.value, name],
  );
  return (
    <>
      <p class="crumbs">
        <a href={to("origins")}>Origins</a>
      </p>
      <Head
        title={name}
        lead="The stored sessions whose conversations this server holds."
        reading={reading}
      />
      <Loaded reading={reading}>
        {({ sessions, next }) =>
          sessions.length === 0 ? (
            <Empty title="No sessions">
              <p>No stored session has its conversation at {name}.</p>
            </Empty>
          ) : (
            <>
              <SessionTable sessions={sessions} changed={reading.refresh} />
              {next && (
                <p>
                  <a href={to("sessions", "", { origin: name })}>Show all sessions of {name}</a>
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </>
  );
}
