/**
 * Knows the demo's other servers. The parent process sends their addresses, and when a stopped one
 * restarts. Requests on loopback show whether each responds.
 */

/** Maximum time for a neighbour's response, in milliseconds. */
const PATIENCE_MS = 500;

/** @typedef {{ name: string, pid: number, conversations: number }} Itself a server's own report */
/** @typedef {{ name: string, url: string, backAt?: number }} Place `backAt` in Unix milliseconds */
/** @typedef {(Itself & { up: true }) | { name: string, up: false, backInMs?: number }} Condition */

/** @type {Place[]} */
let places = [];

/** Receives messages of the parent process, and exits when it ends. */
export function listenToParent() {
  if (!process.connected) return;
  process.on("message", (message) => {
    places = /** @type {Place[]} */ (message);
  });
  process.on("disconnect", () => process.exit(0));
}

/** @returns {Promise<Condition[]>} */
export function neighbours() {
  return Promise.all(places.map(condition));
}

/**
 * @param {Place} place
 * @returns {Promise<Condition>}
 */
async function condition({ name, url, backAt }) {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { pid, conversations } = await (await fetch(`${url}/demo/whoami`, { signal })).json();
    return { name, up: true, pid, conversations };
  } catch {
    const backInMs = backAt === undefined ? undefined : Math.max(0, backAt - Date.now());
    return { name, up: false, backInMs };
  }
}
