/**
 * A clock that can be put forward, so that an hour of use is counted in seconds. Time goes by as usual
 * beside that; what waits for a moment that was skipped, wakes at once. To be imported before anything
 * that reads the time.
 */

/** How often those who wait look at the clock, in milliseconds. */
const GLANCE = 4;

/** How long after a leap those who woke have to do their work, in milliseconds. */
const SETTLE = 6;

/** How long after an answer everything is begun that belongs to it, in milliseconds. */
const MOMENT = 20;

const realTime = Date.now.bind(Date);
const realTimeout = globalThis.setTimeout;
const realClear = globalThis.clearTimeout;

let ahead = 0;

/** @param {number} ms */
export async function putForward(ms) {
  // What is begun a moment after an answer is begun before the leap, and asks at its own time.
  const moment = Math.min(MOMENT, ms);
  ahead += moment;
  await settled();
  ahead += ms - moment;
  await settled();
}

/** So long that what was under way is done. */
export function settled() {
  return new Promise((resolve) => realTimeout(resolve, SETTLE));
}

Date.now = () => realTime() + ahead;

/** @typedef {{ real?: any }} Timer */

Object.assign(globalThis, {
  /**
   * @param {() => void} act
   * @param {number} [ms]
   */
  setTimeout(act, ms = 0) {
    const due = Date.now() + ms;
    /** @type {Timer} */
    const timer = {};
    const glance = () => {
      const left = due - Date.now();
      if (left <= 0) act();
      else timer.real = realTimeout(glance, Math.min(left, GLANCE));
    };
    timer.real = realTimeout(glance, Math.min(ms, GLANCE));
    return timer;
  },

  /** @param {Timer | undefined} timer */
  clearTimeout(timer) {
    if (timer) realClear(timer.real);
  },
});
