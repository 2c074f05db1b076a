/**
 * The wasm instance: made, configured, and replaced should it ever trap.
 *
 * A trap (a bug of ours, memory exhausted, an exception thrown through wasm) leaves an instance unusable, and what it
 * was waiting for with it. The instance is thrown away and a new one made: the request that hit the trap is answered
 * with a 500; every other one that was waiting in there is driven again ({@link drive}).
 */
import * as glue from "vestibule-core";
import module from "./index_bg.wasm";
import { describe } from "./wire.js";

/** @import { RequestContext } from "./context.js" */
/** @import { Decide, Drive, Entering, Outlive, Survive } from "./types.js" */

/** It is imported here alone: it must be there when the first instance is made, and imports this module, too. */
export { glue };

/** What waits is begun again so often; then it fails. */
const MAX_DEATHS = 3;

/** Rejects calls that wait for an instance that dies. */
const DEATH = new Error("the instance died");

/** Exports that the glue calls when the runtime calls back: a promise is settled, a timer is over. */
const CALLED_BACK = /^(?:wasm_bindgen__convert__closures|__wasm_bindgen_func_elem)/;

/** What the glue takes for a call that returned nothing and threw nothing. */
const NOTHING = [0, 0];

/** How to tell those who wait for this instance that it died. @type {Set<() => void>} */
const waiting = new Set();

/** Whether this instance died and the next one is not made yet. */
let isDead = false;

/** How many instances there were: what belongs to an earlier one is of no use any more. */
export let instances = 0;

/** Which request the code serves that runs now, if that is known. @type {RequestContext | undefined} */
let serving;

/** Grows whenever the core may have learned something that it decides by: what it decided before may not hold. */
export let generation = 0;

/** What the deployment binds; nothing before the first request. @type {Env | undefined} */
export let bindings;

/** The same, as the core takes it. */
let settings = "";

/** What every one of our own paths has in it, in lower case; empty before the first request. */
export let reservedWord = "";

glue.initSync({ module });

describe(glue.describeWire());

/** After how many milliseconds an open window is taken to be lost. */
export const WINDOW_LOST_AFTER = glue.windowLostAfter();

/** The client's headers that no decision depends on. */
export const IGNORED_HEADERS = new Set(glue.ignoredHeaders());

/** Those that no decision to forward depends on: by some only the words of our own responses are chosen. */
export const IGNORED_WHEN_FORWARDED = new Set([...IGNORED_HEADERS, ...glue.negotiationHeaders()]);

/** Headers of an origin's response that the core may change or take note of. */
export const CONCERNING_HEADERS = new Set(glue.concerningHeaders());

const internalError = entering(glue.internalError);

// Decisions: should one trap, the request is answered with a 500.
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

// What is counted and noted: should one trap, the response goes out all the same.
const nothing = () => {};
export const keepTrace = entering(glue.keepTrace, nothing);
export const observe = entering(glue.observe, nothing);
export const recovered = entering(glue.recovered, nothing);
export const takeIn = entering(glue.takeIn, nothing);
export const warn = entering(glue.warn, nothing);

/** Reports what is counted until a window closes. @param {Env} env */
export const reportWindow = (env) => survive(() => glue.reportWindow(env)).catch(() => {});

/** Hands the bindings over, once: settings as they are, of the others only that they are there. @param {Env} env */
export function configure(env) {
  if (bindings) return;
  bindings = env;
  const entries = Object.entries(env).map(([name, value]) => [
    name,
    typeof value === "string" ? value : true,
  ]);
  settings = JSON.stringify(Object.fromEntries(entries));
  glue.configure(settings);
  reservedWord = glue.reservedPrefix().slice(1).toLowerCase();
}

/** Makes a decision: at once if nothing is lacking. @type {Decide} */
export function decide(context, ask) {
  const again = () => ask(context.seed);
  const decision = again();
  return decision.startsWith("N") ? drive(decision, context, again) : decision;
}

/** Meets the needs of a decision until nothing is lacking. On another instance it is asked for again. @type {Drive} */
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
 * Settles as a promise of the instance does. Should the instance die meanwhile through no fault of this request or
 * object, the work is begun again on the next one. @type {Outlive}
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

/** Settles as a promise of the instance does; rejects if the instance dies before. @type {Survive} */
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

/** Makes calls into the instance safe: one that died before is replaced first, one that dies of it afterwards. @type {Entering} */
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
 * The exports of a new instance, guarded: what goes wrong in a callback has no caller that would notice. An instance
 * that died is not called again.
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

/** The instance died; every waiting call learns so. @param {unknown} error */
function died(error) {
  if (isDead) return;
  isDead = true;
  const trapped = { at: Date.now(), level: "error", event: "trapped", detail: String(error) };
  console.error(JSON.stringify(trapped));
  if (serving) serving.isToBlame = true;
  serving = undefined;
  for (const lost of waiting) lost();
  waiting.clear();
}

/** Makes a new instance. */
function replace() {
  isDead = false;
  instances += 1;
  generation += 1;
  glue.__wbg_reset_state();
  if (bindings) glue.configure(settings);
}

/** What runs from now on serves this request, or none that is known. @param {RequestContext} [context] */
export function attribute(context) {
  serving = context;
}

/** The core may have learned something that it decides by. */
export function stateChanged() {
  generation += 1;
}
