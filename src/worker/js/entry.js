/**
 * The Worker. A request's life: decide (or do as was decided on the one before), send, settle, keep up.
 *
 * Decisions are the core's (`gateway/`); this file performs them. The warm path is synchronous up
 * to `fetch`: no promise is made and nothing is awaited before the request is on its way to the
 * origin. Bodies, event streams and WebSockets are handed on as they are and never enter wasm.
 */
import { waitUntil } from "cloudflare:workers";
import { storeLater } from "./background_writes.js";
import "./console-files.js";
import { RequestContext } from "./context.js";
import {
  admit,
  admitAgain,
  afterwards,
  complete,
  configure,
  isComplete,
  observe,
  recovered,
  scheduled,
  sendProbes,
  settle,
  UNSENT_STATUSES,
  watch,
} from "./core.js";
import { keepRefusal, recallRefusal } from "./refusals.js";
import { connect } from "./runtime.js";
import { recall, stand } from "./standing.js";
import { lengthenSid } from "./streams/handshake.js";
import { follow, readPauses } from "./streams/sse.js";
import { count } from "./telemetry/counters.js";
import { answered, begin, end, inFlight, isDue } from "./telemetry/in_flight.js";
import { RequestTrace } from "./telemetry/request_trace.js";
import { openWindow, recordRequest } from "./telemetry/window.js";
import { upload } from "./uploads.js";
import { pause } from "./waiting.js";
import {
  applyEdits,
  FLAGS,
  packHeaders,
  packRequest,
  responseOf,
  unpackAnswer,
  unpackForward,
} from "./wire.js";

export {
  AttemptObject,
  DirectoryObject,
  PoolObject,
  SessionObject,
  TelemetryObject,
} from "./objects.js";

/** @typedef {import("./wire.js").Order} Order */

/**
 * What one request carries along.
 * @typedef {object} Passage
 * @property {Request} request
 * @property {[string, string][]} headers the client's
 * @property {string} packed the request, once the core was asked; empty before
 * @property {Env} env
 * @property {ExecutionContext} context
 * @property {import("./core.js").Failed[]} failures origins that failed it
 * @property {RequestContext | undefined} driven what the control plane knows of it, once the core was asked again
 * @property {string} seed what its trace was begun with
 * @property {RequestTrace} trace
 */

/**
 * What can wait is begun so much later, in milliseconds: begun at once it would be on the thread that sends the
 * answer, and waking an object takes some of them.
 */
const UNTIL_SENT = 10;

/**
 * For `fetch`: past the cache of the zone, which is keyed on the URL alone and would hand one visitor's answer to
 * the next. It is what the runtime makes of `cache: "no-store"`, without the `Cache-Control` and `Pragma` that this
 * would add to the request.
 */
const UNCACHED = { cacheTtl: -1, cacheLevel: "bypass" };

/** Methods of requests that change something. */
const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** Headers of an answer that the core may want to change or take note of. */
const CONCERNING = new Set([
  "set-cookie",
  "cache-control",
  "location",
  "content-location",
  "refresh",
  "link",
  "endpoint-load-metrics",
]);

connect({ waitUntil });

export default {
  /**
   * @param {Request} request
   * @param {Env} env
   * @param {ExecutionContext} context
   */
  fetch(request, env, context) {
    configure(env);
    const now = Date.now();
    if (isDue(now)) observe(inFlight(now));
    const headers = [...request.headers];
    const trace = new RequestTrace(now, request.url.startsWith("https:") ? "https" : "http");
    const passage = {
      request,
      headers,
      packed: "",
      env,
      context,
      failures: [],
      driven: undefined,
      seed: "",
      trace,
    };
    const order = recall(request, headers, now);
    if (order) return send(order, passage);
    const refusal = recallRefusal(request, headers, now);
    return refusal ? say(refusal, passage) : perform(admit(packed(passage)), passage);
  },

  /**
   * @param {ScheduledController} event
   * @param {Env} env
   * @param {ExecutionContext} context
   */
  scheduled(event, env, context) {
    configure(env);
    return scheduled(event, env, context);
  },
};

/** The request as the core takes it. @param {Passage} passage */
function packed(passage) {
  if (passage.packed === "") passage.packed = packRequest(passage.request, passage.headers);
  return passage.packed;
}

/**
 * @param {string} decision
 * @param {Passage} passage
 * @returns {Response | Promise<Response>}
 */
function perform(decision, passage) {
  if (decision.startsWith("F")) return obey(decision, passage);
  if (decision.startsWith("A")) return give(decision, passage);
  if (decision.startsWith("B")) return give(decision, passage, passage.driven?.file);
  return inquire(decision, passage);
}

/**
 * Gives an answer of our own.
 * @param {string} decision
 * @param {Passage} passage
 * @param {Uint8Array} [file]
 */
