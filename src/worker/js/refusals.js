/**
 * Refusals that stand: a flood is worth the least. The core says until when a request for the same URL, alike in all
 * that is looked at, would be refused alike (`gateway/repeat.rs`); here the answer is given again, with a trace of its
 * own.
 */
import { UNHEEDED_HEADERS } from "./core.js";
import { isAlike, nameOf, Remembered } from "./remembered.js";
import { takeTrace, withoutTrace, withTrace } from "./spare-traces.js";
import { count } from "./telemetry/counters.js";

/** @typedef {import("./wire.js").Answered} Answered */

/**
 * @typedef {object} Refusal
 * @property {Answered} answered
 * @property {[string, string][]} received the headers of what was refused
 * @property {string[]} body what stands around the trace's id
 * @property {[string, string]} members what stands before and after the ids of the trace
 */

/** So many stand at a time: a flood comes from few, and is given little room. */
const MOST = 100;

/** @type {Remembered<Refusal>} */
const refusals = new Remembered(MOST);

/**
 * Keeps a refusal, if the core says that it stands.
 * @param {Answered} answered
 * @param {Request} request
 * @param {[string, string][]} received its headers
 * @param {number} now milliseconds since 1970
 */
export function keepRefusal(answered, request, received, now) {
  if (answered.until <= now) return;
  const name = named(request, received);
  if (name === "") return;
  const { id, around } = withoutTrace(answered.told.members);
  const body = answered.body.split(id);
  refusals.keep(name, { answered, received, body, members: around }, now);
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
  if (
    like === undefined ||
    now >= like.answered.until ||
    !isAlike(received, like.received, UNHEEDED_HEADERS)
  ) {
    return undefined;
  }
  const { told } = like.answered;
  const tenant = told.labels.slice(0, told.labels.indexOf("\t"));
  const trace = takeTrace(tenant, told.flags.replace("x", ""));
  if (trace === undefined) return undefined;
  count(`vestibule_decisions_repeated_total\t${tenant}`);
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
 * By who asks and how, and for what; empty if nothing is remembered of such a request.
 * @param {Request} request
 * @param {[string, string][]} received
 */
function named(request, received) {
  const name = nameOf(request, received);
  return name === "" ? "" : `${name} ${request.url}`;
}
