/** Signatures of our own by WebCrypto: ES256, with keys the core derives (`gateway/assertion.rs`). */

/** @typedef {import("./core.js").Answer} Answer */

/** PKCS #8 (RFC 5958) around a P-256 private key, up to the key itself. */
const PKCS8 = "MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCA";

const P256 = { name: "ECDSA", namedCurve: "P-256" };

/**
 * @param {string} text key, private key, what is to be signed, as JSON
 * @returns {Promise<Answer>}
 */
export async function sign(text) {
  const asked = Date.now();
  const [key, secret, input] = JSON.parse(text);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(
    algorithm,
    await imported(secret),
    new TextEncoder().encode(input),
  );
  const bytes = new TextEncoder().encode(`${input}.${encoded(new Uint8Array(signature))}`);
  return { kind: "found", key, bytes, asked };
}

/**
 * The public half of a key, as JSON (RFC 7517).
 * @param {string} text key, private key, as JSON
 * @returns {Promise<Answer>}
 */
export async function publicKey(text) {
  const asked = Date.now();
  const [key, secret] = JSON.parse(text);
  const whole = await crypto.subtle.exportKey("jwk", await imported(secret));
  const { kty, crv, x, y } = /** @type {JsonWebKey} */ (whole);
  const bytes = new TextEncoder().encode(JSON.stringify({ kty, crv, x, y }));
  return { kind: "found", key, bytes, asked };
}

/** @param {string} secret base64url */
function imported(secret) {
  const pkcs8 = Uint8Array.from([...decoded(PKCS8), ...decoded(secret)]);
  return crypto.subtle.importKey("pkcs8", pkcs8, P256, true, ["sign"]);
}

/** @param {string} base64url */
export function decoded(base64url) {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
function encoded(bytes) {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
