/** Shows the Worker's log as it is written. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { tenant } from "../account.js";
import { get } from "../api.js";
import { counted } from "../format.js";
import { Empty, Loaded, Rows } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { Line, textOf } from "./log-line.jsx";

/** @import { LogLine, LogPage } from "../backend.d.ts" */

const EVERY = 1_500;

/** Maximum number of lines on the page; more would make it slow. */
const ROOM = 1_000;

const LEVELS = ["info", "warn", "error"];

export function LogsPage() {
  const level = useSignal("info");
  return <Tail key={`${tenant.value} ${level.value}`} of={tenant.value} level={level} />;
}

/** @param {{ of: string, level: import("@preact/signals").Signal<string> }} props */
function Tail({ of, level }) {
  const received = useRef({ next: 0, lines: /** @type {LogLine[]} */ ([]), lost: 0 });
  const words = useSignal("");
  /** Sequence number at which the operator paused; later lines wait. */
  const stopped = useSignal(/** @type {number | null} */ (null));
  const load = async (/** @type {AbortSignal} */ signal) => {
    const { next, lines, lost } = received.current;
    const query = { tenant: of, after: next, level: level.value };
    const page = /** @type {LogPage} */ (await get("admin/logs", { query, signal }));
    const known = page.next < next ? [] : lines;
    received.current = {
      next: page.next,
      lines: [...known, ...page.lines].slice(-ROOM),
      lost: lost + page.dropped,
    };
    return received.current;
  };
  const reading = usePolled(load, EVERY, []);
  const lines = reading.value?.lines ?? [];
  const until = stopped.value ?? Number.POSITIVE_INFINITY;
  const wanted = words.value.trim().toLowerCase();
  const shown = lines.filter(
    (line) => line.seq <= until && (wanted === "" || textOf(line).includes(wanted)),
  );
  const waiting = lines.filter((line) => line.seq > until).length;
  return (
    <>
      <Head
        title="Logs"
        lead="Every line while this page is open; otherwise only warnings and errors are kept."
        reading={reading}
      />
      <search class="search">
        <label class="method">
          <span>Level</span>
          <select
            value={level.value}
            onChange={(event) => {
              level.value = event.currentTarget.value;
            }}
          >
            {LEVELS.map((name) => (
              <option key={name} value={name}>
                {name === "error" ? "error" : `${name} and up`}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>Text, trace or handle</span>
          <input
            type="search"
            value={words.value}
            onInput={(event) => {
              words.value = event.currentTarget.value;
            }}
            spellcheck={false}
          />
        </label>
        <button
          type="button"
          class="pause"
          aria-pressed={stopped.value !== null}
          onClick={() => {
            stopped.value = stopped.value === null ? (lines.at(-1)?.seq ?? 0) : null;
          }}
        >
          {stopped.value === null ? "Pause" : `Go on (${waiting} new)`}
        </button>
      </search>
      <Loaded reading={reading} waiting={<Rows count={12} />}>
        {({ lost }) => (
          <Lines
            lines={shown}
            isFiltered={wanted !== ""}
            lost={lost}
            find={(text) => {
              words.value = text;
            }}
          />
        )}
      </Loaded>
    </>
  );
}

/**
 * @param {{ lines: LogLine[], isFiltered: boolean, lost: number, find: (text: string) => void }} props
 */
function Lines({ lines, isFiltered, lost, find }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  /** Whether the list is scrolled to its end: only then it follows new lines. */
  const isAtEnd = useRef(true);
  useEffect(() => {
    const element = place.current;
    if (element && isAtEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines.at(-1)?.seq, lines.length]);
  return (
    <>
      <p class="soft number tally">
        {counted(lines.length, "line")}
        {lost > 0 && `; ${counted(lost, "line")} dropped, because they came too fast`}
      </p>
      {lines.length === 0 ? (
        <Empty title={isFiltered ? "No line matches" : "No lines yet"}>
          <p>
            {isFiltered
              ? "New lines that match appear here."
              : "The next line appears here by itself."}
          </p>
        </Empty>
      ) : (
        <section
          class="card log"
          ref={place}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
          tabIndex={0}
          aria-label="Log lines"
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            isAtEnd.current = scrollHeight - scrollTop - clientHeight < 24;
          }}
        >
          <ol>
            {lines.map((line) => (
              <Line
                key={line.seq}
                line={line}
                find={find}
                opened={() => {
                  isAtEnd.current = false;
                }}
              />
            ))}
          </ol>
        </section>
      )}
    </>
  );
}
