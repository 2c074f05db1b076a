/**
 * Decisions that stand: what the core decided on a request holds for others like it until the second is over or
 * the core learns something, and is done again without asking. The core says which and until when
 * (`gateway/repeat.rs`); here requests are compared. Whatever is not plainly alike is asked about.
 */
import { reservedWord, UNHEEDED_WHEN_FORWARDED } from "./core.js";
import { isAlike, nameOf, Remembered } from "./remembered.js";
import { takeTrace, withoutTrace, withTrace } from "./spare-traces.js";
import { count } from "./telemetry/counters.js";
import { FLAGS } from "./wire.js";

/** @typedef {import("./wire.js").Order} Order */

/**
 * @typedef {object} Standing
 * @property {Order} order
 * @property {string} site scheme and authority
 * @property {string} url
 * @property {string} base what the origin's URLs begin with
 * @property {[string, string][]} received the client's headers, as of the request before
 * @property {Prepared} [prepared] what all that are alike have in common, once there is a second one
 */

/**
 * @typedef {object} Prepared
 * @property {Headers} headers all for the origin, as of the request before
 * @property {[string, string]} members what stands before and after the ids of the trace
 * @property {[string, string]} ticket
 */

/** So many stand at a time. */
const MOST = 1_000;

/** So many characters a URL may have, where it differs. */
const LONGEST_URL = 1_024;

/** What none of our own paths could be taken for: no escapes, no empty segments, none that begins with a dot. */
const ORDINARY = /^(?:\/[\w~-][\w.~-]*)*\/?(?:\?|$)/;

/** @type {Remembered<Standing>} */
const standing = new Remembered(MOST);

/**
 * Keeps a decision to forward, if the core says that it stands.
 * @param {Order} order
 * @param {Request} request
 * @param {[string, string][]} received its headers
 * @param {number} now
 */
export function stand(order, request, received, now) {
  if (order.until <= now) return;
  const name = nameOf(request, received);
  if (name === "") return;
  const { url } = request;
  const site = url.slice(0, url.indexOf("/", 8));
  const base = order.url.slice(0, order.url.length - (url.length - site.length));
  standing.keep(name, { order, site, url, base, received }, now);
}

/**
 * What was decided on a request like this one, and still stands.
 * @param {Request} request
 * @param {[string, string][]} received its headers
 * @param {number} now
 * @returns {Order | undefined}
 */
export function recall(request, received, now) {
  if (standing.isEmpty) return undefined;
  const like = standing.find(nameOf(request, received), now);
  if (
    like === undefined ||
    now >= like.order.until ||
    !isAlike(received, like.received, UNHEEDED_WHEN_FORWARDED)
  ) {
    return undefined;
  }
  const { url } = request;
  const { order, site, base } = like;
  if (url !== like.url && !(order.flags.includes(FLAGS.anyTarget) && isOrdinary(url, site)))
    return undefined;
  const tenant = order.place.slice(0, order.place.indexOf("/"));
  const trace = takeTrace(tenant, order.told.flags.replace("x", ""));
  if (trace === undefined) return undefined;
  count(`vestibule_decisions_repeated_total\t${tenant}`);
  like.prepared ??= prepare(order);
  const { members, ticket } = like.prepared;
  return {
    flags: order.flags,
    url: base + url.slice(site.length),
    firstByteMs: order.firstByteMs,
    pauses: order.pauses,
    place: order.place,
    ticket: ticket[0] + trace.id + ticket[1],
    sidSuffix: order.sidSuffix,
    kept: order.kept,
    told: {
      flags: trace.flags,
      labels: order.told.labels,
      members: withTrace(members, trace),
    },
    until: 0,
    trace: trace.id,
    seed: trace.seed,
    session: order.session,
    headers: headersLike(like, received, trace.parent),
  };
}

/**
 * What all requests like that one have in common.
 * @param {Order} order
 * @returns {Prepared}
 */
function prepare(order) {
  const at = order.ticket.indexOf(order.trace);
  return {
    headers: new Headers(order.headers),
    members: withoutTrace(order.told.members).around,
    ticket: [order.ticket.slice(0, at), order.ticket.slice(at + order.trace.length)],
  };
}

/**
 * Whether a URL of that site is the origin's beyond doubt.
 * @param {string} url
 * @param {string} site
 */
function isOrdinary(url, site) {
  if (url.length > LONGEST_URL || !url.startsWith(site)) return false;
  const target = url.slice(site.length);
  return (
    ORDINARY.test(target) &&
    !target.toLowerCase().includes(reservedWord()) &&
    !target.includes("EIO=")
  );
}

/**
 * All headers for the origin: those of the request before, but the trace and what differs. Whoever sends them
 * copies them at once.
 * @param {Standing} like
 * @param {[string, string][]} received
 * @param {string} parent
 */
function headersLike(like, received, parent) {
  const { headers } = /** @type {Prepared} */ (like.prepared);
  headers.set("traceparent", parent);
  for (let at = 0; at < received.length; at += 1) {
    const [name, value] = received[at];
    if (value !== like.received[at][1] && like.order.kept[at] === "+") headers.set(name, value);
  }
  like.received = received;
  return headers;
}
