/**
 * What the data plane offers to the control plane: see `worker/runtime.rs`. The glue imports this module, so it
 * imports none that needs the glue; those connect themselves.
 */

/**
 * @typedef {object} Offered
 * @property {() => void} stateChanged
 * @property {(need: string, context: import("./context.js").RequestContext) => Promise<unknown>} meetLegacy
 */

/** @type {Offered} */
const offered = { stateChanged() {}, meetLegacy: () => Promise.reject(new Error("not connected")) };

/** @param {Partial<Offered>} what */
export function connect(what) {
  Object.assign(offered, what);
}

/** Takes note that the core may have learned something that it decides by. */
export function stateChanged() {
  offered.stateChanged();
}

/**
 * Meets a need that is still met in JavaScript.
 * @param {string} need
 * @param {import("./context.js").RequestContext} context
 */
export function meetLegacy(need, context) {
  return offered.meetLegacy(need, context);
}
