/**
 * Records requests. Each is counted at once; the first one after a batch opens a window. When the window closes, the
 * control plane reports the counts (`worker/exporter.rs`).
 */
import { waitUntil } from "cloudflare:workers";
import { keepTrace, reportWindow, serviceName, takeIn, WINDOW_LOST_AFTER } from "../instance.js";
import { countRequest, takeCounted } from "./counters.js";
import { inFlight } from "./in_flight.js";
import { buffer, timestampOf, writeLater, writeLines } from "./log_buffer.js";

/** Time at which the open window counts as lost, in milliseconds since 1970; 0 if none is open. */
let openUntil = 0;

const record = {
  takeCounted() {
    openUntil = 0;
    return takeCounted();
  },
  takeLines: () => buffer.shown.splice(0),
  setWatched: (/** @type {boolean} */ isWatched) => Object.assign(buffer, { isWatched }),
  inFlight,
  writeLines,
  failedTraces: [],
  goodTraces: [],
  batches: new Map(),
};

/** Returns what the control plane reads and sets, also after the death of its instance: see `worker/runtime.rs`. */
export function recorder() {
  return record;
}

/** Records a request, and returns its response as sent. @type {import("../types.js").RecordRequest} */
export function recordRequest(trace, response, session, env) {
  const { begun, flags, labels, members } = trace;
  const { status } = response;
  const failed = status >= 500;
  trace.ended = Date.now();
  trace.status = status;
  const durations = trace.durations();
  if (flags.includes("l") || (failed && flags.includes("w"))) {
    const { edgeMs, originMs } = durations;
    const message = `${labels.slice(labels.lastIndexOf("\t") + 1)} ${status} in ${edgeMs + Math.max(originMs, 0)} ms`;
    const origin = originMs < 0 ? "" : `,"origin_ms":${originMs}`;
    const line = `{"timestamp":"${timestampOf(begun)}","service":"${serviceName}","level":"${failed ? "warn" : "info"}","message":"${message}","at":${begun},"event":"request",${members},"status":${status},"edge_ms":${edgeMs}${origin}}`;
    writeLater(line, !flags.includes("q"), failed);
    if (env.LOG_LINES === "each" || env.TELEMETRY_EVERY === "0") writeLines();
  }
  if (flags.includes("x") || (failed && flags.includes("e"))) keepTrace(trace);
  if (env.TELEMETRY_EVERY !== "0") {
    if (countRequest(`${labels}\t${status}`, durations, session)) takeIn(takeCounted(), env);
    openWindow(env);
  }
  if (!flags.includes("m")) return response;
  const timed = new Response(response.body, response);
  timed.headers.append("server-timing", trace.toServerTiming(durations));
  return timed;
}

/** Makes sure that the counts are reported. @param {Env} env */
export function openWindow(env) {
  const now = Date.now();
  // A window lost with its request must not prevent the next one.
  if (env.TELEMETRY_EVERY === "0" || now < openUntil) return;
  const until = now + WINDOW_LOST_AFTER;
  openUntil = until;
  const reported = reportWindow(env).then(() => {
    // The instance died before it closed the window.
    if (openUntil === until) openUntil = 0;
  });
  waitUntil(reported);
}