function give(decision, passage, file) {
  const answered = unpackAnswer(decision);
  const { request, headers, trace } = passage;
  if (mayStand(passage)) keepRefusal(answered, request, headers, trace.begun);
  return say(answered, passage, file);
}

/**
 * @param {import("./wire.js").Answered} answered
 * @param {Passage} passage
 * @param {Uint8Array} [file]
 */
function say(answered, { trace, env, context }, file) {
  Object.assign(trace, answered.told);
  return recordRequest(trace, responseOf(answered, file), "", env, context);
}

/**
 * Gets what the decision lacks, then performs it.
 * @param {string} decision
 * @param {Passage} passage
 */
async function inquire(decision, passage) {
  const { request, env, context } = passage;
  const driven = drivenAs(passage);
  const work = complete(decision, driven, () => reconsider(passage)).then((made) => {
    storeLater(env, context);
    return made;
  });
  sendProbes(context);
  // What changes something is seen through though whoever sent it has gone.
  if (CHANGING.has(request.method)) context.waitUntil(work.catch(() => {}));
  const made = await work;
  passage.seed = driven.seed;
  sendProbes(context);
  return perform(made, passage);
}

/** Decides anew, given which origins failed. @param {Passage} passage */
function reconsider(passage) {
  const decision = admitAgain(packed(passage), drivenAs(passage), passage.failures);
  sendProbes(passage.context);
  return decision;
}

/** @param {Passage} passage */
function drivenAs(passage) {
  const { env, request, trace, context } = passage;
  passage.driven ??= new RequestContext(env, { request, trace, context });
  if (passage.seed !== "") passage.driven.seed = passage.seed;
  return passage.driven;
}

/**
 * Forwards as decided, and remembers it for requests alike.
 * @param {string} decision
 * @param {Passage} passage
 */
function obey(decision, passage) {
  const { request, headers, trace } = passage;
  const order = unpackForward(decision, headers);
  if (mayStand(passage)) stand(order, request, headers, trace.begun);
  return send(order, passage);
}

/** What was decided after waiting may know less than the core does by now. @param {Passage} passage */
function mayStand({ driven, env }) {
  return !driven && env.DECISIONS !== "each";
}

/**
 * Sends the request to the origin, and bounds the wait for its headers. Not with an abort signal:
 * that would stay attached to the body and cut long answers. When the deadline's answer goes out
 * the runtime drops the unanswered request by itself.
 * @param {Order} order
 * @param {Passage} passage
 * @returns {Promise<Response>}
 */
function send(order, passage) {
  const { request, trace, context } = passage;
  const { url, firstByteMs, place, sidSuffix, told, headers, flags } = order;
  trace.flags = told.flags;
  trace.labels = told.labels;
  trace.members = told.members;
  if (order.seed !== "") passage.seed = order.seed;
  const { method } = request;
  const source = method === "GET" || method === "HEAD" ? null : request.body;
  trace.sent = Date.now();
  trace.answered = 0;
  const attempt = begin(place, trace.sent + firstByteMs);
  const cf = flags.includes(FLAGS.shared) ? undefined : UNCACHED;

  return new Promise((resolve) => {
    let waiting = true;
    /** @param {import("./core.js").Failure} how */
    const giveUp = (how) => {
      if (!waiting) return;
      waiting = false;
      end(attempt, how === "lost" || how === "cut");
      resolve(fail(place, how, passage));
    };
    const body =
      source && !request.headers.has("content-length")
        ? upload(source, context, () => giveUp("spoilt"))
        : (source ?? undefined);
    // Never cleared: the runtime drops it with the request, for less than clearing would cost.
    setTimeout(() => giveUp("timed-out"), firstByteMs);
    fetch(url, { method, headers, body, redirect: "manual", cf }).then(
      (response) => {
        // The visitor has an answer already.
        if (!waiting) return void response.body?.cancel();
        waiting = false;
        trace.answered = Date.now();
        const ms = Math.max(trace.answered - trace.sent, 0);
        if (answered(attempt, ms, response.status)) recovered(place);
        const receiving = (/** @type {Response} */ answer) => receive(answer, order, passage);
        if (sidSuffix === "") return resolve(receiving(response));
        const longer = lengthenSid(response, sidSuffix, context);
        resolve(longer.then(receiving));
      },
      () => giveUp(source ? "cut" : "lost"),
    );
  });
}

/**
 * @param {string} place tenant and origin
 * @param {import("./core.js").Failure} how
 * @param {Passage} passage
 */
function fail(place, how, passage) {
  const origin = place.slice(place.indexOf("/") + 1);
  passage.failures.push({ origin, how, at: Date.now() });
  passage.trace.giveUp();
  return perform(reconsider(passage), passage);
}

