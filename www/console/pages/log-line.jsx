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
          <span class="event">{event}</span>
          <span class="rest">{summed(line)}</span>
          {tenant && <span class="of soft">{tenant}</span>}
        </summary>
        {isOpen.value && <Fields line={line} find={find} />}
      </details>
    </li>
  );
}

/** Summarises the event in one line. @param {LogLine} line */
function summed({ method, path, status, origin, user, reason, detail, edge_ms, origin_ms }) {
  const took = edge_ms === undefined ? undefined : Number(edge_ms) + Number(origin_ms ?? 0);
  const parts = [
    method,
    path,
    status,
    origin && `→ ${origin}`,
    user,
    reason,
    detail,
    took !== undefined && `${took} ms`,
  ];
  return parts.filter((part) => part || part === 0).join("  ");
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
