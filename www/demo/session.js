/** Shows the visitor's session as Vestibule reports it, and the headers that the server received. */

/**
 * @typedef {object} Session
 * @property {string} handle
 * @property {string} state
 * @property {boolean} stored
 * @property {number} idle_seconds_left
 * @property {{ turns?: import("./chat.js").Turn[] }} [data]
 */

const REFRESH_MS = 5_000;

/** Number of turns that the demo's servers store in the session. */
const TURNS_KEPT = 6;

/** Time at which the session ends without further requests; every request moves it. */
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
  showHeld(session.data?.turns ?? []);
}

/**
 * Shows in the picture what Vestibule keeps.
 * @param {import("./chat.js").Turn[]} turns
 */
function showHeld(turns) {
  const held = document.getElementById("held");
  const last = turns.length === 1 ? "the last turn" : `the last ${turns.length} turns`;
  if (held) {
    held.textContent = turns.length
      ? `holds your session: ${last}`
      : "holds your session: nothing said yet";
  }
  const leaves = Array.from({ length: TURNS_KEPT }, (_, at) => {
    const leaf = document.createElement("i");
    leaf.className = turns[at]?.who ?? "";
    return leaf;
  });
  document.getElementById("memory")?.replaceChildren(...leaves);
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
  // A scrollable element must be reachable by keyboard.
  for (const node of nodes) {
    if (node.scrollHeight > node.clientHeight) node.tabIndex = 0;
  }
}

function remaining() {
  const seconds = Math.max(0, Math.round((endsAt - Date.now()) / 1000));
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
