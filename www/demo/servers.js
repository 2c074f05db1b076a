/** How the servers are: asked through the door, of the one that answers. */

/** @typedef {{ name: string, up: boolean, pid?: number, conversations?: number, backInMs?: number }} Condition */
/** @typedef {{ by: string, servers: Condition[] }} Report `by` is the server that answered */

/** How often is asked while all is well, and while a server is away, in milliseconds. */
const CALM = 3_000;
const ANXIOUS = 1_000;
const PATIENCE = 5_000;

/** Answers to earlier questions than this one are out of date. */
let asked = 0;

/** @returns {Promise<Report | null>} none when nobody answered, or something happened meanwhile */
async function ask() {
  asked += 1;
  const mine = asked;
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch("/demo/servers", { signal }).catch(() => null);
  const report = response?.ok ? await response.json().catch(() => null) : null;
  return mine === asked ? report : null;
}

/** Something happened: what is being asked at this moment will be out of date. */
export function outdate() {
  asked += 1;
}

/**
 * Keeps asking while the page is looked at and `mayAsk`.
 * @param {() => boolean} mayAsk
 * @param {(report: Report) => void} tell
 * @returns {() => Promise<void>} asks at once
 */
export function watch(mayAsk, tell) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = async () => {
    clearTimeout(timer);
    const report = document.hidden || !mayAsk() ? null : await ask();
    if (report) tell(report);
    const calm = report?.servers.every(({ up }) => up);
    clearTimeout(timer);
    timer = setTimeout(look, calm ? CALM : ANXIOUS);
  };
  document.addEventListener("visibilitychange", look);
  return look;
}
