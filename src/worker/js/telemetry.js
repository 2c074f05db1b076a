/**
 * Telling of requests: counted at once, told a while after. The first request after a batch opens a window; when
 * it closes everything counted in between is told: to the object that adds up what all isolates tell, to
 * an OpenTelemetry collector, to Analytics Engine. No request waits for any of it.
 */
import { takeBatch, tally } from "./core.js";
import { keepJourney, sendJourneys } from "./exporting.js";
import { takeShown, watched, writeLater, writeWaiting } from "./lines.js";
import { report } from "./log.js";
import { tellNow } from "./meter.js";
import { count, countRequest, isMuch, requestCounts, sawSession, takeTally } from "./tally.js";
import { pause, within } from "./waiting.js";

/** @typedef {import("./journey.js").Journey} Journey */

/** How long a window is open, in milliseconds, unless `TELEMETRY_EVERY` says otherwise. */
const EVERY = 5_000;

/** How long it is open, and how long log lines wait at most, while somebody looks at the console. */
const WATCHED = 1_000;

/** How long a window may be open, in milliseconds: the runtime waits for half a minute and no longer. */
const LONGEST = 20_000;

/** So long a lost window holds up the next one, in milliseconds. */
const OVERDUE = 30_000;

/** So many batches that nobody took are kept; each counts once, however often it is sent. */
const MOST_UNSENT = 12;

/** So many data points one invocation may write. */
const MOST_DATA_POINTS = 250;

/** How long the object may take, in milliseconds. */
const DEADLINE = 5_000;

/** So long an object leaves what it counted to others, in milliseconds: waiting for a window would keep it awake. */
const IN_PASSING = 10_000;

/** When the open window was opened; 0 if none is. */
let openedAt = 0;

/** When a batch was made last. */
let madeAt = 0;

/** Whether somebody looks at the console, as the object said last. */
let isWatched = false;

/** @type {string[]} commands that were not acknowledged, in order */
const unsent = [];

/**
 * Tells of a request that is answered.
 * @param {Journey} journey
 * @param {Response} response
 * @param {string} session tenant and handle, if it is a session that came before
 * @param {Env} env
 * @param {ExecutionContext} context
 * @returns {Response} the answer, to be sent
 */
export function tellRequest(journey, response, session, env, context) {
  const { status } = response;
  const { flags } = journey;
  journey.ended = Date.now();
  journey.status = status;
  const failed = status >= 500;
  if (flags !== "") {
    if (flags.includes("l") || (failed && flags.includes("w"))) logRequest(journey, failed, env);
    if (flags.includes("x") || (failed && flags.includes("e"))) keepJourney(journey, failed);
  }
  if (env.TELEMETRY_EVERY !== "0") {
    const { labels, edgeMs, originMs, answerMs } = journey;
    countRequest(`${labels}\t${status}`, edgeMs, originMs, answerMs);
    if (session !== "") sawSession(session);
    openWindow(env, context);
  }
  return flags.includes("m") ? timed(response, journey) : response;
}

/**
 * Sees to it that what was counted is told.
 * @param {Env} env
 * @param {{ waitUntil: (promise: Promise<unknown>) => void }} context
 */
export function openWindow(env, context) {
  if (env.TELEMETRY_EVERY === "0") return;
  if (isMuch()) takeIn(env);
  const now = Date.now();
  // One that was lost with its request must not be the last.
  if (openedAt > 0 && now - openedAt < OVERDUE) return;
  openedAt = now;
  context.waitUntil(keepOpen(env, now));
}

/**
 * Tells what an object counted, at once, unless this isolate has told something a moment ago or is about to.
 * @param {Env} env
 * @param {{ waitUntil: (promise: Promise<unknown>) => void }} context
 */
export function tellInPassing(env, context) {
  const isSoon = openedAt > 0 || Date.now() - madeAt < IN_PASSING;
  if (!isSoon && env.TELEMETRY_EVERY !== "0") context.waitUntil(sendBatch(env));
}

/**
 * @param {Env} env
 * @param {number} opened
 */
async function keepOpen(env, opened) {
  try {
    const every = Math.min(Number(env.TELEMETRY_EVERY ?? EVERY) || EVERY, LONGEST);
    // Lines do not wait as long as figures.
    for (;;) {
      const left = opened + (isWatched ? Math.min(WATCHED, every) : every) - Date.now();
      if (left <= 0) break;
      await pause(Math.min(left, WATCHED));
      writeWaiting();
    }
  } finally {
    // Whatever comes now opens the next one.
    openedAt = 0;
  }
  await Promise.allSettled([sendBatch(env), sendJourneys(env)]);
}

/**
 * @param {Journey} journey
 * @param {boolean} failed
 * @param {Env} env
 */
function logRequest(journey, failed, env) {
  const { begun, flags, members, status, edgeMs, originMs } = journey;
  const level = failed ? "warn" : "info";
  const origin = originMs < 0 ? "" : `,"origin_ms":${originMs}`;
  const line = `{"at":${begun},"level":"${level}","event":"request",${members},"status":${status},"edge_ms":${edgeMs}${origin}}`;
  writeLater(line, !flags.includes("q"), failed);
  if (env.LOG_LINES === "each" || env.TELEMETRY_EVERY === "0") writeWaiting();
}

/** Hands over to the core what was counted here. @param {Env} env */
function takeIn(env) {
  writeDataPoints(env);
  tally(takeTally());
}

/** @param {Env} env */
async function sendBatch(env) {
  madeAt = Date.now();
  tellNow();
  takeIn(env);
  tally(
    takeShown()
      .map((line) => `l\t${line}`)
      .join("\n"),
  );
  const command = takeBatch();
  if (command === "") return;
  unsent.push(command);
  while (unsent.length > MOST_UNSENT) {
    unsent.shift();
    count("vestibule_telemetry_batches_lost_total");
  }
  // Two windows may send the same at once; it counts once. What is not acknowledged stays, should this one be
  // cut off.
  while (unsent.length > 0) {
    const [first] = unsent;
    try {
      const object = /** @type {any} */ (env.TELEMETRY_OBJECTS).getByName("telemetry");
      const answer = await within(DEADLINE, object.call("telemetry", first));
      isWatched = JSON.parse(new TextDecoder().decode(answer)).watched === true;
      watched(isWatched);
    } catch (error) {
      report("telemetry_not_taken", error);
      return;
    }
    const at = unsent.indexOf(first);
    if (at >= 0) unsent.splice(at, 1);
  }
}

/**
 * Counted requests as data points of Analytics Engine, if that is bound: tenant, method, status, origin and how
 * many.
 * @param {Env} env
 */
function writeDataPoints(env) {
  if (!env.ANALYTICS) return;
  try {
    for (const { labels, count } of requestCounts().slice(0, MOST_DATA_POINTS)) {
      const [tenant, origin, , , , , method, status] = labels;
      const blobs = [tenant, method, status, origin];
      env.ANALYTICS.writeDataPoint({ indexes: [tenant], blobs, doubles: [count] });
    }
  } catch (error) {
    report("analytics_not_written", error);
  }
}

/**
 * @param {Response} response
 * @param {Journey} journey
 */
function timed(response, journey) {
  const { status, statusText, webSocket } = response;
  const headers = new Headers(response.headers);
  headers.append("server-timing", journey.toServerTiming());
  return new Response(response.body, { status, statusText, headers, webSocket });
}
