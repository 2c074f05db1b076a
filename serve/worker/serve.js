/**
 * Runs the Worker outside of Cloudflare: does what the platform does before and after a request there.
 *
 * It vouches for the client's address and scheme, calls objects on another machine, runs the schedule, and reports
 * when no work is left.
 */
// @ts-expect-error: it is next to this file only in workerd.
import worker from "./index.js";
import { isBusy, track } from "./platform.js";
import { Proxies } from "./proxies.js";
import { answerCall, remoteObjects } from "./remote-objects.js";

// @ts-expect-error: the same.
export * from "./index.js";

/** Interval between two looks for unfinished work, in milliseconds. */
const LOOK_EVERY_MS = 20;

/** @type {Proxies | undefined} */
let proxies;

/** @type {Record<string, any> | undefined} */
let bindings;

/** Returns the Worker's bindings, without those of this file. @param {Record<string, any>} env */
function bindingsOf(env) {
  if (bindings) return bindings;
  const { SERVE_PROXIES, SERVE_OBJECTS_URL: url, OBJECTS_TOKEN: token, ...rest } = env;
  proxies = new Proxies(SERVE_PROXIES);
  bindings = { ...rest, ...(url ? remoteObjects(url, token) : {}) };
  return bindings;
}

/** Context of a request, whose background work is tracked: the process may not end before it. */
class TrackedContext {
  #context;

  /** @param {any} context */
  constructor(context) {
    this.#context = context;
  }

  /** @param {Promise<unknown>} work */
  waitUntil(work) {
    track(work);
    this.#context.waitUntil(work);
  }
}

/** @param {Request} request @param {Record<string, any>} env @param {any} context */
function respond(request, env, context) {
  const response = worker.fetch(request, env, new TrackedContext(context));
  if (response instanceof Promise) track(response);
  return response;
}

export default {
  /** @param {Request & { cf?: { clientIp?: string } }} request @param {Record<string, any>} env @param {any} context */
  fetch(request, env, context) {
    const own = bindingsOf(env);
    return respond(/** @type {Proxies} */ (proxies).vouch(request), own, context);
  },
};

/** What the supervising process calls, by a socket that only it can open. */
export const Control = {
  /** @param {Request} request @param {Record<string, any>} env @param {any} context */
  async fetch(request, env, context) {
    const own = bindingsOf(env);
    switch (new URL(request.url).pathname) {
      case "/scheduled":
        await worker.scheduled({ scheduledTime: Date.now(), cron: "* * * * *" }, own, context);
        return new Response(null, { status: 204 });
      case "/idle":
        // The runtime does not end while this request is unanswered.
        while (isBusy()) await scheduler.wait(LOOK_EVERY_MS);
        return new Response(null, { status: 204 });
      default:
        return respond(request, own, context);
    }
  },
};

/** Answers calls of other machines to the objects here. */
export const Objects = {
  /** @param {Request} request @param {Record<string, any>} env */
  fetch(request, env) {
    const answer = answerCall(request, env);
    track(answer);
    return answer;
  },
};
