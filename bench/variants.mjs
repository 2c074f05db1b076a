/** Defines the compared variants, with descriptions of what each does and does not do. */

/** @param {string} url */
async function guest(url) {
  const response = await fetch(url);
  return cookiesOf(response);
}

/** Creates a session with the reference data, stored in the variant's own way. @param {string} url */
async function recorded(url) {
  const response = await fetch(`${url}/store`);
  await response.text();
  return cookiesOf(response);
}

/** @param {Response} response */
export function cookiesOf(response) {
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0])
    .join("; ");
}

/** @type {import("./variant.mjs").Description} */
export const HAND_WRITTEN = {
  name: "hand-written JS",
  does: "WebCrypto HMAC over the cookie, one KV read a request, JSON; nothing limits idle time, nothing is revoked",
  peer: "hand-written.js",
  cookie: recorded,
};

/**
 * The peers: other session layers. All of them send as many headers to the server as ours.
 * @type {import("./variant.mjs").Description[]}
 */
const PEERS = [
  HAND_WRITTEN,
  {
    name: "React Router, KV",
    does: "createWorkersKVSessionStorage: HMAC over the cookie, one KV read a request, JSON; no idle limit, no revocation",
    peer: "react-router.js",
    cookie: recorded,
  },
  {
    name: "@hono/session, KV",
    does: "decrypts a token in the cookie (JWE) that names the session, one KV read a request and another with a change; no revocation",
    peer: "hono-session.js",
    cookie: recorded,
  },
  {
    name: "hono-sessions, KV",
    does: "decrypts and encrypts the cookie, one KV read and one KV write a request: each use is noted",
    peer: "hono-sessions.js",
    cookie: recorded,
  },
  {
    name: "iron-session",
    does: "the whole session in the cookie, encrypted and signed, and sent with every request; no storage, no revocation",
    peer: "iron-session.js",
    cookie: recorded,
  },
];

/** @type {import("./variant.mjs").Description} */
export const BARE = {
  name: "bare JS",
  does: "forwards, nothing else: the floor",
  peer: "bare.js",
};

/**
 * The floor for a gateway that sends identity: every such Worker must serialise headers, whatever its session store.
 * @type {import("./variant.mjs").Description}
 */
export const TOLD = {
  name: "bare JS, our headers",
  does: "forwards with as many headers and bytes as ours, fixed in its source, and nothing else: the floor for a gateway that sends identity",
  peer: "our-headers.js",
  cookie: async () => `vestibule-session=${"A".repeat(112)}`,
};

/** @type {import("./variant.mjs").Description} */
export const EACH = {
  name: "Vestibule, warm, each",
  does: "all of Vestibule's headers, data and assertion included; record from the isolate's cache; every request is decided by itself",
  vars: { ASSERTION: "true", DECISIONS: "each" },
  cookie: recorded,
};

/** @type {import("./variant.mjs").Description} */
export const QUIET = {
  name: "Vestibule, warm, no telemetry",
  does: "the same, but nothing is counted, logged or traced: the difference is what telemetry costs",
  vars: { ...EACH.vars, TELEMETRY_EVERY: "0", LOG_LEVEL: "off" },
  cookie: recorded,
};

/** @type {import("./variant.mjs").Description} */
export const COLD = {
  name: "Vestibule, cold",
  does: "all headers but the assertion; every request reads, opens and decodes the record from KV",
  // With KV alone, so that a request makes no other call: this measures the record.
  vars: { SESSION_CACHE: "0s", CONSISTENCY: "eventual" },
  cookie: recorded,
};

/** @type {import("./variant.mjs").Description} */
export const FORGED = {
  name: "Vestibule, forged, each",
  does: "refuses a cookie with a wrong MAC: 401, and 429 once it is a flood; each refusal is decided by itself",
  vars: { LOGIN_MODE: "required", DECISIONS: "each" },
  cookie: async () => `vestibule-session=${"A".repeat(112)}`,
  status: 401,
};

/**
 * Variants that follow open connections to close them: hand-written, and ours.
 * @type {import("./variant.mjs").Description}
 */
export const PUMP = {
  name: "JS pump",
  does: "hand-written JS that passes on every message of a WebSocket, and looks into KV every 5 s whether its session is gone",
  peer: "pump.js",
  cookie: recorded,
};

/** @type {import("./variant.mjs").Description} */
export const REVOCABLE = {
  name: "Vestibule, revocable",
  does: "STREAMS=revocable: WebSockets and event streams are closed soon after their session is over",
  vars: { STREAMS: "revocable" },
  cookie: recorded,
};

/**
 * Every variant. Those that reuse decisions are the best case of one that decides each request.
 * @type {(import("./variant.mjs").Description & { reuses?: boolean })[]}
 */
export const VARIANTS = [
  BARE,
  TOLD,
  ...PEERS,
  EACH,
  {
    name: "Vestibule, warm, repeated",
    does: "the best case: the same, but equal requests within a second reuse one decision",
    vars: { ASSERTION: "true" },
    cookie: recorded,
    reuses: true,
  },
  QUIET,
  {
    name: "Vestibule, warm, routing",
    does: "each before ten weighted servers, with a canary, overload limits and capacities",
    vars: { ...EACH.vars, CANARY: "v2:10", OVERLOAD_LOAD: "90", OVERLOAD_IN_FLIGHT: "1000" },
    servers: 10,
    cookie: recorded,
  },
  COLD,
  {
    name: "Vestibule, guest",
    does: "all headers; nothing stored; every request is decided by itself",
    vars: { DECISIONS: "each" },
    cookie: guest,
  },
  FORGED,
  {
    ...FORGED,
    name: "Vestibule, forged, repeated",
    does: "the best case: a flood of one cookie, whose refusal is reused within a second",
    vars: { LOGIN_MODE: "required" },
    reuses: true,
  },
];

/** The limits of a deployment as in wrangler.toml. */
const DEPLOYED = { SESSION_IDLE: "8h", SESSION_ABSOLUTE: "7d" };

/**
 * Variants with counted storage operations, and the variant whose processor time a request of each is billed for: of
 * ours the one that decides every request.
 * @type {(import("./variant.mjs").Description & { costs: string })[]}
 */
export const KEEPERS = [
  ...PEERS.map((peer) => ({ ...peer, costs: peer.name })),
  {
    name: "Vestibule",
    does: "CONSISTENCY=strong, as it is deployed",
    vars: DEPLOYED,
    costs: EACH.name,
  },
  {
    name: "Vestibule, KV alone",
    does: "CONSISTENCY=eventual: no objects but the one that adds up telemetry",
    vars: { ...DEPLOYED, CONSISTENCY: "eventual" },
    costs: EACH.name,
  },
];
