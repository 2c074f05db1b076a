/** Requests to identity providers, and what WebCrypto says of the tokens they give. */
import { ask } from "./asking.js";
import { report } from "./log.js";
import { counted } from "./tally.js";
import { UNCACHED } from "./uncached.js";
import { shared, within } from "./waiting.js";

/** How long somebody else's server may take, in milliseconds. */
const DEADLINE = 10_000;

/** @typedef {import("./core.js").Answer} Answer */
/** @typedef {[url: string, authorization: string | null, form: string | null, limit: number]} Outbound */

/**
 * @param {string} text a key and what to ask, as JSON
 * @returns {Promise<Answer>}
 */
export async function inquireOutside(text) {
  /** @type {[string, Outbound]} */
  const [key, call] = JSON.parse(text);
  const began = Date.now();
  try {
    const [url, authorization, form] = call;
    // What everybody asks for alike is asked for once; a token is nobody else's.
    const inquire = () => counted("provider", () => within(DEADLINE, say(call)));
    const { value, asked } =
      form === null && authorization === null
        ? await shared(`fetch ${url}`, inquire)
        : { value: await inquire(), asked: began };
    const bytes = new TextEncoder().encode(`${value.status}\n${value.body}`);
    return { kind: "found", key, bytes, asked };
  } catch (error) {
    report("provider_unreachable", error);
    return { kind: "unavailable", key, asked: began };
  }
}

/**
 * What nobody but others can answer: a request of our own, or whether a signature is good.
 * @param {string} need a letter and its field; see `worker/io/legacy.rs`
 */
export function meet(need) {
  const [letter, text] = need.split("\t");
  return letter === "v" ? verify(text) : inquireOutside(text);
}

/** @param {Outbound} call */
export async function say([url, authorization, form, limit]) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  if (authorization !== null) headers.authorization = authorization;
  if (form !== null) headers["content-type"] = "application/x-www-form-urlencoded";
  const method = form === null ? "GET" : "POST";
  // Cuts the body too when the time is over.
  const signal = AbortSignal.timeout(DEADLINE);
  const response = await ask(url, { method, headers, body: form, cf: UNCACHED, signal });
  let body = "";
  let length = 0;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limit) throw new Error("too large");
    body += decoder.decode(chunk, { stream: true });
  }
  return { status: response.status, body: body + decoder.decode() };
}

/** WebCrypto's words for the algorithms of RFC 7518 and RFC 8037. */
const ALGORITHMS = /** @type {Record<string, { key: any, verify: any }>} */ ({
  RS256: {
    key: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    verify: { name: "RSASSA-PKCS1-v1_5" },
  },
  PS256: {
    key: { name: "RSA-PSS", hash: "SHA-256" },
    verify: { name: "RSA-PSS", saltLength: 32 },
  },
  ES256: {
    key: { name: "ECDSA", namedCurve: "P-256" },
    verify: { name: "ECDSA", hash: "SHA-256" },
  },
  EdDSA: { key: { name: "Ed25519" }, verify: { name: "Ed25519" } },
});

/**
 * A key that cannot be imported has signed nothing.
 * @param {string} text key, public key, algorithm, what was signed, signature, as JSON
 * @returns {Promise<Answer>}
 */
export async function verify(text) {
  const asked = Date.now();
  /** @type {string[]} */
  const [key, jwk, name, input, signature] = JSON.parse(text);
  const algorithm = ALGORITHMS[name];
  let isGood = false;
  try {
    const usable = await crypto.subtle.importKey("jwk", JSON.parse(jwk), algorithm.key, false, [
      "verify",
    ]);
    const signed = new TextEncoder().encode(input);
    isGood = await crypto.subtle.verify(algorithm.verify, usable, decoded(signature), signed);
  } catch (error) {
    report("key_unusable", error);
  }
  return { kind: "found", key, bytes: new TextEncoder().encode(isGood ? "1" : "0"), asked };
}

/** @param {string} base64url */
function decoded(base64url) {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
