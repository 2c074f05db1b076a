/**
 * Creates and configures the wasm instance, and replaces it after a trap.
 *
 * A trap (a bug of ours, exhausted memory, an exception thrown through wasm) makes an instance unusable, with all its
 * pending work. A new instance replaces it. The request that hit the trap gets 500; every other request that waited
 * in the old instance is driven again ({@link drive}).
 */
import * as glue from "vestibule-core";
import module from "./index_bg.wasm";
import { describe } from "./wire.js";

/** @import { RequestContext } from "./context.js" */
/** @import { Decide, Drive, Entering, Outlive, Survive } from "./types.js" */

/** Only this module imports the glue, which must exist before the first instance and imports this module, too. */
export { glue };

/** Maximum number of times that waiting work restarts; then it fails. */
const MAX_DEATHS = 3;

/** The error with which waiting calls reject when their instance dies. */
const DEATH = new Error("the instance died");

/** Exports that the glue calls for callbacks of the runtime: a settled promise, a timer. */
const CALLED_BACK = /^(?:wasm_bindgen__convert__closures|__wasm_bindgen_func_elem)/;

/** The result that the glue reads as "returned nothing, threw nothing". */
const NOTHING = [0, 0];

/** Callbacks that report the instance's death to the calls that wait for it. @type {Set<() => void>} */
const waiting = new Set();

/** Number of instances so far. Objects of an earlier instance are unusable. */
export let instances = 0;

/** The request that the running code serves, if known. @type {RequestContext | undefined} */
let serving;

/** Grows whenever the core's state may have changed: earlier decisions may not hold any more. */
export let generation = 0;

/** The deployment's bindings; undefined before the first request. @type {Env | undefined} */
export let bindings;

/** Whether this instance died and the next one does not exist yet; and the same bindings as JSON for the core. */
let [isDead, settings] = [false, ""];

/** Text that every reserved path contains, in lower case (empty before the first request), and the name in log lines. */
export let [reservedWord, serviceName] = ["", "vestibule"];

glue.initSync({ module });

describe(glue.describeWire());

/** Time in milliseconds after which an open window counts as lost. */
export const WINDOW_LOST_AFTER = glue.windowLostAfter();

/** Client headers that no decision depends on. */
export const IGNORED_HEADERS = new Set(glue.ignoredHeaders());

/** Client headers that no forwarding decision depends on: some only select the language of our own responses. */
export const IGNORED_WHEN_FORWARDED = new Set([...IGNORED_HEADERS, ...glue.negotiationHeaders()]);

/** Headers of an origin's response that the core may change or read. */
export const CONCERNING_HEADERS = new Set(glue.concerningHeaders());

const internalError = entering(glue.internalError);

// Decisions: if one traps, the request gets 500.
export const admit = entering(glue.admit, internalError);
export const admitAgain = entering(glue.admitAgain, internalError);
export const handleResponse = entering(glue.handleResponse, internalError);
export const runBackground = entering(glue.runBackground, internalError);
export const revalidate = entering(glue.revalidate, internalError);

export const drawTraces = entering(glue.drawTraces, () => "");
export const endOfSid = entering(glue.endOfSid, () => -1);
export const mayBeHandshake = entering(glue.mayBeHandshake, () => false);
export const isUnsent = entering(glue.isUnsent, () => false);
export const codeForBoth = entering(glue.codeForBoth, () => 1011);

// Counting and logging: if one traps, the response is sent anyway.
const nothing = () => {};
export const keepTrace = entering(glue.keepTrace, nothing);
export const observe = entering(glue.observe, nothing);
export const recovered = entering(glue.recovered, nothing);
export const takeIn = entering(glue.takeIn, nothing);
export const warn = entering(glue.warn, nothing);

/** Reports the counts when a window closes. @param {Env} env */
export const reportWindow = (env) => survive(() => glue.reportWindow(env)).catch(() => {});

