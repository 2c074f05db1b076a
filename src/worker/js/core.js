/**
 * The wasm module: instantiated, configured, and replaced should it ever trap.
 *
 * A trap (a bug of ours, memory exhausted, an exception thrown through wasm) leaves an instance unusable, and what it
 * was waiting for with it. The instance is thrown away and a new one started: the request that hit the trap is
 * answered with a 500; every other one that was waiting in there is driven again ({@link complete}).
 */
import * as glue from "vestibule-core";
import module from "./index_bg.wasm";
import { connect, leave, served } from "./runtime.js";
import { describe } from "./wire.js";

connect({
  stateChanged() {
    learned += 1;
  },
  died,
  isDead: () => isDead,
});

glue.initSync({ module });

describe(glue.describeWire());

/** Statuses by which Cloudflare says that it could not connect to the origin, so nothing was sent. */
export const UNSENT_STATUSES = new Set(glue.unsentStatuses());

/** After how many milliseconds an open window is taken to be lost. */
export const WINDOW_LOST_AFTER = glue.windowLostAfter();

const [UNHEEDED, HEEDED_FOR_WORDS] = glue.unheededHeaders().split("\n");

/** The client's headers that nothing depends on. */
export const UNHEEDED_HEADERS = new Set(UNHEEDED.split(" "));

/** Those that no decision to forward depends on: by some only the words of our own answers are chosen. */
export const UNHEEDED_WHEN_FORWARDED = new Set([
  ...UNHEEDED_HEADERS,
  ...HEEDED_FOR_WORDS.split(" "),
]);

/** What every one of our own paths has in it, in lower case; nothing before the core is configured. */
let word = "";

/** How often the core may have learned something. */
let learned = 0;

/** The bindings, as they were handed over; empty before the first request. */
let bindings = "";

/** How many instances there were: what belongs to an earlier one is of no use any more. */
let generation = 0;

/** Whether this instance died and the next one is not made yet. */
let isDead = false;

/** How to tell those who wait for this instance that it died. @type {Set<() => void>} */
const waiting = new Set();

/** A decision is driven again so often; who still dies is answered with a 500. */
const MAX_DEATHS = 3;

/** Stands for the death of the instance, in place of what was waited for. */
const DEATH = Symbol("death");

/**
 * Hands the bindings over, once. Text goes as it is; of the rest only that it is there.
 * @param {Record<string, unknown>} env
 */
export function configure(env) {
  if (bindings !== "") return;
  const entries = Object.entries(env).map(([name, value]) => [
    name,
    typeof value === "string" ? value : true,
  ]);
  bindings = JSON.stringify(Object.fromEntries(entries));
  glue.configure(bindings);
  word = glue.reservedPrefix().slice(1).toLowerCase();
}

/** What every one of our own paths has in it, in lower case. */
export function reservedWord() {
  return word;
}

/** How many instances there were before this one. */
export function instanceNumber() {
  if (isDead) replace();
  return generation;
}

/** How often the core may have learned something that it decides by: what it decided before may not hold. */
export function changes() {
  return learned;
}

/**
 * @typedef {{ origin: string, how: Failure, at: number }} Failed
 * @typedef {"lost" | "cut" | "spoilt" | "unsent" | "timed-out"} Failure
 */

/**
 * Decides on a request nothing was asked for yet.
 * @param {string} packed
 */
export function admit(packed) {
  const decision = guarded(() => glue.admit(packed, Date.now()));
  // What is done here instead of being forwarded may change a session; a plain refusal does not.
  if (!/^(?:F|A\n)/.test(decision)) learned += 1;
  return decision;
}

/**
 * Traces for a tenant's requests whose decisions are repeated: see `worker/protocol.rs`.
 * @param {string} tenant
 * @param {number} count
 * @returns {string[]} the flags of requests that are not sampled, then one text for each; none if it cannot be done
 */
