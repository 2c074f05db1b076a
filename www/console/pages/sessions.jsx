/** Lists and counts sessions, finds them by user or origin, and ends one, all of a user, or all. */
import { useSignal } from "@preact/signals";
import { tenant } from "../account.js";
import { ask, get } from "../api.js";
import { Confirm } from "../parts/dialog.jsx";
import { Empty, Loaded, Rows } from "../parts/loaded.jsx";
import { notify } from "../parts/notice.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { go, route } from "../route.js";
import { atLeast, countSessions } from "../session-count.js";
import { SessionsOfAll } from "./all-sessions.jsx";
import { SessionTable } from "./session-table.jsx";

/** @import { SessionPage } from "../backend.d.ts" */
/** @import { SessionCount } from "../session-count.js" */

const EVERY = 10_000;
const PER_PAGE = 25;

export function SessionsPage() {
  const chosen = tenant.value;
  const { query } = route.value;
  const user = query.get("user") ?? "";
  const origin = query.get("origin") ?? "";
  if (!chosen) return <SessionsOfAll />;
  return <Found key={`${chosen} ${user} ${origin}`} of={chosen} user={user} origin={origin} />;
}

/** @param {{ of: string, user: string, origin: string }} props */
function Found({ of, user, origin }) {
  /** Cursors of the previous pages. */
  const trail = useSignal(/** @type {string[]} */ ([]));
  const ending = useSignal(/** @type {"" | "user" | "all"} */ (""));
  const after = trail.value.at(-1) ?? "";
  const query = { tenant: of, user, origin, after, limit: PER_PAGE };
  const reading = usePolled(
    async (signal) => /** @type {SessionPage} */ (await get("admin/sessions", { query, signal })),
    EVERY,
    [after],
  );
  const counting = usePolled(
    (signal) => countSessions({ tenant: of, user, origin }, signal),
    0,
    [],
  );
  const changed = () => {
    reading.refresh();
    counting.refresh();
  };
  return (
    <>
      <Head title="Sessions" lead={lead(counting.value, user, origin)} reading={reading}>
        <button
          type="button"
          onClick={() => {
            ending.value = "all";
          }}
        >
          End all sessions
        </button>
      </Head>
      <Search user={user} origin={origin} />
      {user && reading.value?.sessions.length !== 0 && (
        <div class="found">
          <p>
            All sessions of <b>{user}</b>
          </p>
          <button
            type="button"
            onClick={() => {
              ending.value = "user";
            }}
          >
            Sign {user} out everywhere
          </button>
        </div>
      )}
      <Loaded reading={reading} waiting={<Rows count={8} />}>
        {({ sessions, next }) => (
          <>
            {sessions.length === 0 ? (
              <Empty title={user || origin ? "Nothing found" : "No sessions"}>
                <p>
                  {user || origin
                    ? `There is no stored session${user ? ` of ${user}` : ""}${origin ? ` at ${origin}` : ""}. Upper and lower case differ.`
                    : "A session is stored once it has data or a user."}
                </p>
              </Empty>
            ) : (
              <SessionTable sessions={sessions} changed={changed} />
            )}
            {(next || trail.value.length > 0) && <Paging trail={trail} next={next} />}
          </>
        )}
      </Loaded>
      {ending.value && (
        <End
          tenant={of}
          user={ending.value === "user" ? user : ""}
          close={() => {
            ending.value = "";
          }}
          done={changed}
        />
      )}
    </>
  );
}

/**
 * Describes how many sessions there are.
 * @param {SessionCount | undefined} counted
 * @param {string} user
 * @param {string} origin
 */
function lead(counted, user, origin) {
  const what = `stored ${counted?.all === 1 ? "session" : "sessions"}${user && ` of ${user}`}${origin && ` at ${origin}`}`;
  const number = counted && atLeast(counted.all, counted.isWhole);
  return `${number ? `${number} ${what}.` : "Stored sessions."} Guests without data are not stored.`;
}

/** @param {{ trail: import("@preact/signals").Signal<string[]>, next: string | null }} props */
function Paging({ trail, next }) {
  return (
    <nav class="paging" aria-label="Pages of sessions">
      <button
        type="button"
        disabled={trail.value.length === 0}
        onClick={() => {
          trail.value = trail.value.slice(0, -1);
        }}
      >
        Previous
      </button>
      <span class="soft number">Page {trail.value.length + 1}</span>
      <button
        type="button"
        disabled={!next}
        onClick={() => {
          if (next) trail.value = [...trail.value, next];
        }}
      >
        Next
      </button>
    </nav>
  );
}

/** @param {{ user: string, origin: string }} props */
function Search({ user, origin }) {
  const submit = (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const entries = new FormData(event.currentTarget);
    go("sessions", "", {
      user: String(entries.get("user")).trim(),
      origin: String(entries.get("origin")).trim(),
    });
  };
  return (
    <search>
      <form class="search" onSubmit={submit}>
        <label>
          <span>User</span>
          <input
            type="search"
            name="user"
            defaultValue={user}
            autocapitalize="off"
            spellcheck={false}
          />
        </label>
        <label>
          <span>Origin</span>
          <input
            type="search"
            name="origin"
            defaultValue={origin}
            autocapitalize="off"
            spellcheck={false}
          />
        </label>
        <button type="submit" class="main">
          Search
        </button>
      </form>
    </search>
  );
}

/** @param {{ tenant: string, user: string, close: () => void, done: () => void }} props */
function End({ tenant, user, close, done }) {
  const act = async () => {
    const query = user ? { tenant, user } : { tenant, all: "true" };
    await ask("DELETE", "admin/sessions", { query });
    notify(user ? `${user} is signed out everywhere.` : `All sessions of ${tenant} are ended.`);
    done();
  };
  if (user)
    return (
      <Confirm
        title={`Sign ${user} out everywhere?`}
        action="Sign out everywhere"
        danger
        act={act}
        close={close}
      >
        <p>Every session of this user ends at once, on every device.</p>
      </Confirm>
    );
  return (
    <Confirm
      title="End all sessions?"
      action="End all sessions"
      danger
      word={tenant}
      act={act}
      close={close}
    >
      <p>
        All users and guests of <b>{tenant}</b> are signed out at once, and their open connections
        are closed. This cannot be undone.
      </p>
    </Confirm>
  );
}
