/**
 * Creates an identity provider's tokens of a given length: a JWT's head and signature, usual claims,
 * and a random one as filler. Nothing in them repeats, which would help a
 * compressor.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { sign } from "../tests/harness/hostile-provider.mjs";
import { IDENTITY } from "./session.mjs";

/** Length of each of the reference session's tokens; a few characters less if no claim fits. */
export const TOKEN = 800;

/** @typedef {import("../tests/harness/hostile-provider.mjs").Claims} Claims */
/** @typedef {import("../tests/harness/hostile-provider.mjs").SigningKey} SigningKey */

/** Returns claims that providers often add, the most usual first. @returns {[string, unknown][]} */
function usual() {
  return [
    ["auth_time", Math.floor(Date.now() / 1000)],
    ["email", IDENTITY.email],
    ["email_verified", true],
    ["name", IDENTITY.name],
    ["groups", IDENTITY.groups],
    ["preferred_username", "zoe.mueller"],
    ["jti", randomUUID()],
    ["scope", "openid profile email offline_access"],
    ["locale", "de"],
  ];
}

/**
 * Returns as many of the usual claims as fit, and a random one that fills the rest.
 * @param {Claims} claims that must be there
 * @param {SigningKey} key
 * @returns {Promise<string>}
 */
export async function token(claims, key) {
  /** @type {Claims} */
  const all = { ...claims, sub: IDENTITY.user };
  const made = (/** @type {Claims} */ more) => sign(more, { key, header: { typ: "JWT" } });
  for (const [name, value] of usual()) {
    if ((await made({ ...all, [name]: value })).length <= TOKEN) all[name] ??= value;
  }
  const random = randomBytes(TOKEN).toString("base64url");
  let fullest = await made(all);
  for (let length = 1; ; length += 1) {
    const fuller = await made({ ...all, uti: random.slice(0, length) });
    if (fuller.length > TOKEN) return fullest;
    fullest = fuller;
  }
}

/** Returns the claim by which an ID token names an access token (OpenID Connect Core 1.0, section 3.1.3.6). @param {string} accessToken */
export function hashOf(accessToken) {
  return createHash("sha256").update(accessToken).digest().subarray(0, 16).toString("base64url");
}