/**
 * Hands the origin's answer on: untouched when nothing about it is ours to change.
 * @param {Response} response
 * @param {Order} order
 * @param {Passage} passage
 * @returns {Response | Promise<Response>}
 */
function receive(response, { flags, pauses, place, ticket, session }, passage) {
  const { env, context, request, trace } = passage;
  if (response.status >= 520 && wasUnsent(response) && request.body === null) {
    return fail(place, "unsent", passage);
  }
  if (flags.includes(FLAGS.afterwards)) context.waitUntil(keepUp(ticket, passage));
  const isWatched = flags.includes(FLAGS.watched);
  if (flags.includes(FLAGS.opens) && staysOpen(response))
    context.waitUntil(revalidate(ticket, env, context));
  const seen =
    isWatched || pauses !== ""
      ? follow(response, {
          revalidate: isWatched ? () => revalidate(ticket, env, context) : undefined,
          counters: streamCounters(place, response.webSocket ? "websocket" : "sse", passage),
          pauses: readPauses(pauses),
          waitUntil: (work) => context.waitUntil(work),
        })
      : response;
  if (!flags.includes(FLAGS.settle) && !concernsUs(seen)) {
    return recordRequest(trace, seen, session, env, context);
  }
  const given = settled(seen, ticket, passage);
  return given instanceof Response
    ? recordRequest(trace, given, session, env, context)
    : given.then((answer) => recordRequest(trace, answer, session, env, context));
}

/**
 * Counts what is followed.
 * @param {string} place tenant and origin
 * @param {"websocket" | "sse"} kind
 * @param {Passage} passage
 */
function streamCounters(place, kind, { env, context }) {
  const series = `vestibule_streams_active\t${place.slice(0, place.indexOf("/"))}\t${kind}`;
  /** @type {import("./types.js").Attempt} */
  let attempt;
  return {
    opened: () => {
      attempt = begin(place);
      count(series, 1);
      openWindow(env, context);
    },
    closed: () => {
      end(attempt);
      count(series, -1);
      // Nobody else may come to tell of it.
      openWindow(env, context);
    },
  };
}

/** Whether an answer says that the origin was never asked. @param {Response} response */
function wasUnsent(response) {
  return UNSENT_STATUSES.has(response.status) && response.headers.get("server") === "cloudflare";
}

/** Whether an answer is a socket, or a stream of events. @param {Response} response */
function staysOpen({ webSocket, headers }) {
  return Boolean(webSocket) || (headers.get("content-type") ?? "").startsWith("text/event-stream");
}

/**
 * Whether the core may want to do anything about an answer.
 * @param {Response} response
 */
function concernsUs(response) {
  if (response.status > 501 || (response.status < 200 && response.status !== 101)) return true;
  for (const name of response.headers.keys()) {
    if (name.startsWith("x-session-")) return true;
    if (CONCERNING.has(name)) return true;
  }
  return false;
}

/**
 * @param {Response} response
 * @param {string} ticket
 * @param {Passage} passage
 * @returns {Response | Promise<Response>}
 */
function settled(response, ticket, { env, context, trace }) {
  const headers = packHeaders(response.headers);
  /** @param {string} decision */
  const conclude = (decision) => {
    storeLater(env, context);
    // A gateway error may be the origin's, or that of one path.
    if (response.status > 501) sendProbes(context);
    if (decision.startsWith("U")) return response;
    return decision.startsWith("E")
      ? applyEdits(decision, response)
      : responseOf(unpackAnswer(decision));
  };
  const decision = settle(ticket, response.status, headers);
  if (isComplete(decision)) return conclude(decision);
  const driven = new RequestContext(env, { trace });
  const again = () => settle(ticket, response.status, headers, driven.seed);
  return complete(decision, driven, again).then(conclude);
}

/**
 * Looks whether the session of something that stays open still lives.
 * @param {string} ticket
 * @param {Env} env
 * @param {ExecutionContext} context
 * @returns {Promise<{ afterMs: number } | { over: string }>} when to look again, or why it is over
 */
async function revalidate(ticket, env, context) {
  const driven = new RequestContext(env);
  const made = await complete(watch(ticket), driven, () => watch(ticket, driven.seed));
  const [letter, value] = made.split("\n");
  storeLater(env, context);
  // That something is open is told though nobody else comes.
  openWindow(env, context);
  return letter === "G" ? { afterMs: Number(value) } : { over: value };
}

/**
 * Does what can wait until the visitor has the answer.
 * @param {string} ticket
 * @param {Passage} passage
 */
async function keepUp(ticket, { env, context, trace }) {
  await pause(UNTIL_SENT);
  const driven = new RequestContext(env, { trace });
  await complete(afterwards(ticket), driven, () => afterwards(ticket, driven.seed));
  storeLater(env, context);
}
