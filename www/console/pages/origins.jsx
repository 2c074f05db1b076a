/** Shows the chat servers with their health and load, and drains them. */
import { useSignal } from "@preact/signals";
import { tenant } from "../account.js";
import { ask, get } from "../api.js";
import { count, counted, percent } from "../format.js";
import { Badge } from "../parts/badge.jsx";
import { Bar } from "../parts/bar.jsx";
import { ChooseTenant } from "../parts/choose-tenant.jsx";
import { Confirm } from "../parts/dialog.jsx";
import { Empty, Loaded, Rows } from "../parts/loaded.jsx";
import { notify } from "../parts/notice.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";
import { SessionTable } from "./session-table.jsx";

/** @import { Origin, OriginFigures, SessionPage } from "../backend.d.ts" */

const EVERY = 3_000;

/** @param {{ name: string }} props the origin with the shown conversations */
export function OriginsPage({ name }) {
  const chosen = tenant.value;
  if (!chosen)
    return (
      <>
        <Head title="Origins" lead="The chat servers behind the door." />
        <ChooseTenant what="origins" />
      </>
    );
  return name ? <WhoIsThere name={name} /> : <Origins tenant={chosen} />;
}

/** @param {{ tenant: string }} props */
function Origins({ tenant }) {
  const asked = useSignal(/** @type {Origin | null} */ (null));
  const query = { tenant };
  const reading = usePolled(
    async (signal) => {
      const [{ origins }, overview] = await Promise.all([
        get("admin/origins", { query, signal }),
        get("admin/overview", { query, signal }),
      ]);
      return withFigures(origins, overview.origins, tenant);
    },
    EVERY,
    [tenant],
  );
  const origin = asked.value;
  return (
    <>
      <Head
        title="Origins"
        lead={`The chat servers of ${tenant}. ${reading.value ? turns(reading.value) : ""}`}
        reading={reading}
      />
      <Loaded reading={reading} waiting={<Rows count={3} tall />}>
        {(origins) => (
          <ul class="cards">
            {origins.map((one) => (
              <OriginCard
                key={one.name}
                origin={one}
                ask={() => {
                  asked.value = one;
                }}
              />
            ))}
          </ul>
        )}
      </Loaded>
      {origin && (
        <Turn
          origin={origin}
          tenant={tenant}
          close={() => {
            asked.value = null;
            reading.refresh();
          }}
        />
      )}
    </>
  );
}

/**
 * Adds its figures to each origin.
 * @param {Origin[]} origins
 * @param {OriginFigures[] | undefined} figures nothing from an object of an earlier release
 * @param {string} tenant
 */
function withFigures(origins, figures = [], tenant) {
  return origins.map((origin) => ({
    ...origin,
    figures: figures.find((one) => one.tenant === tenant && one.name === origin.name),
  }));
}

/** @param {Origin} origin */
function takesNew({ takes_new_sessions, ejected }) {
  return takes_new_sessions && !ejected;
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

/** @param {{ origin: Origin, ask: () => void }} props */
function OriginCard({ origin, ask }) {
  const { name, url, paths, state, weight, release, capacity, under_way, reported_load } = origin;
  return (
    <li class="card origin">
      <div class="title">
        <h2>{name}</h2>
        <Health origin={origin} />
      </div>
      <p class="soft mono">{url}</p>
      <div class="bars">
        <Bar
          label={capacity ? "Under way, of its capacity" : "Under way"}
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
        <Figures origin={origin} />
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

/** @param {{ origin: Origin }} props */
function Figures({ origin: { figures, followed } }) {
  if (!figures) return null;
  const { requests, failures, sockets, streams, passed_through } = figures;
  const all = {
    Requests: count(requests),
    Failures: count(failures),
    Sockets: followed || sockets > 0 ? count(sockets) : `about ${count(passed_through)}`,
    "Event streams": followed || streams > 0 ? count(streams) : "not followed",
  };
  return Object.entries(all).map(([name, text]) => (
    <div key={name}>
      <dt>{name}</dt>
      <dd class="number">{text}</dd>
    </div>
  ));
}

/** Shows only known facts: an origin that is not ejected need not be healthy. @param {{ origin: Origin }} props */
function Health({ origin: { state, ejected, takes_new_sessions } }) {
  return (
    <p class="badges">
      {state === "active" && !ejected && takes_new_sessions && (
        <Badge kind="good">In service</Badge>
      )}
      {ejected && <Badge kind="bad">Ejected: it fails</Badge>}
      {state === "drain" && <Badge kind="warn">Draining</Badge>}
      {state === "down" && <Badge kind="bad">Down by configuration</Badge>}
      {!takes_new_sessions && state === "active" && !ejected && (
        <Badge kind="warn">Full: no new sessions</Badge>
      )}
    </p>
  );
}

/** @param {number | null} load per mille */
function loadKind(load) {
  if (load === null || load < 700) return "plain";
  return load < 900 ? "warn" : "bad";
}

/** @param {{ origin: Origin, tenant: string, close: () => void }} props */
function Turn({ origin: { name, paths, state, under_way }, tenant, close }) {
  const isDrained = state === "drain";
  const holds = paths.length === 0;
  const act = async () => {
    const verb = isDrained ? "undrain" : "drain";
    await ask("POST", `admin/origins/${encodeURIComponent(name)}/${verb}`, { query: { tenant } });
    const what = holds ? "new sessions" : "requests";
    notify(isDrained ? `${name} takes ${what} again.` : `${name} takes no ${what} now.`);
  };
  return (
    <Confirm
      title={`${isDrained ? "Undrain" : "Drain"} ${name}?`}
      action={isDrained ? "Undrain" : "Drain"}
      act={act}
      close={close}
    >
      <p>{drainText({ isDrained, holds, under_way })}</p>
    </Confirm>
  );
}

/** @param {{ isDrained: boolean, holds: boolean, under_way: number }} origin */
function drainText({ isDrained, holds, under_way }) {
  if (!holds)
    return isDrained
      ? "Requests for its paths may go there again."
      : `Requests for its paths go to the others. The ${counted(under_way, "request")} it has may finish.`;
  return isDrained
    ? "New sessions may begin there again."
    : `New sessions begin elsewhere. The ${counted(under_way, "conversation")} it has stay until they end.`;
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
        lead="The sessions whose conversations are held there."
        reading={reading}
      />
      <Loaded reading={reading}>
        {({ sessions, next }) =>
          sessions.length === 0 ? (
            <Empty title="Nobody is there">
              <p>No session that is kept has its conversation at {name}.</p>
            </Empty>
          ) : (
            <>
              <SessionTable sessions={sessions} changed={reading.refresh} />
              {next && (
                <p>
                  <a href={to("sessions", "", { origin: name })}>There are more: show them all</a>
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </>
  );
}
