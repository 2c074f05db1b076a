/** Meets the needs that the control plane does not meet itself yet. */
import { asset } from "./assets.js";
import { bytesOf } from "./bytes.js";
import { takeWrites } from "./core.js";
import { document, documents, keep } from "./documents.js";
import { report } from "./log.js";
import { foldedName } from "./names.js";
import { call } from "./objects.js";
import { inquireOutside, verify } from "./outbound.js";
import { check as checkPassword, make as makePassword } from "./passwords.js";
import { connect } from "./runtime.js";
import { publicKey, sign } from "./signing.js";
import { list, read, write, writeDurably } from "./storage.js";
import { within } from "./waiting.js";

/** @typedef {import("./core.js").Answer} Answer */

connect({
  meetLegacy: async (need, { env, request }) => {
    /** @type {any} */
    const answer = await meet(need, env, request);
    const { kind, key, source, bytes, asked, acknowledged, type, hash, trouble } = answer;
    return [kind, key ?? source, bytes, asked, acknowledged, type, hash, trouble];
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
 * @param {Request} [request]
 * @returns {Promise<Answer>}
 */
async function meet(need, env, request) {
  const [letter, ...fields] = need.split("\t");
  if (letter === "r") return read(env.SESSIONS, fields[0], Number(fields[1]));
  if (letter === "l") return list(env.SESSIONS, fields[0]);
  if (letter === "d") return document(env, fields[0]);
  if (letter === "e") return documents(env, fields[0]);
  if (letter === "k") return keep(env, fields[0]);
  if (letter === "m") return limit(env, fields[0]);
  if (letter === "f") return inquireOutside(fields[0]);
  if (letter === "v") return verify(fields[0]);
  if (letter === "g") return sign(fields[0]);
  if (letter === "u") return publicKey(fields[0]);
  if (letter === "p") return checkPassword(fields[0]);
  if (letter === "h") return makePassword(fields[0]);
  if (letter === "o") return fold(fields[0]);
  if (letter === "a") return asset(env, fields[0], fields[1]);
  if (letter === "b") return body(request, Number(fields[0]));
  if (letter === "s") {
    return { kind: "written", acknowledged: await writeDurably(env.SESSIONS, takeWrites()) };
  }
  const [key, binding, name, deadline, command] = fields;
  return call(env, binding, name, command, key, Number(deadline));
}

/**
 * The one form in which names are compared; `npm run users` stores them in it.
 * @param {string} text a key and a name, as JSON
 * @returns {Answer}
 */
function fold(text) {
  const [key, name] = JSON.parse(text);
  const folded = foldedName(name);
  return { kind: "found", key, bytes: new TextEncoder().encode(folded), asked: Date.now() };
}

/**
 * The platform's rate limit on new sessions.
 * @param {Env} env
 * @param {string} key
 * @returns {Promise<Answer>}
 */
async function limit(env, key) {
  const asked = Date.now();
  try {
    const { success } = await within(500, env.NEW_SESSION_LIMITER.limit({ key }));
    return { kind: "found", key, bytes: new TextEncoder().encode(success ? "1" : "0"), asked };
  } catch (error) {
    report("limiter_failed", error);
    return { kind: "unavailable", key, asked };
  }
}

/**
 * @param {Request | undefined} request
 * @param {number} limit
 * @returns {Promise<Answer>}
 */
async function body(request, limit) {
  const bytes = await bytesOf(request?.body, limit);
  return bytes ? { kind: "body", bytes } : { kind: "body-too-large" };
}