export function drawTraces(tenant, count) {
  try {
    return ofInstance(() => glue.drawTraces(tenant, count)).split("\n");
  } catch {
    return [""];
  }
}

/**
 * Decides on a request again: after origins failed it, or because the instance died.
 * @param {string} packed
 * @param {import("./context.js").RequestContext} context
 * @param {Failed[]} failures
 */
export function admitAgain(packed, { seed, notes }, failures) {
  const lines = failures.map(({ origin, how, at }) => `${origin}\t${how}\t${at}`);
  return learning(() => glue.admitAgain(packed, Date.now(), seed, lines.join("\n"), notes));
}

/**
 * Completes a decision that may lack something: meets its needs until nothing is lacking. Should the instance die
 * meanwhile through no fault of this request, the decision is asked for again, and driven on the next instance.
 * @param {string} decision as it was asked for in this very turn
 * @param {import("./context.js").RequestContext} context
 * @param {() => string} again
 * @returns {Promise<string>}
 */
export async function complete(decision, context, again) {
  let current = decision;
  for (let deaths = 0; !isComplete(current); deaths += 1) {
    context.seed = current.slice(1);
    const driven = await survived(glue.drive(context));
    if (driven !== undefined) return driven;
    if (deaths === MAX_DEATHS || context.isToBlame) return guarded(() => glue.internalError());
    current = again();
  }
  return current;
}

/** Whether a decision lacks nothing. @param {string} decision */
export function isComplete(decision) {
  return !decision.startsWith("N");
}

/**
 * What comes of a promise of the instance; nothing if the instance dies before.
 * @param {Promise<string>} promise
 * @returns {Promise<string | undefined>}
 */
function survived(promise) {
  return new Promise((resolve) => {
    const lost = () => resolve(undefined);
    waiting.add(lost);
    const settle = (/** @type {string | undefined} */ value) => {
      waiting.delete(lost);
      resolve(value);
    };
    promise.then(settle, () => settle(undefined));
  });
}

/**
 * Returns what comes of an object's work. If the instance dies meanwhile through no fault of this object, the next
 * instance begins the work again: a caller has only a few attempts, and they are for failures of the object's own.
 * @template T
 * @param {() => Promise<T> | undefined} act may be repeated
 * @param {import("./context.js").RequestContext} context the object's
 * @returns {Promise<T | undefined>}
 */
export async function living(act, context) {
  for (let deaths = 0; deaths <= MAX_DEATHS; deaths += 1) {
    const outcome = await unlessDead(ofInstance(act));
    if (outcome !== DEATH) return outcome;
    if (context.isToBlame) break;
  }
  throw new Error("the instance died");
}

/**
 * Returns what a promise of the instance becomes, or {@link DEATH} if the instance dies before.
 * @template T
 * @param {Promise<T> | undefined} promise
 * @returns {Promise<T | undefined | typeof DEATH>}
 */
function unlessDead(promise) {
  return new Promise((resolve, reject) => {
    const lost = () => resolve(DEATH);
    waiting.add(lost);
    const settled = () => waiting.delete(lost);
    Promise.resolve(promise).finally(settled).then(resolve, reject);
  });
}

/**
 * Settles an origin's answer. Of most the core learns nothing.
 * @param {string} ticket
 * @param {number} status
 * @param {string} headers
 */
export function settle(ticket, status, headers, seed = "") {
  const decision = guarded(() => glue.settle(ticket, status, headers, Date.now(), seed));
  if (!/^[UE]\n/.test(decision)) learned += 1;
  return decision;
}

/**
 * Does what can wait until the visitor has the answer.
 * @param {string} ticket
 */
export function afterwards(ticket, seed = "") {
  return learning(() => glue.afterwards(ticket, Date.now(), seed));
}

/**
 * Takes note that an origin that has answered with a gateway error before has answered well.
 * @param {string} place tenant and origin
 */
export function recovered(place) {
  learned += 1;
  ofInstance(() => glue.recovered(place, Date.now()));
}

