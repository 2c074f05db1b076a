/**
 * What the data plane offers to the control plane (see `worker/runtime.rs`), and the guard around the instance. The
 * glue imports this module, so it imports none that needs the glue; those connect themselves.
 */

import argon2 from "./argon2.wasm";

/** @typedef {import("./context.js").RequestContext} RequestContext */

/**
 * @typedef {object} Offered
 * @property {() => void} stateChanged
 * @property {(error: unknown) => void} died
 * @property {() => boolean} isDead
 * @property {(work: Promise<unknown>) => void} waitUntil
 * @property {(name: string) => Uint8Array | undefined} consoleFile
 * @property {(key: string) => void} superseded
 * @property {unknown} recorder
 */

/** @type {Offered} */
const offered = {
  stateChanged() {},
  died() {},
  isDead: () => false,
  waitUntil() {},
  consoleFile: () => undefined,
  superseded() {},
  recorder: undefined,
};

/** Exports that the glue calls when the runtime calls back: a promise is settled, a timer is over. */
const CALLED_BACK = /^(?:wasm_bindgen__convert__closures|__wasm_bindgen_func_elem)/;

/** What the glue takes for a call that returned nothing and threw nothing. */
const NOTHING = [0, 0];

/** Whom the code serves that runs now, if that is known. @type {RequestContext | undefined} */
let serving;

/** @param {Partial<Offered>} what */
export function connect(what) {
  Object.assign(offered, what);
}

/**
 * The exports of a new instance, guarded: what goes wrong in a callback has no caller that would notice. An instance
 * that died is not called again.
 * @param {WebAssembly.Exports} exports
 */
export function guard(exports) {
  /** @type {PropertyDescriptorMap} */
  const guarded = {};
  for (const [name, called] of Object.entries(exports)) {
    if (typeof called !== "function" || !CALLED_BACK.test(name)) continue;
    guarded[name] = {
      value: (/** @type {unknown[]} */ ...args) => {
        if (offered.isDead()) return NOTHING;
        try {
          return called(...args);
        } catch (error) {
          offered.died(error);
          return NOTHING;
        }
      },
    };
  }
  return Object.create(exports, guarded);
}

/** What runs from now on serves this request. @param {RequestContext} context */
export function enter(context) {
  serving = context;
}

/** What runs from now on serves no request that is known. */
export function leave() {
  serving = undefined;
}

/** Whom the code served that ran last. */
export function served() {
  return serving;
}

/** Takes note that the core may have learned something that it decides by. */
export function stateChanged() {
  offered.stateChanged();
}

/** The module that hashes passwords. */
export function argon2Module() {
  return argon2;
}

/** Keeps the request at hand alive until this is settled. @param {Promise<unknown>} work */
export function waitUntil(work) {
  offered.waitUntil(work);
}

/** A file of the console, as the build has compressed it. @param {string} name */
export function consoleFile(name) {
  return offered.consoleFile(name);
}

/** A later value of a key is being stored than the one that is stored in the background. @param {string} key */
export function superseded(key) {
  offered.superseded(key);
}

/** What records requests until the control plane reports them. */
export function recorder() {
  return offered.recorder;
}
