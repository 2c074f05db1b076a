/**
 * Carries one request: decides (or reuses a decision), sends it, handles the response, runs background work.
 *
 * Decisions are the core's (`gateway/`); this file performs them. The warm path is synchronous up to `fetch`: no
 * promise and no await before the request is on its way to the origin. Bodies, event streams and WebSockets pass
 * unchanged and never enter wasm.
 */
import { RequestContext } from "./context.js";
import { forwards, getForward } from "./decision_cache/forwards.js";
import { getResponse, responses } from "./decision_cache/responses.js";
import * as core from "./instance.js";
import { lengthenSid } from "./streams/handshake.js";
import { follow, isEventStream, readPauses } from "./streams/sse.js";
import { count } from "./telemetry/counters.js";
import { answered, begin, end } from "./telemetry/in_flight.js";
import { RequestTrace } from "./telemetry/request_trace.js";
import { openWindow, recordRequest } from "./telemetry/window.js";
import { upload } from "./uploads.js";
import * as wire from "./wire.js";

/** @import { After, Failure, ForwardDecision, ResponseDecision } from "./types.js" */

/** Delay of background work, in milliseconds. Without it the work would delay sending the response. */
const BACKGROUND_DELAY_MS = 10;

/**
 * Makes `fetch` bypass the zone's cache, which is keyed on the URL alone and would give one visitor's response to the
 * next. The runtime sets the same for `cache: "no-store"`, but that would also add `Cache-Control` and `Pragma` to the
 * request.
 */
const UNCACHED = { cacheTtl: -1, cacheLevel: "bypass" };

/** Methods of requests that change something. */
const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);

export class Exchange extends RequestContext {
  /** Origins that failed this request: a line each with tenant and origin, the kind of failure, and the time. */
  #failures = "";

  /** Whether the core decided more than once. Such a decision may rest on older state, so it is not cached. */
  #isDriven = false;

  /** @param {Request} request @param {Env} env @param {ExecutionContext} context @param {number} now */
  constructor(request, env, context, now) {
    const trace = new RequestTrace(now, request.url.startsWith("https:") ? "https" : "http");
    super(env, trace, request);
    this.request = request;
    this.trace = trace;
    this.headers = [...request.headers];
    this.context = context;
  }

  /** Responds to the request. @returns {Response | Promise<Response>} */
  begin() {
    const forward = getForward(this);
    if (forward) return this.#send(forward);
    const response = getResponse(this);
    if (response) return this.#respond(response);
    const packed = wire.packRequest(this.request, this.headers);
    return this.#dispatch(core.admit(packed, this.trace.begun));
  }

