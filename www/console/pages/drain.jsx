/** Drains and undrains an origin, and shows when a drained one is empty. */
import { useSignal } from "@preact/signals";
import { ask } from "../api.js";
import { isEmpty, sessionsOf, socketsOf, streamsOf } from "../connections.js";
import { counted } from "../format.js";
import { originsOf } from "../origins-of.js";
import { Badge } from "../parts/badge.jsx";
import { Confirm, Dialog } from "../parts/dialog.jsx";
import { Loaded } from "../parts/loaded.jsx";
import { notify } from "../parts/notice.jsx";
import { usePolled } from "../polled.js";
import { countSessions } from "../session-count.js";

/** @import { Origin } from "../backend.d.ts" */
/** @import { SessionCount } from "../session-count.js" */

const EVERY = 3_000;

/** @param {{ origin: Origin, tenant: string, sessions: SessionCount | undefined, close: () => void }} props */
export function Turn({ origin, tenant, sessions, close }) {
  const { name, paths, state } = origin;
  const isWatching = useSignal(false);
  const isDrained = state === "drain";
  const holds = paths.length === 0;
  const send = async (/** @type {"drain" | "undrain"} */ verb) => {
    await ask("POST", `admin/origins/${encodeURIComponent(name)}/${verb}`, { query: { tenant } });
    const what = holds ? "new sessions" : "requests";
    notify(verb === "drain" ? `${name} takes no ${what} now.` : `${name} takes ${what} again.`);
  };
  if (isWatching.value)
    return (
      <Dialog title={`${name} is draining`} close={close}>
        <Remaining name={name} tenant={tenant} />
        <div class="buttons">
          <button type="button" class="main" onClick={close}>
            Close
          </button>
        </div>
      </Dialog>
    );
  return (
    <Confirm
      title={`${isDrained ? "Undrain" : "Drain"} ${name}?`}
      action={isDrained ? "Undrain" : "Drain"}
      act={async () => {
        await send(isDrained ? "undrain" : "drain");
        isWatching.value = !isDrained;
      }}
      close={() => {
        if (!isWatching.value) close();
      }}
    >
      <p>{drainText(origin, sessions)}</p>
      {isDrained && <Remaining name={name} tenant={tenant} />}
    </Confirm>
  );
}

/**
 * Shows what is still at a drained origin.
 * @param {{ name: string, tenant: string }} props
 */
function Remaining({ name, tenant }) {
  const reading = usePolled(
    async (signal) => {
      const [{ origins }, sessions] = await Promise.all([
        originsOf(tenant, signal),
        countSessions({ tenant }, signal),
      ]);
      return { origin: origins.find((one) => one.name === name), sessions };
    },
    EVERY,
    [tenant, name],
  );
  return (
    <Loaded reading={reading}>
      {({ origin, sessions }) =>
        origin ? (
          <div role="status">
            <p>
              {isEmpty(origin, sessions) ? (
                <>
                  <Badge kind="good">Empty</Badge> No stored session, request or open connection is
                  known there. It can be stopped.
                </>
              ) : (
                <>
                  <Badge kind="warn">In use</Badge> It can be stopped once nothing is left. This
                  updates by itself.
                </>
              )}
            </p>
            <dl class="facts">
              {Object.entries({
                "Stored sessions": sessionsOf(origin, sessions),
                "Requests in flight": String(origin.under_way),
                Sockets: socketsOf(origin),
                "Event streams": streamsOf(origin),
              }).map(([term, text]) => (
                <div key={term}>
                  <dt>{term}</dt>
                  <dd class="number">{text}</dd>
                </div>
              ))}
            </dl>
            {!origin.followed && (
              <p class="soft">
                Event streams pass through and are not followed. Guests without data have no stored
                session.
              </p>
            )}
          </div>
        ) : (
          <p>{name} is not in the list of servers any more.</p>
        )
      }
    </Loaded>
  );
}

/**
 * @param {Origin} origin
 * @param {SessionCount | undefined} sessions
 */
function drainText({ name, paths, state, under_way }, sessions) {
  const isDrained = state === "drain";
  if (paths.length > 0)
    return isDrained
      ? "Requests for its paths may go there again."
      : `Requests for its paths go to the other servers. ${requests(under_way)}`;
  if (isDrained) return "New sessions may begin there again.";
  const stored = sessions?.byOrigin.get(name) ?? 0;
  const kept = !sessions
    ? "Its sessions stay until they end."
    : sessions.isWhole
      ? `${counted(stored, "stored session stays", "stored sessions stay")} until they end.`
      : `At least ${counted(stored, "stored session stays", "stored sessions stay")} until they end.`;
  return `New sessions begin on other servers. ${kept} ${requests(under_way)}`;
}

/** @param {number} number */
function requests(number) {
  return number === 0
    ? "No request is in flight."
    : `${counted(number, "request")} in flight may finish.`;
}
