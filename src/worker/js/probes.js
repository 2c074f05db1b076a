/**
 * Probes: an origin under suspicion is asked in our own words, with nothing of any client's, and the core is told
 * what became of it. Whoever's request raised the suspicion may be gone by then; a probe goes on without.
 */
import { ask } from "./asking.js";
import { PROBE_DEADLINE, probed, takeProbes } from "./core.js";
import { UNCACHED } from "./uncached.js";

/** Statuses by which Cloudflare says that it could not connect to the origin, so nothing was sent. */
const UNSENT = new Set([521, 522, 523, 525, 526, 530]);

/** @param {Response} response */
export function wasUnsent(response) {
  return UNSENT.has(response.status) && response.headers.get("server") === "cloudflare";
}

/**
 * Sends what the core wants sent.
 * @param {ExecutionContext} context
 */
export function sendProbes(context) {
  for (const probe of takeProbes()) context.waitUntil(send(probe));
}

/** @param {{ place: string, begun: number, url: string }} probe */
async function send({ place, begun, url }) {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), PROBE_DEADLINE);
  // A kept connection may have been closed while nobody used it: that says nothing yet.
  let outcome = await become(url, end.signal);
  if (outcome === "lost") outcome = await become(url, end.signal);
  clearTimeout(timer);
  probed(place, begun, outcome);
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function become(url, signal) {
  try {
    const response = await ask(url, { signal, cf: UNCACHED });
    // Whatever it says, it lives.
    response.body?.cancel().catch(() => {});
    return wasUnsent(response) ? "unsent" : String(response.status);
  } catch {
    return signal.aborted ? "timed-out" : "lost";
  }
}
