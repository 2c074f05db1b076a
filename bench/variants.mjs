/** What is compared, and what each variant does and does not do. */
import { createHmac } from "node:crypto";
import { DATA } from "./session.mjs";

/** @param {string} url */
async function guest(url) {
  const response = await fetch(url);
  return response.headers.getSetCookie()[0].split(";")[0];
}

/** A session with the reference data, stored. @param {string} url */
async function recorded(url) {
  const response = await fetch(`${url}/store`);
  await response.text();
  return response.headers.getSetCookie()[0].split(";")[0];
}

/**
 * @param {string} _url
 * @param {string} kvUrl
 */
async function handWritten(_url, kvUrl) {
  const id = "abcdefghijklmnopqrstuv";
  const session = { user: "alice", expires: Date.now() + 86_400_000, data: DATA };
  await fetch(`${kvUrl}/s:${id}`, { method: "PUT", body: JSON.stringify(session) });
  const mac = createHmac("sha256", "benchmark-secret-benchmark-secret")
    .update(id)
    .digest("base64url");
  return `__Host-sid=${id}.${mac}`;
}

/** @type {import("./variant.mjs").Description[]} */
export const VARIANTS = [
  { name: "bare JS", does: "forwards, nothing else: the floor", peer: "bare.js" },
  {
    name: "hand-written JS",
    does: "cookie, WebCrypto HMAC, KV get, JSON, 3 headers",
    peer: "hand-written.js",
    cookie: handWritten,
  },
  {
    name: "Vestibule, warm",
    does: "all of the contract's headers, data included; record from the isolate's cache",
    cookie: recorded,
  },
  {
    name: "Vestibule, warm, untold",
    does: "the same, but nothing is counted, logged or traced: the difference is what telemetry costs",
    vars: { TELEMETRY_EVERY: "0", LOG_LEVEL: "off" },
    cookie: recorded,
  },
  {
    name: "Vestibule, warm, routing",
    does: "the same before ten weighted servers, with a canary, overload limits and capacities",
    vars: { CANARY: "v2:10", OVERLOAD_LOAD: "90", OVERLOAD_IN_FLIGHT: "1000" },
    servers: 10,
    cookie: recorded,
  },
  {
    name: "Vestibule, cold",
    does: "the same, but every request reads, opens and decodes the record from KV",
    // With KV alone, so that nothing else is asked per request: what is measured is the record.
    vars: { SESSION_CACHE: "0s", CONSISTENCY: "eventual" },
    cookie: recorded,
  },
  { name: "Vestibule, guest", does: "all headers; nothing stored", cookie: guest },
  {
    name: "Vestibule, forged",
    does: "refuses a cookie with a wrong MAC: 401, and 429 once it is a flood",
    vars: { LOGIN_MODE: "required" },
    cookie: async () => `session=${"A".repeat(112)}`,
    status: 401,
  },
];