/** Gives the bindings to the core, once: texts, an object for each that can send requests, `true` for others. @param {any} env */
export function configure(env) {
  if (bindings) return;
  bindings = env;
  const kind = (/** @type {any} */ value) => (typeof value?.fetch === "function" ? {} : true);
  const entries = Object.entries(env).map(([name, value]) => [
    name,
    typeof value === "string" ? value : kind(value),
  ]);
  settings = JSON.stringify(Object.fromEntries(entries));
  glue.configure(settings);
  reservedWord = glue.reservedPrefix().slice(1).toLowerCase();
  serviceName = glue.serviceName();
}

/** Sends a request; `service:NAME URL` goes through that service binding. @type {(url: string, init: RequestInit) => Promise<Response>} */
export function send(url, init) {
  if (!url.startsWith("service:")) return fetch(url, init);
  const [service, target] = url.slice(8).split(" ");
  return /** @type {any} */ (bindings)[service].fetch(target, init);
}

/** Makes a decision: synchronously if it lacks nothing. @type {Decide} */
export function decide(context, ask) {
  const again = () => ask(context.seed);
  const decision = again();
  return decision.startsWith("N") ? drive(decision, context, again) : decision;
}

/** Performs the needs of a decision until it lacks nothing. Another instance makes the decision again. @type {Drive} */
export function drive(decision, context, again) {
  let current = decision;
  const begin = () => {
    if (current === "") current = again();
    if (!current.startsWith("N")) return Promise.resolve(current);
    context.seed = current.slice(1);
    current = "";
    return glue.drive(context);
  };
  return outlive(context, begin).catch(internalError);
}

/**
 * Settles like a promise of the instance. If the instance dies meanwhile, and not because of this request or object,
 * the work begins again on the next one. @type {Outlive}
 */
export async function outlive(context, begin) {
  for (let deaths = 0; ; deaths += 1) {
    try {
      return await survive(begin);
    } catch (error) {
      if (error !== DEATH || deaths === MAX_DEATHS || context.isToBlame) throw error;
    }
  }
}

/** Settles like a promise of the instance; rejects if the instance dies before. @type {Survive} */
export function survive(begin) {
  return new Promise((resolve, reject) => {
    const promise = entering(begin)();
    const lost = () => reject(DEATH);
    const settled = () => waiting.delete(lost);
    waiting.add(lost);
    promise.then(settled, settled);
    promise.then(resolve, reject);
  });
}

/** Makes calls into the instance safe: replaces a dead instance before the call, or after it. @type {Entering} */
export function entering(act, instead) {
  return (...args) => {
    if (isDead) replace();
    try {
      return act(...args);
    } catch (error) {
      died(error);
      replace();
      if (instead) return instead();
      throw error;
    }
  };
}

/**
 * Guards the exports of a new instance, because no caller sees the fault of a callback. A dead instance is not called
 * again.
 * @param {WebAssembly.Exports} exports
 */
export function guard(exports) {
  const called = Object.keys(exports).filter((name) => CALLED_BACK.test(name));
  const guarded = called.map((name) => {
    const act = /** @type {Function} */ (exports[name]);
    /** @param {unknown[]} args */
    const value = (...args) => {
      if (isDead) return NOTHING;
      try {
        return act(...args);
      } catch (error) {
        died(error);
        return NOTHING;
      }
    };
    return [name, { value }];
  });
  return Object.create(exports, Object.fromEntries(guarded));
}

/** Marks the instance as dead, and rejects every waiting call. @param {unknown} error */
function died(error) {
  if (isDead) return;
  isDead = true;
  const line = { timestamp: new Date(), service: serviceName, level: "error", message: "trapped" };
  console.error(JSON.stringify({ ...line, at: Date.now(), event: "trapped", detail: `${error}` }));
  if (serving) serving.isToBlame = true;
  serving = undefined;
  for (const lost of waiting) lost();
  waiting.clear();
}

/** Creates a new instance. */
function replace() {
  isDead = false;
  instances += 1;
  generation += 1;
  glue.__wbg_reset_state();
  if (bindings) glue.configure(settings);
}

/** Sets the request that the code runs for from now on, if known. @param {RequestContext} [context] */
export function attribute(context) {
  serving = context;
}

/** Invalidates cached decisions, because the core's state may have changed. */
export function stateChanged() {
  generation += 1;
}
