/** Reports what the objects count that are still JavaScript: see `worker/exporter.rs`. */
import { flushIfIdle } from "./core.js";

/**
 * @param {Env} env
 * @param {{ waitUntil: (promise: Promise<unknown>) => void }} context
 */
export function tellInPassing(env, context) {
  context.waitUntil(flushIfIdle(env));
}
