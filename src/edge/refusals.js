/**
 * Refusals that stand: a flood is worth the least. The core says until when the very same request would be refused
 * alike (`gateway/repeat.rs`); here the answer is given again, with a trace of its own.
 */
import { nameOf, Remembered } from "./remembered.js";
import { takeTrace, withoutTrace, withTrace } from "./spare-traces.js";
import { count } from "./tally.js";

/** @typedef {import("./packing.js").Answered} Answered */

/**
 * @typedef {object} Refusal
 * @property {Answered} answered
 * @property {[string, string][]} received the headers of what was refused
 * @property {string[]} body what stands around the trace's id
 * @property {[string, string]} members what stands before and after the ids of the trace
 */

/** @type {Remembered<Refusal>} */
const refusals = new Remembered();

/**
 * Keeps a refusal, if the core says that it stands.
 * @param {Answered} answered
 * @param {Request} request
 * @param {[string, string][]} received its headers
 * @param {number} now milliseconds since 1970
 */
export function keepRefusal(answered, request, received, now) {
  if (answered.until <= now) return;
  const { id, around } = withoutTrace(answered.told.members);
  const body = answered.body.split(id);
  refusals.keep(named(request, received), { answered, received, body, members: around }, now);
}

/**
 * How a request like this one was refused, if that still stands.
 * @param {Request} request
 * @param {[string, string][]} received its headers
 * @param {number} now milliseconds since 1970
 * @returns {Answered | undefined}
 */
export function recallRefusal(request, received, now) {
  if (refusals.isEmpty) return undefined;
  const like = refusals.find(named(request, received), now);
  if (like === undefined || now >= like.answered.until || !isSame(received, like.received)) {
    return undefined;
  }
  const { told } = like.answered;
  const tenant = told.labels.slice(0, told.labels.indexOf("\t"));
  const trace = takeTrace(tenant, told.flags.replace("x", ""));
  if (trace === undefined) return undefined;
  count("vestibule_decisions_repeated_total", tenant);
  return {
    ...like.answered,
    told: {
      flags: trace.flags,
      labels: told.labels,
      members: withTrace(like.members, trace),
    },
    body: like.body.join(trace.id),
  };
}

/**
 * @param {Request} request
 * @param {[string, string][]} received
 */
function named(request, received) {
  return `${nameOf(request, received)} ${request.url}`;
}

/**
 * Whether requests have the same headers. The runtime gives them in the order of their names.
 * @param {[string, string][]} received
 * @param {[string, string][]} before
 */
function isSame(received, before) {
  return (
    received.length === before.length &&
    received.every(([name, value], at) => name === before[at][0] && value === before[at][1])
  );
}
