/** Shows a line of the log; opened, all its fields. */
import { useSignal } from "@preact/signals";
import { absolute, timeOfDay } from "../format.js";
import { to } from "../route.js";

/** @import { LogLine } from "../backend.d.ts" */

/** Fields shown in the line itself. */
const IN_LINE = ["seq", "at", "level", "event"];

/** Returns a line's fields as lower-case text, for the search. @param {LogLine} line */
export function textOf(line) {
  return JSON.stringify(line).toLowerCase();
}

/**
 * @param {{ line: LogLine, find: (text: string) => void, opened: () => void }} props
 */
export function Line({ line, find, opened }) {
  const isOpen = useSignal(false);
  const { at, level, event, tenant } = line;
  return (
    <li class={level}>
      <details
        onToggle={(toggled) => {
          isOpen.value = toggled.currentTarget.open;
          if (!isOpen.value) return;
          opened();
          const item = toggled.currentTarget;
          // After the fields are drawn, because the last line's would open out of view.
          requestAnimationFrame(() => item.scrollIntoView({ block: "nearest" }));
        }}
      >
        <summary>
          <time class="number" dateTime={new Date(at).toISOString()} title={absolute(at)}>
            {timeOfDay(at)}
          </time>
          <span class="level">{level}</span>
          <span class="of soft">{tenant}</span>
          {event === "request" ? <Request line={line} /> : <Other line={line} />}
        </summary>
        {isOpen.value && <Fields line={line} find={find} />}
      </details>
    </li>
  );
}

/** Kinds of paths that have no pattern of the tenant. @type {Record<string, string>} */
const ROUTES = { _session: "reserved path" };

/**
 * Shows a request in columns: lines hold the kind of the path, never the path, because it may hold a secret.
 * @param {{ line: LogLine }} props
 */
function Request({ line: { method, status, route, origin, reason, edge_ms, origin_ms } }) {
  const took = edge_ms === undefined ? undefined : Number(edge_ms) + Number(origin_ms ?? 0);
  // Without a route the path matches no pattern of the tenant; without a server the path may be unknown.
  const kind = route ? (ROUTES[route] ?? route) : origin ? "server's path" : "–";
  return (
    <>
      <span class="event">{method}</span>
      <span class={Number(status) >= 500 ? "status bad" : "status"}>{status}</span>
      <span class="route">{kind}</span>
      <span class="rest">{[origin && `→ ${origin}`, reason].filter(Boolean).join("  ")}</span>
      <span class="took">{took === undefined ? "" : `${took} ms`}</span>
    </>
  );
}

/** @param {{ line: LogLine }} props */
function Other({ line: { event, method, status, origin, user, reason, detail } }) {
  const parts = [method, status, origin && `→ ${origin}`, user, reason, detail];
  return (
    <>
      <span class="event wide">{event}</span>
      <span class="rest">{parts.filter((part) => part || part === 0).join("  ")}</span>
    </>
  );
}

/** @param {{ line: LogLine, find: (text: string) => void }} props */
function Fields({ line, find }) {
  const fields = Object.entries(line).filter(([name]) => !IN_LINE.includes(name));
  const { handle, trace_id, tenant } = line;
  return (
    <div class="fields">
      <dl class="facts">
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="mono">{typeof value === "string" ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
      <p class="buttons">
        {trace_id && (
          <button type="button" onClick={() => find(trace_id)}>
            Only this trace
          </button>
        )}
        {handle && (
          <button type="button" onClick={() => find(handle)}>
            Only this session
          </button>
        )}
        {handle && (
          <a class="button" href={to("sessions", handle, tenant ? { tenant } : {})}>
            Show the session
          </a>
        )}
      </p>
    </div>
  );
}
