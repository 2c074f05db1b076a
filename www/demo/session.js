/** The visitor's session, as the edge tells it, and what the server was told. */

/** @typedef {{ handle: string, state: string, stored: boolean, idle_seconds_left: number, data: unknown }} Session */

const REFRESH_MS = 5_000;

/** When the session ends if nothing more is asked; moves on with every look. */
let endsAt = 0;

/** @returns {Promise<void>} */
export async function showSession() {
  const response = await fetch("/_session/me").catch(() => null);
  if (!response?.ok) return;
  /** @type {Session} */
  const session = await response.json();
  endsAt = Date.now() + session.idle_seconds_left * 1000;
  fill("session", {
    handle: session.handle,
    state: session.state,
    stored: session.stored ? "yes, encrypted in KV" : "no: nothing to keep yet",
    "ends in": remaining(),
    data: JSON.stringify(session.data),
  });
}

export function keepSessionShown() {
  setInterval(showSession, REFRESH_MS);
  setInterval(() => {
    const left = document.querySelector('[data-term="ends in"]');
    if (left) left.textContent = remaining();
  }, 1_000);
}

/** @param {Record<string, string>} headers */
export function showHeaders(headers) {
  fill("headers", headers);
}

/**
 * @param {string} list
 * @param {Record<string, string>} facts
 */
function fill(list, facts) {
  const nodes = Object.entries(facts).flatMap(([term, fact]) => {
    const dt = document.createElement("dt");
    dt.textContent = term;
    const dd = document.createElement("dd");
    dd.textContent = fact;
    dd.dataset.term = term;
    return [dt, dd];
  });
  document.getElementById(list)?.replaceChildren(...nodes);
}

function remaining() {
  const seconds = Math.max(0, Math.round((endsAt - Date.now()) / 1000));
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
