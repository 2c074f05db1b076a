/**
 * What a careful user would write by hand: cookie, WebCrypto HMAC, the session from KV, three
 * headers, forward. The key is imported once.
 */
const SECRET = "benchmark-secret-benchmark-secret";
const encoder = new TextEncoder();
/** @type {CryptoKey | undefined} */
let key;

export default {
  /**
   * @param {Request} request
   * @param {{ SESSIONS: KVNamespace }} env
   */
  async fetch(request, env) {
    const cookies = request.headers.get("cookie") ?? "";
    const cookie = /(?:^|; )__Host-sid=([^;]+)/.exec(cookies)?.[1];
    if (!cookie) return new Response("no session", { status: 401 });
    const [id, mac] = cookie.split(".");
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    key ??= await crypto.subtle.importKey("raw", encoder.encode(SECRET), algorithm, false, [
      "verify",
    ]);
    if (!(await crypto.subtle.verify("HMAC", key, bytes(mac), encoder.encode(id)))) {
      return new Response("forged", { status: 401 });
    }
    /** @type {any} */
    const session = await env.SESSIONS.get(`s:${id}`, "json");
    if (!session || session.expires < Date.now()) return new Response("gone", { status: 401 });
    const url = new URL(request.url);
    url.host = "ORIGIN_HOST";
    const onward = new Request(url, request);
    onward.headers.set("x-session-id", id);
    onward.headers.set("x-session-user", session.user);
    onward.headers.set("x-session-data", JSON.stringify(session.data));
    return fetch(onward);
  },
};

/** @param {string} base64url */
function bytes(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