  /** Performs a decision. @param {string} decision @returns {Response | Promise<Response>} */
  #dispatch(decision) {
    if (decision.startsWith("N")) return this.#resolve(decision);
    const isCacheable = !this.#isDriven && this.env.DECISIONS !== "each";
    if (decision.startsWith("F")) {
      const forward = wire.unpackForward(decision, this.headers);
      if (isCacheable) forwards.put(this, forward);
      return this.#send(forward);
    }
    const response = wire.unpackResponse(decision);
    if (isCacheable) responses.put(this, response);
    return this.#respond(response, decision.startsWith("B") ? this.file : undefined);
  }

  /** Sends a response of Vestibule's own. @param {ResponseDecision} response @param {Uint8Array} [file] */
  #respond(response, file) {
    Object.assign(this.trace, response.requestLabels);
    return this.#record(wire.responseOf(response, file), "");
  }

  /** Performs the decision's needs, then the decision. @param {string} decision */
  async #resolve(decision) {
    this.#isDriven = true;
    const driven = core.drive(decision, this, () => this.#admitAgain());
    // A changing request completes although its client disconnects.
    if (CHANGING.has(this.request.method)) this.context.waitUntil(driven);
    return this.#dispatch(await driven);
  }

  #admitAgain() {
    this.#isDriven = true;
    const packed = wire.packRequest(this.request, this.headers);
    return core.admitAgain(packed, Date.now(), this.seed, this.#failures, this.notes);
  }

  /** Decides again after an origin failed. @param {string} place tenant and origin @param {Failure} how */
  #retry(place, how) {
    this.#failures += `${place}\t${how}\t${Date.now()}\n`;
    this.trace.giveUp();
    return this.#dispatch(this.#admitAgain());
  }

  /**
   * Sends the request to the origin, with a deadline for the response's headers. An abort signal would stay attached to
   * the body and cut long responses. After the deadline's response is sent, the runtime drops the unanswered request by
   * itself.
   * @param {ForwardDecision} forward @returns {Promise<Response>}
   */
  #send(forward) {
    const { request, trace, context } = this;
    const { url, firstByteMs, place, sidSuffix, requestLabels, headers, flags } = forward;
    trace.flags = requestLabels.flags;
    trace.labels = requestLabels.labels;
    trace.members = requestLabels.members;
    if (forward.seed !== "") this.seed = forward.seed;
    const { method } = request;
    const source = method === "GET" || method === "HEAD" ? null : request.body;
    trace.sent = Date.now();
    trace.answered = 0;
    const attempt = begin(place, trace.sent + firstByteMs);
    const own = url.startsWith("service:") ? request.cf : UNCACHED;
    const cf = flags.includes(wire.FLAGS.shared) ? undefined : own;

    return new Promise((resolve, reject) => {
      let isWaiting = true;
      /** @param {Failure} how */
      const giveUp = (how) => {
        if (!isWaiting) return;
        isWaiting = false;
        end(attempt, how === "lost" || how === "cut");
        resolve(this.#retry(place, how));
      };
      const body =
        source && !request.headers.has("content-length")
          ? upload(source, context, () => giveUp("spoilt"))
          : (source ?? undefined);
      // The timer is never cleared: the runtime drops it with the request, which costs less.
      setTimeout(() => giveUp("timed-out"), firstByteMs);
      core.send(url, { method, headers, body, redirect: "manual", cf }).then(
        (response) => {
          // The client has a response already.
          if (!isWaiting) return void response.body?.cancel();
          isWaiting = false;
          trace.answered = Date.now();
          try {
            const ms = Math.max(trace.answered - trace.sent, 0);
            if (answered(attempt, ms, response.status)) core.recovered(place, trace.answered);
            const longer = sidSuffix === "" ? response : lengthenSid(response, sidSuffix);
            resolve(after(longer, (seen) => this.#receive(seen, forward)));
          } catch (error) {
            reject(error);
          }
        },
        () => giveUp(source ? "cut" : "lost"),
      );
    });
  }

  /**
   * Passes the origin's response on, unchanged unless something in it concerns the core.
   * @param {Response} response @param {ForwardDecision} forward @returns {Response | Promise<Response>}
   */
  #receive(response, { url, flags, pauses, place, responseContext, session }) {
    const { status, headers, webSocket } = response;
    // Another Worker that answers was reached, whatever it relays.
    const server = status < 520 || url.startsWith("service:") ? null : headers.get("server");
    if (server && this.request.body === null && core.isUnsent(status, server)) {
      return this.#retry(place, "unsent");
    }
    if (flags.includes(wire.FLAGS.runBackground))
      this.context.waitUntil(this.#runBackground(responseContext));
    const isRevocable = flags.includes(wire.FLAGS.revocable);
    const revalidate = () => this.#revalidate(responseContext);
    if (flags.includes(wire.FLAGS.opens) && (webSocket || isEventStream(response)))
      this.context.waitUntil(revalidate());
    const seen =
      isRevocable || pauses !== ""
        ? follow(response, {
            revalidate: isRevocable ? revalidate : undefined,
            countOpen: () => this.#countOpen(place, webSocket ? "websocket" : "sse"),
            pauses: readPauses(pauses),
          })
        : response;
    if (!flags.includes(wire.FLAGS.handleResponse) && !concernsCore(seen))
      return this.#record(seen, session);
    const handled = this.#handleResponse(seen, responseContext);
    return after(handled, (given) => this.#record(given, session));
  }

  /** Lets the core decide what the client gets of the response. @param {Response} response @param {string} responseContext */
  #handleResponse(response, responseContext) {
    const headers = wire.packHeaders(response.headers);
    const decision = core.decide(new RequestContext(this.env, this.trace, response), (seed) =>
      core.handleResponse(responseContext, response.status, headers, Date.now(), seed),
    );
    return after(decision, (decision) => {
      if (decision.startsWith("U")) return response;
      return decision.startsWith("E")
        ? wire.applyEdits(decision, response)
        : wire.responseOf(wire.unpackResponse(decision));
    });
  }

  /** @param {Response} response @param {string} session tenant and handle, empty for a new session */
  #record(response, session) {
    return recordRequest(this.trace, response, session, this.env);
  }

  /** Runs background work once the client has the response. @param {string} responseContext */
  async #runBackground(responseContext) {
    await scheduler.wait(BACKGROUND_DELAY_MS);
    await core.decide(new RequestContext(this.env, this.trace), (seed) =>
      core.runBackground(responseContext, Date.now(), seed),
    );
  }

  /** Checks whether the session of an open connection still lives. @param {string} responseContext */
  async #revalidate(responseContext) {
    const decision = await core.decide(new RequestContext(this.env), (seed) =>
      core.revalidate(responseContext, Date.now(), seed),
    );
    // Open connections are reported without further requests.
    openWindow(this.env);
    const [letter, value] = decision.split("\n");
    if (letter === "X") return { over: value };
    // A fault of ours ends no session: the next check follows in five seconds.
    return { afterMs: letter === "G" ? Number(value) : 5_000 };
  }

  /** Counts a followed connection until it ends. @param {string} place tenant and origin @param {"websocket" | "sse"} kind */
  #countOpen(place, kind) {
    const series = `vestibule_origin_connections_active\t${place.replace("/", "\t")}\t${kind}`;
    const attempt = begin(place);
    const add = (/** @type {number} */ by) => {
      count(series, by);
      // It must be reported even if no further request arrives.
      openWindow(this.env);
    };
    add(1);
    return () => {
      end(attempt);
      add(-1);
    };
  }
}

/** Returns whether a response may concern the core. @param {Response} response */
function concernsCore({ status, headers }) {
  if (status > 501 || status === 400 || (status < 200 && status !== 101)) return true;
  for (const name of headers.keys()) {
    if (name.startsWith("x-session-") || core.CONCERNING_HEADERS.has(name)) return true;
  }
  return false;
}

/** Continues with a value: at once unless it is a promise, because a promise costs more than the work. @type {After} */
function after(value, next) {
  return value instanceof Promise ? value.then(next) : next(value);
}
