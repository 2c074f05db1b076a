/** One line of the log; opened, all its fields. */
import { useSignal } from "@preact/signals";
import { absolute, timeOfDay } from "../format.js";
import { to } from "../route.js";

/** @import { LogLine } from "../backend.d.ts" */

/** Shown in the line itself. */
const IN_LINE = ["seq", "at", "level", "event"];

/** @param {LogLine} line in lower case, all that it says */
export function said(line) {
  return JSON.stringify(line).toLowerCase();
}

/**
 * @param {{ line: LogLine, find: (text: string) => void, opened: () => void }} props
 */
export function Line({ line, find, opened }) {
  const isOpen = useSignal(false);
  const { at, level, event, status, method, origin, tenant, detail, path } = line;
  const rest = [method, path, status, origin && `→ ${origin}`, detail]
    .filter((part) => part !== undefined && part !== null)
    .map(String);
  return (
    <li class={level}>
      <details
        onToggle={(toggled) => {
          isOpen.value = toggled.currentTarget.open;
          if (isOpen.value) opened();
        }}
      >
        <summary>
          <time class="number" dateTime={new Date(at).toISOString()} title={absolute(at)}>
            {timeOfDay(at)}
          </time>
          <span class="level">{level}</span>
          <span class="event">{event}</span>
          <span class="rest">{rest.join(" ")}</span>
          {tenant && <span class="of soft">{tenant}</span>}
        </summary>
        {isOpen.value && <Fields line={line} find={find} />}
      </details>
    </li>
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
