/** Waiting: for a while, not for too long, and together with others. */

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export function within(ms, promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("deadline")), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/**
 * Whether something failed because its time was over: by {@link within}, or by a signal that cut the transfer.
 * @param {unknown} error
 */
export function isDeadline(error) {
  return error instanceof Error && (error.message === "deadline" || error.name === "TimeoutError");
}

/**
 * How long to wait for what somebody else has asked for already, in milliseconds. Who asked may be
 * gone, and its question with it: then one of those who wait asks, and the others wait for that one.
 */
const PATIENCE = 300;

/** @type {Map<string, Promise<any>>} */
const underWay = new Map();

/**
 * Asks, unless the same is being asked already: of many at once only one asks.
 * @template T
 * @param {string} question
 * @param {() => Promise<T>} ask
 * @returns {Promise<{ value: T, asked: number }>} the answer, and when it was asked for
 */
export async function shared(question, ask) {
  let inVain;
  for (;;) {
    const other = underWay.get(question);
    if (!other || other === inVain) break;
    const answer = await Promise.race([other, pause(PATIENCE)]);
    if (answer) return answer;
    inVain = other;
  }
  const asked = Date.now();
  const own = ask().then((value) => ({ value, asked }));
  underWay.set(question, own);
  const forget = () => {
    if (underWay.get(question) === own) underWay.delete(question);
  };
  own.then(forget, forget);
  return own;
}
