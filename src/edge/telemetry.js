/**
 * Telling of requests: counted at once, told a while after. The first request after a batch opens a window; when
 * it closes everything counted in between is told: to the object that adds up what all isolates tell, to
 * an OpenTelemetry collector, to Analytics Engine. No request waits for any of it.
 */
import { exportTraces, takeBatch, tally } from "./core.js";
import { takeShown, watched, writeLater, writeWaiting } from "./lines.js";
import { report } from "./log.js";
import { tellNow } from "./meter.js";
import { count, countRequest, isMuch, sawSession, takeTally } from "./tally.js";
import { pause, within } from "./waiting.js";

/** @typedef {import("./journey.js").Journey} Journey */

/** How long a window is open, in milliseconds, unless `TELEMETRY_EVERY` says otherwise; with 0 nothing is told. */
const EVERY = 5_000;

/** How long it is open, and how long log lines wait at most, while somebody looks at the console. */
const WATCHED = 1_000;

/** So long a lost window holds up the next one, in milliseconds. */
const OVERDUE = 30_000;

/** So many batches that nobody took are kept; each counts once, however often it is sent. */
const MOST_UNSENT = 12;

/** So many requests of one window are exported. */
const MOST_JOURNEYS = 200;

/** How long the object and the collector may take, in milliseconds. */
const DEADLINE = 5_000;

/** When the open window was opened; 0 if none is. */
let openedAt = 0;

/** Whether somebody looks at the console, as the object said last. */
let isWatched = false;

/** @type {string[]} commands that were not acknowledged */
const unsent = [];

/** @type {Journey[]} those whose traces are to be exported */
const journeys = [];

/**
 * Tells of a request that is answered.
 * @param {Journey} journey
 * @param {Response} response
 * @param {string} session tenant and handle, if a session was forwarded
 * @param {Env} env
 * @param {ExecutionContext} context
 * @returns {Response} the answer, to be sent
 */
export function tellRequest(journey, response, session, env, context) {
  if (env.TELEMETRY_EVERY === "0") return response;
  const { status } = response;
  const { flags } = journey;
  journey.ended = Date.now();
  journey.status = status;
  countRequest(`${journey.labels}\t${status}`, journey.edgeMs, journey.originMs);
  if (session !== "") sawSession(session);
  const failed = status >= 500;
  if (flags !== "") {
    if (flags.includes("l") || (failed && flags.includes("w"))) logRequest(journey, failed, env);
    if (flags.includes("x") || (failed && flags.includes("e"))) keepJourney(journey);
  }
  openWindow(env, context);
  return flags.includes("m") ? timed(response, journey) : response;
}

/**
 * Sees to it that what was counted is told.
 * @param {Env} env
 * @param {{ waitUntil: (promise: Promise<unknown>) => void }} context
 */
export function openWindow(env, context) {
  if (isMuch()) tally(takeTally());
  const now = Date.now();
  // One that was lost with its request must not be the last.
  if (openedAt > 0 && now - openedAt < OVERDUE) return;
  openedAt = now;
  context.waitUntil(keepOpen(env, now));
}

/**
 * @param {Env} env
 * @param {number} opened
 */
async function keepOpen(env, opened) {
  try {
    const every = Number(env.TELEMETRY_EVERY ?? EVERY) || EVERY;
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
  await Promise.all([sendBatch(env), exportJourneys(env)]);
}

/**
 * @param {Journey} journey
 * @param {boolean} failed
 * @param {Env} env
 */
function logRequest(journey, failed, env) {
  const { begun, labels, members, status, edgeMs, originMs } = journey;
  const level = failed ? "warn" : "info";
  const origin = originMs < 0 ? "" : `,"origin_ms":${originMs}`;
  const line = `{"at":${begun},"level":"${level}","event":"request",${members},"status":${status},"edge_ms":${edgeMs}${origin}}`;
  writeLater(line, !isOperators(labels), failed);
  if (env.LOG_LINES === "each") writeWaiting();
}

/**
 * Whether a request was an operator's, or of who asks whether we live, and went well: it is of no tenant and has
 * no reason.
 * @param {string} labels tenant, origin, release, lookup, state, reason, method
 */
function isOperators(labels) {
  const [tenant, , , , , reason] = labels.split("\t");
  return tenant === "" && reason === "";
}

/** @param {Journey} journey */
function keepJourney(journey) {
  if (journeys.length < MOST_JOURNEYS) journeys.push(journey);
  else count("vestibule_telemetry_spans_total", "dropped");
}

/** @param {Env} env */
async function sendBatch(env) {
  tellNow();
  const told = takeShown().map((line) => `l\t${line}`);
  tally([takeTally(), ...told].join("\n"));
  const command = takeBatch();
  writeDataPoints(env, command);
  if (command === "") return;
  unsent.push(command);
  while (unsent.length > MOST_UNSENT) {
    unsent.shift();
    count("vestibule_telemetry_batches_lost_total");
  }
  // Another window may close meanwhile: each takes what it finds, in order.
  for (const waiting of unsent.splice(0)) {
    try {
      const object = /** @type {any} */ (env.TELEMETRY_OBJECTS).getByName("telemetry");
      const answer = await within(DEADLINE, object.call("telemetry", waiting));
      isWatched = JSON.parse(new TextDecoder().decode(answer)).watched === true;
      watched(isWatched);
    } catch (error) {
      report("telemetry_not_taken", error);
      unsent.push(waiting);
    }
  }
}

/**
 * Counted requests as data points of Analytics Engine, if that is bound: tenant, method and status, and how many.
 * @param {Env} env
 * @param {string} command
 */
function writeDataPoints(env, command) {
  if (!env.ANALYTICS || command === "") return;
  const [counters] = JSON.parse(command).series;
  for (const [name, labels, number] of counters) {
    if (name !== "http_requests_total") continue;
    const [tenant, method, status] = labels.split("\t");
    env.ANALYTICS.writeDataPoint({
      indexes: [tenant],
      blobs: [tenant, method, status],
      doubles: [number],
    });
  }
}

/** @param {Env} env */
async function exportJourneys(env) {
  if (journeys.length === 0 || !env.OTLP_ENDPOINT) return;
  const { body, spans } = exportTraces(
    journeys
      .splice(0)
      .map((journey) => journey.toText())
      .join("\n"),
  );
  const headers = { "content-type": "application/json", ...readHeaders(env.OTLP_HEADERS) };
  const url = `${env.OTLP_ENDPOINT.replace(/\/+$/, "")}/v1/traces`;
  let result = "lost";
  try {
    const response = await within(DEADLINE, fetch(url, { method: "POST", headers, body }));
    await response.body?.cancel();
    if (response.ok) result = "sent";
    else report("traces_not_taken", new Error(String(response.status)));
  } catch (error) {
    report("traces_not_taken", error);
  }
  count("vestibule_telemetry_spans_total", result, spans);
}

/**
 * `name=value`, apart by commas, as OTEL_EXPORTER_OTLP_HEADERS has it.
 * @param {string | undefined} text
 */
function readHeaders(text) {
  const pairs = (text ?? "").split(",").filter((pair) => pair.includes("="));
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())];
    }),
  );
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
