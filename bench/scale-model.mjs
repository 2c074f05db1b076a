/**
 * Computes which of Cloudflare's limits a very large deployment reaches first: `node bench/scale-model.mjs`
 * prints the tables of docs/operate/scale.md, which explains each formula and its source.
 */

import { isStarted } from "../scripts/started.mjs";
import { changesIn, keptIn, PROFILES, requestsOf } from "./profiles.mjs";
import { recorded } from "./recorded.mjs";
import { aligned, markdown } from "./report.mjs";

/** The modelled deployment. Except the first three, values are those of the code or default settings. */
export const DEPLOYMENT = {
  /** Number of sessions stored at the same time. */
  sessions: 100e6,
  /** Number of Cloudflare's locations that serve them. */
  locations: 300,
  /** Active isolates per location; Cloudflare publishes no number. */
  isolatesPerLocation: 4,
  /** Time for which a session is stored, in seconds. */
  storedS: 7 * 86_400,
  /** Load of the busiest hour, relative to the mean. */
  peak: 3,
  /** Share of sessions that end with a sign-out. */
  signedOut: 0.1,
  /** One visit, as in a busy chat product. */
  requests: 60,
  changes: 7,
  visitS: 600,
  /** `SESSION_CACHE`, `TELEMETRY_EVERY` without and with an open console, the pool object's interval; in seconds. */
  cacheS: 5,
  telemetryS: 5,
  windowS: 1,
  poolS: 2,
  /** Time for which the end of a session is in the feed, in seconds. */
  announcedS: 600,
  /** Bytes of a sealed reference session, its entry in an isolate, its directory row, an object's database. */
  recordBytes: 1_040,
  entryBytes: 4_000,
  listedBytes: 190,
  objectBytes: 12_000,
  /** Number of a tenant's metric series. */
  seriesPerTenant: 200,
};

/** @typedef {typeof DEPLOYMENT} Deployment */

/** Computes all rates of the busiest hour. @param {Deployment} deployment */
export function load(deployment) {
  const { sessions, storedS, peak, requests, changes, visitS } = deployment;
  const isolates = deployment.locations * deployment.isolatesPerLocation;
  const newSessions = (sessions / storedS) * peak;
  const ends = newSessions * deployment.signedOut;
  const atOnce = newSessions * visitS;
  return {
    isolates,
    newSessions,
    ends,
    requests: newSessions * requests,
    changes: newSessions * changes,
    atOnce,
    batches: isolates / deployment.telemetryS,
    consoleBatches: isolates / deployment.windowS,
    feeds: (isolates * 2) / deployment.cacheS,
    shares: isolates / deployment.poolS,
  };
}

/**
 * @typedef {object} Limit
 * @property {string} what
 * @property {number} used in the busiest hour
 * @property {number} limit infinite if Cloudflare has none
 * @property {string} unit
 */

const GB = 1e9;
const MIB = 1024 * 1024;

/** An object's soft limit. https://developers.cloudflare.com/durable-objects/reference/faq/ */
const OBJECT_REQUESTS = 1_000;

/** https://developers.cloudflare.com/durable-objects/platform/limits/ */
const OBJECT_GB = 10;

/** https://developers.cloudflare.com/kv/platform/limits/ */
const WRITES_PER_KEY = 1;

/**
 * Returns every limit that usage grows towards, for one tenant with all sessions.
 * @param {Deployment} deployment
 * @returns {Limit[]}
 */
export function limits(deployment) {
  const now = load(deployment);
  const { sessions, recordBytes, objectBytes, listedBytes, entryBytes } = deployment;
  const perObject = { limit: OBJECT_REQUESTS, unit: "requests/s" };
  const none = Number.POSITIVE_INFINITY;
  return [
    {
      what: "telemetry object, session objects telling too",
      used: now.batches + now.changes,
      ...perObject,
    },
    {
      what: "tenant's object, its list",
      used: (sessions * listedBytes) / GB,
      limit: OBJECT_GB,
      unit: "GB",
    },
    { what: "telemetry object, console open", used: now.consoleBatches, ...perObject },
    { what: "tenant's object", used: now.feeds + now.newSessions + now.ends, ...perObject },
    { what: "pool object", used: now.shares, ...perObject },
    {
      what: "an isolate's revocations of single sessions",
      used: now.ends * deployment.announcedS,
      limit: 50_000,
      unit: "entries",
    },
    { what: "telemetry object, isolates alone", used: now.batches, ...perObject },
    {
      what: "an isolate's cache of records",
      used: ((now.atOnce / now.isolates) * entryBytes) / MIB,
      limit: 12,
      unit: "MiB",
    },
    {
      what: "KV writes of one key",
      used: deployment.changes / deployment.visitS,
      limit: WRITES_PER_KEY,
      unit: "writes/s",
    },
    {
      what: "a session's object",
      used: (2 * deployment.changes) / deployment.visitS,
      ...perObject,
    },
    { what: "KV writes of the namespace", used: now.changes, limit: none, unit: "writes/s" },
    { what: "KV storage", used: (sessions * recordBytes) / GB, limit: none, unit: "GB" },
    { what: "objects' storage", used: (sessions * objectBytes) / GB, limit: none, unit: "GB" },
  ];
}

