/** Polls the state of the servers through Vestibule, from the one that responds. */

/** @typedef {{ name: string, up: boolean, pid?: number, conversations?: number, backInMs?: number }} Condition */
/** @typedef {{ by: string, servers: Condition[] }} Report `by` is the server that answered */

/** Polling intervals while all servers run, and while one is stopped, in milliseconds. */
const CALM = 3_000;
const ANXIOUS = 1_000;
const PATIENCE = 5_000;

/** Number of the last valid request; earlier responses are outdated. */
let asked = 0;

/** @returns {Promise<Report | null>} null without a response, or if something happened meanwhile */
async function ask() {
  asked += 1;
  const mine = asked;
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch("/demo/servers", { signal }).catch(() => null);
  const report = response?.ok ? await response.json().catch(() => null) : null;
  return mine === asked ? report : null;
}

/** Marks requests in flight as outdated, because something happened. */
export function outdate() {
  asked += 1;
}

/**
 * Polls while the page is visible and `mayAsk` allows it.
 * @param {() => boolean} mayAsk
 * @param {(report: Report) => void} onReport
 * @returns {() => Promise<void>} asks at once
 */
export function watch(mayAsk, onReport) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = async () => {
    clearTimeout(timer);
    const report = document.hidden || !mayAsk() ? null : await ask();
    if (report) onReport(report);
    const calm = report?.servers.every(({ up }) => up);
    clearTimeout(timer);
    timer = setTimeout(look, calm ? CALM : ANXIOUS);
  };
  document.addEventListener("visibilitychange", look);
  return look;
}
