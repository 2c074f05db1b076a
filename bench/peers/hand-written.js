/**
 * A careful hand-written Worker: cookie, WebCrypto HMAC, the session from KV, three headers,
 * forward. The key is imported once. A visitor without a cookie gets one, and storage is written only
 * once there is data. The response waits for the write, so that it promises nothing that could still
 * fail; with WRITES=after it does not wait.
 */
import { changed, LIFETIME, onward, SECRET, USER, withCookies } from "./onward.js";

const ATTRIBUTES = `Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${LIFETIME}`;
const HMAC = { name: "HMAC", hash: "SHA-256" };
const encoder = new TextEncoder();
/** @type {CryptoKey | undefined} */
let key;

/** @typedef {{ SESSIONS: KVNamespace, WRITES?: string }} Env */

export default {
  /**
   * @param {Request} request
   * @param {Env} env
   * @param {ExecutionContext} context
   */
  async fetch(request, env, context) {
    key ??= await crypto.subtle.importKey("raw", encoder.encode(SECRET), HMAC, false, [
      "sign",
      "verify",
    ]);
    const cookies = request.headers.get("cookie") ?? "";
    const cookie = /(?:^|; )__Host-sid=([^;]+)/.exec(cookies)?.[1];
    if (!cookie) return welcome(request, env, key);
    const [id, mac] = cookie.split(".");
    if (!(await crypto.subtle.verify("HMAC", key, bytes(mac), encoder.encode(id)))) {
      return new Response("forged", { status: 401 });
    }
    /** @type {any} */
    const session = (await env.SESSIONS.get(`s:${id}`, "json")) ?? fresh();
    if (session.expires < Date.now()) return new Response("gone", { status: 401 });
    const response = await fetch(onward(request, { id, ...session }));
    const kept = keep(response, id, session, env);
    if (env.WRITES === "after") context.waitUntil(kept);
    else await kept;
    return response;
  },
};

/**
 * @param {Request} request
 * @param {Env} env
 * @param {CryptoKey} key
 */
async function welcome(request, env, key) {
  const id = text(crypto.getRandomValues(new Uint8Array(16)));
  const mac = text(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(id))));
  const session = fresh();
  const response = await fetch(onward(request, { id, ...session }));
  await keep(response, id, session, env);
  return withCookies(response, [`__Host-sid=${id}.${mac}; ${ATTRIBUTES}`]);
}

function fresh() {
  return { user: USER, expires: Date.now() + LIFETIME * 1000, data: {} };
}

/**
 * @param {Response} response
 * @param {string} id
 * @param {{ user: string, expires: number, data: object }} session
 * @param {Env} env
 */
async function keep(response, id, session, env) {
  const data = changed(response, session.data);
  if (!data) return;
  const record = JSON.stringify({ ...session, data });
  await env.SESSIONS.put(`s:${id}`, record, { expirationTtl: LIFETIME });
}

/** @param {string} base64url */
function bytes(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
function text(bytes) {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