/**
 * Sends the probes that were decided on.
 * @param {ExecutionContext} context
 */
export function sendProbes(context) {
  ofInstance(() => glue.sendProbes(context));
}

/**
 * How much of an Engine.IO handshake's answer stands before the end of its `sid`; 0 if that cannot be told yet, less
 * if it is none.
 * @param {Uint8Array} begins how the answer begins
 */
export function endOfSid(begins) {
  return ofInstance(() => glue.endOfSid(begins));
}

/**
 * Does what is due every minute.
 * @param {ScheduledController} event
 * @param {Env} env
 * @param {ExecutionContext} context
 */
export async function scheduled(event, env, context) {
  await survived(ofInstance(() => glue.scheduled(event, env, context)));
}

/** Takes note of what is under way at origins. @param {unknown[]} inFlight as `worker/runtime.rs` reads it */
export function observe(inFlight) {
  ofInstance(() => glue.observe(inFlight));
}

/**
 * Looks after a stream or a socket that stays open.
 * @param {string} ticket
 */
export function watch(ticket, seed = "") {
  return learning(() => glue.watch(ticket, Date.now(), seed));
}

/**
 * With which code both ends of a WebSocket are closed that one of them closed so.
 * @param {number} code
 * @param {string} reason
 * @param {boolean} isClean whether a close frame came
 */
export function codeForBoth(code, reason, isClean) {
  return ofInstance(() => glue.codeForBoth(code, reason, isClean));
}

/**
 * The values to be stored since the last call.
 * @returns {{ key: string, value: Uint8Array, ttl: number }[]}
 */
export function takeWrites() {
  return glue.takeWrites().map((pending) => {
    const { key, value, ttl } = pending;
    pending.free();
    return { key, value, ttl };
  });
}

/**
 * Stores a value in the background.
 * @param {Env} env
 * @param {{ key: string, value: Uint8Array, ttl: number }} write
 * @returns {Promise<boolean>} whether the instance lived to see what became of it
 */
export async function storeInBackground(env, { key, value, ttl }) {
  const settled = await survived(ofInstance(() => glue.storeInBackground(env, key, value, ttl)));
  return settled !== undefined;
}

/**
 * Takes in what the data plane counted.
 * @param {unknown} counted as `worker/runtime.rs` reads it
 * @param {Env} env
 */
export function takeIn(counted, env) {
  ofInstance(() => glue.takeIn(counted, env));
}

/** Opens a window; the promise is settled once that is reported, or the instance died. @param {Env} env */
export async function reportWindow(env) {
  await survived(ofInstance(() => glue.reportWindow(env)));
}

/**
 * The core may learn something by it that it decides by.
 * @param {() => string} act
 */
function learning(act) {
  learned += 1;
  return guarded(act);
}

/** @param {() => string} act */
function guarded(act) {
  try {
    return ofInstance(act);
  } catch {
    return ofInstance(() => glue.internalError());
  }
}

/**
 * Calls the instance; one that died before is replaced first, one that dies of it afterwards.
 * @template T
 * @param {() => T} act
 * @returns {T}
 */
function ofInstance(act) {
  if (isDead) replace();
  try {
    return act();
  } catch (error) {
    died(error);
    replace();
    throw error;
  }
}

/**
 * The instance died; whoever waits for it learns so.
 * @param {unknown} error
 */
function died(error) {
  if (isDead) return;
  isDead = true;
  const trapped = { at: Date.now(), level: "error", event: "trapped", detail: String(error) };
  console.error(JSON.stringify(trapped));
  const culprit = served();
  if (culprit) culprit.isToBlame = true;
  leave();
  for (const lost of waiting) lost();
  waiting.clear();
}

/** Makes a new instance. */
function replace() {
  isDead = false;
  generation += 1;
  learned += 1;
  glue.__wbg_reset_state();
  if (bindings !== "") glue.configure(bindings);
}