/** Limits with a usage that does not grow with the number of sessions. */
const PER_SESSION = new Set(["KV writes of one key", "a session's object"]);

const LIMITS_HEAD = ["", "used", "limit", "unit", "part", "full at"];

/** @param {Deployment} deployment */
function limitsBody(deployment) {
  const sorted = limits(deployment).sort((a, b) => b.used / b.limit - a.used / a.limit);
  return sorted.map(({ what, used, limit, unit }) => {
    const isLimited = Number.isFinite(limit);
    const grows = isLimited && !PER_SESSION.has(what);
    return [
      what,
      figure(used),
      isLimited ? figure(limit) : "none named",
      unit,
      isLimited ? `${figure((used / limit) * 100)} %` : "",
      grows ? `${figure((deployment.sessions * limit) / used / 1e6)} M` : "never",
    ];
  });
}

/** Rounds to three significant digits. @param {number} value */
function figure(value) {
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 3 });
}

/**
 * Compares the model's figures for a busy chat product with one isolate with the counted ones.
 * @param {import("./recorded.mjs").Recorded} recorded
 */
export function checks({ operations }) {
  const profile = PROFILES[1];
  const { kv, objects } = operations[profile.name].Vestibule;
  const { telemetryS, cacheS, poolS } = DEPLOYMENT;
  const [{ requests, every }] = profile.visitors;
  const seconds = profile.over + (requests - 1) * every;
  const changes = changesIn(profile);
  return [
    {
      what: "batches to the telemetry object",
      model: seconds / telemetryS,
      counted: objects.TelemetryObject.requests,
    },
    {
      what: "requests to the tenant's object",
      model: (seconds * 2) / cacheS + keptIn(profile),
      counted: objects.DirectoryObject.requests,
    },
    {
      what: "requests to the pool object",
      model: seconds / poolS,
      counted: objects.PoolObject.requests,
    },
    {
      what: "requests to sessions' objects",
      model: 2 * changes,
      counted: objects.SessionObject.requests,
    },
    { what: "KV writes", model: changes, counted: kv.writes },
    { what: "KV reads, at most", model: requestsOf(profile), counted: kv.reads },
  ];
}

const CHECKS_HEAD = ["", "model", "counted", "counted / model"];

/** @param {import("./recorded.mjs").Recorded} recorded */
function checksBody(recorded) {
  return checks(recorded).map(({ what, model, counted }) => [
    what,
    figure(model),
    figure(counted),
    (counted / model).toFixed(2),
  ]);
}

/** Returns the tables of docs/operate/scale.md. @param {import("./recorded.mjs").Recorded} recorded */
export function scaleTables(recorded) {
  return {
    limits: markdown(LIMITS_HEAD, limitsBody(DEPLOYMENT)),
    checks: markdown(CHECKS_HEAD, checksBody(recorded)),
    load: markdown(["in the busiest hour", ""], loadBody(DEPLOYMENT)),
  };
}

/** @param {Deployment} deployment */
function loadBody(deployment) {
  const { isolates, newSessions, requests, changes, ends, atOnce } = load(deployment);
  return [
    ["isolates in use", figure(isolates)],
    ["sessions that begin, a second", figure(newSessions)],
    ["requests, a second", figure(requests)],
    ["changes, a second", figure(changes)],
    ["sign-outs, a second", figure(ends)],
    ["visits at the same time", figure(atOnce)],
  ];
}

if (isStarted(import.meta.filename)) {
  console.log(`\n${aligned(["in the busiest hour", ""], loadBody(DEPLOYMENT))}`);
  console.log(`\n${aligned(LIMITS_HEAD, limitsBody(DEPLOYMENT))}`);
  console.log(`\n${aligned(CHECKS_HEAD, checksBody(recorded()))}`);
}
