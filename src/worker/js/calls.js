/** Calls to Durable Objects: repeated where that is safe and of use, and shared where they are equal. */
import { report } from "./log.js";
import { counted } from "./tally.js";
import { pause, shared, within } from "./waiting.js";

/** How long to wait, about, before an attempt, in milliseconds. */
const ATTEMPTS = [0, 100, 400];

/** @typedef {import("./core.js").Answer} Answer */

/**
 * @param {Env} env
 * @param {string} binding
 * @param {string} name the object's
 * @param {string} command
 * @param {string} key what the answer is filed under
 * @param {number} deadline how long all attempts together may take, in milliseconds
 * @returns {Promise<Answer>}
 */
export async function call(env, binding, name, command, key, deadline) {
  const began = Date.now();
  try {
    const { value: bytes, asked } = await shared(`${binding}/${name}/${command}`, () =>
      counted("object", () => within(deadline, attempt(env, binding, name, command))),
    );
    return { kind: "found", key, bytes, asked };
  } catch (error) {
    report("object_call_failed", error);
    return { kind: "unavailable", key, asked: began };
  }
}

/**
 * A command may be delivered twice: each change carries what tells it apart. What is overloaded is not
 * asked again.
 * @param {Env} env
 * @param {string} binding
 * @param {string} name
 * @param {string} command
 * @returns {Promise<Uint8Array>}
 */
async function attempt(env, binding, name, command) {
  const namespace = /** @type {Record<string, any>} */ (env)[binding];
  /** @type {unknown} */
  let last;
  for (const delay of ATTEMPTS) {
    if (delay > 0) await pause(delay * (0.5 + Math.random()));
    try {
      // A stub that has thrown is of no use any more.
      return await namespace.getByName(name).call(name, command);
    } catch (error) {
      last = error;
      if (/** @type {any} */ (error).overloaded) break;
    }
  }
  throw last;
}
