/**
 * A clock that can be advanced, so that an hour of use takes seconds. Otherwise time passes normally;
 * timers in a skipped interval fire at once. Import it before any module that reads the
 * time.
 */

/** Interval at which timers check the clock, in milliseconds. */
const CHECK_INTERVAL = 4;

/** Time for woken timers to do their work after a leap, in milliseconds. */
const SETTLE = 6;

/** Time after a response within which all its background work begins, in milliseconds. */
const MOMENT = 20;

const realTime = Date.now.bind(Date);
const realTimeout = globalThis.setTimeout;
const realClear = globalThis.clearTimeout;

let ahead = 0;

/** @param {number} ms */
export async function putForward(ms) {
  // Background work of a response must begin before the leap, and read the time before it.
  const moment = Math.min(MOMENT, ms);
  ahead += moment;
  await settled();
  ahead += ms - moment;
  await settled();
}

/** Waits until pending work is done. */
export function settled() {
  return new Promise((resolve) => realTimeout(resolve, SETTLE));
}

Date.now = () => realTime() + ahead;

/**
 * Real timers of pending ones. Ids are numbers, because Rust keeps them as such.
 * @type {Map<number, any>}
 */
const pending = new Map();
let lastId = 0;

Object.assign(globalThis, {
  /**
   * @param {() => void} act
   * @param {number} [ms]
   */
  setTimeout(act, ms = 0) {
    const due = Date.now() + ms;
    lastId += 1;
    const id = lastId;
    const check = () => {
      const left = due - Date.now();
      if (left > 0) return wait(left);
      pending.delete(id);
      act();
    };
    const wait = (/** @type {number} */ left) => {
      pending.set(id, realTimeout(check, Math.min(left, CHECK_INTERVAL)));
    };
    wait(ms);
    return id;
  },

  /** @param {number} id */
  clearTimeout(id) {
    realClear(pending.get(id));
    pending.delete(id);
  },
});
