/**
 * The demo's other servers. Where they are, and when one that ended comes back, is told by the process
 * that started this one; whether one answers is found out by asking it, on loopback.
 */

/** A neighbour that takes longer is not answering anybody. */
const PATIENCE_MS = 500;

/** @typedef {{ name: string, pid: number, conversations: number }} Itself what a server says of itself */
/** @typedef {{ name: string, url: string, backAt?: number }} Place `backAt` in Unix milliseconds */
/** @typedef {(Itself & { up: true }) | { name: string, up: false, backInMs?: number }} Condition */

/** @type {Place[]} */
let places = [];

/** Listens to the process that started this one, and ends with it. */
export function heedParent() {
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
