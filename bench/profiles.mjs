/** Defines profiles of a deployment's use; docs/internals/bench.md shows the same table. */

/**
 * @typedef {object} Visitors all of one kind
 * @property {number} many
 * @property {number} requests of each
 * @property {number} every seconds between a visitor's requests
 * @property {boolean} keeps whether the first response stores data
 * @property {number} changes number of later changes of the data
 * @property {boolean} [cookies] whether it sends cookies back; bots do not
 */

/**
 * @typedef {object} Profile
 * @property {string} name
 * @property {string} says
 * @property {Visitors[]} visitors
 * @property {number} over seconds in which visits begin, evenly
 * @property {number} monthly requests a month, for the bill
 */

/** @type {Profile[]} */
export const PROFILES = [
  {
    name: "quiet help desk",
    says: "10 visits of 10 minutes one after the other; 30 requests each, 4 of them change data",
    visitors: [{ many: 10, requests: 30, every: 20, keeps: true, changes: 3 }],
    over: 6_000,
    monthly: 1_000_000,
  },
  {
    name: "busy chat product",
    says: "50 visits at once for 10 minutes; 60 requests each, 7 of them change data",
    visitors: [{ many: 50, requests: 60, every: 10, keeps: true, changes: 6 }],
    over: 60,
    monthly: 300_000_000,
  },
  {
    name: "public demo",
    says: "in 10 minutes 300 requests of bots without cookies, 170 guests with 8 requests who leave nothing to keep, 30 visitors with 20 requests, 5 of which change data",
    visitors: [
      { many: 300, requests: 1, every: 0, keeps: false, changes: 0, cookies: false },
      { many: 170, requests: 8, every: 10, keeps: false, changes: 0 },
      { many: 30, requests: 20, every: 10, keeps: true, changes: 4 },
    ],
    over: 600,
    monthly: 10_000_000,
  },
];

/**
 * The profile of the goals; it has no bill.
 * @type {Profile}
 */
export const ONE_SESSION = {
  name: "one session",
  says: "1,000 requests of one session in an hour; the first gives it its data, nothing changes after",
  visitors: [{ many: 1, requests: 1_000, every: 3.6, keeps: true, changes: 0 }],
  over: 1,
  monthly: 0,
};

/** @param {Profile} profile */
export function requestsOf({ visitors }) {
  return visitors.reduce((sum, { many, requests }) => sum + many * requests, 0);
}

/** Returns the number of sessions with data. @param {Profile} profile */
export function keptIn({ visitors }) {
  return visitors.reduce((sum, { many, keeps }) => sum + (keeps ? many : 0), 0);
}

/** Returns the number of changes of data, including the first of each session. @param {Profile} profile */
export function changesIn({ visitors }) {
  return visitors.reduce(
    (sum, { many, keeps, changes }) => sum + (keeps ? many : 0) * (1 + changes),
    0,
  );
}

/**
 * @typedef {object} Event a request
 * @property {number} at seconds since the beginning
 * @property {number} visitor
 * @property {string} path
 * @property {boolean} cookies
 */

/**
 * Returns every request of a profile, in order.
 * @param {Profile} profile
 * @returns {Event[]}
 */
export function schedule({ visitors, over }) {
  let visitor = 0;
  const events = visitors.flatMap(({ many, requests, every, keeps, changes, cookies = true }) =>
    Array.from({ length: many }, (_, nth) => {
      const begins = (nth * over) / many;
      visitor += 1;
      const number = visitor;
      return Array.from({ length: requests }, (_, at) => ({
        at: begins + at * every,
        visitor: number,
        path: pathOf(at, requests, keeps, changes),
        cookies,
      }));
    }).flat(),
  );
  return events.sort((a, b) => a.at - b.at);
}

/**
 * @param {number} at which request of a visit
 * @param {number} requests
 * @param {boolean} keeps
 * @param {number} changes
 */
function pathOf(at, requests, keeps, changes) {
  if (at === 0) return keeps ? "/store" : "/";
  const spacing = Math.floor(requests / (changes + 1));
  return at % spacing === 0 && at / spacing <= changes ? "/note" : "/";
}
