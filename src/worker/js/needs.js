/** Meets the needs that the control plane does not meet itself yet. */
import { call } from "./calls.js";
import { takeWrites } from "./core.js";
import { connect } from "./runtime.js";
import { list, read, write, writeDurably } from "./storage.js";

/** @typedef {import("./core.js").Answer} Answer */

connect({
  meetLegacy: async (need, { env }) => {
    /** @type {any} */
    const answer = await meet(need, env);
    const { kind, key, bytes, asked, acknowledged } = answer;
    return [kind, key, bytes, asked, acknowledged];
  },
});

/**
 * Stores what the last decision left to be stored, after the answer.
 * @param {Env} env
 * @param {ExecutionContext} context
 */
export function storeLater(env, context) {
  const writes = takeWrites();
  if (writes.length > 0) context.waitUntil(write(env.SESSIONS, writes));
}

/**
 * @param {string} need a letter and its fields, apart by tabs; see `worker/io/legacy.rs`
 * @param {Env} env
 * @returns {Promise<Answer>}
 */
async function meet(need, env) {
  const [letter, ...fields] = need.split("\t");
  if (letter === "r") return read(env.SESSIONS, fields[0], Number(fields[1]));
  if (letter === "l") return list(env.SESSIONS, fields[0]);
  if (letter === "s") {
    return { kind: "written", acknowledged: await writeDurably(env.SESSIONS, takeWrites()) };
  }
  const [key, binding, name, deadline, command] = fields;
  return call(env, binding, name, command, key, Number(deadline));
}
