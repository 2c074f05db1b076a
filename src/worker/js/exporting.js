/** Traces, exported to an OpenTelemetry collector. */
import { ask } from "./asking.js";
import { exportTraces } from "./core.js";
import { report } from "./log.js";
import { count } from "./tally.js";

/** @typedef {import("./journey.js").Journey} Journey */

/** So many requests of one window are exported, and as many again that failed: whoever asks for traces crowds none of these out. */
const MOST_JOURNEYS = 200;

/** How long the collector may take, in milliseconds. */
const DEADLINE = 5_000;

/** @type {{ good: Journey[], failed: Journey[] }} those whose traces are to be exported */
const journeys = { good: [], failed: [] };

/**
 * Takes a request along for the next export.
 * @param {Journey} journey
 * @param {boolean} failed
 */
export function keepJourney(journey, failed) {
  const kept = failed ? journeys.failed : journeys.good;
  if (kept.length < MOST_JOURNEYS) kept.push(journey);
  else count("vestibule_telemetry_spans_total", "dropped");
}

/** @param {Env} env */
export async function sendJourneys(env) {
  const all = [...journeys.failed.splice(0), ...journeys.good.splice(0)];
  if (all.length === 0 || !env.OTLP_ENDPOINT) return;
  const { body, spans } = exportTraces(all.map((journey) => journey.toText()).join("\n"));
  const url = `${env.OTLP_ENDPOINT.replace(/\/+$/, "")}/v1/traces`;
  let result = "lost";
  try {
    const headers = { "content-type": "application/json", ...readHeaders(env.OTLP_HEADERS) };
    const signal = AbortSignal.timeout(DEADLINE);
    const response = await ask(url, { method: "POST", headers, body, signal });
    await response.body?.cancel();
    if (response.ok) result = "sent";
    else report("traces_not_taken", new Error(String(response.status)));
  } catch (error) {
    report("traces_not_taken", error);
  }
  count("vestibule_telemetry_spans_total", result, spans);
}

/**
 * `name=value`, apart by commas, as OTEL_EXPORTER_OTLP_HEADERS has it. A value that is not properly escaped is
 * taken as it is.
 * @param {string | undefined} text
 */
function readHeaders(text) {
  const pairs = (text ?? "").split(",").filter((pair) => pair.includes("="));
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      const value = pair.slice(at + 1).trim();
      return [pair.slice(0, at).trim(), unescaped(value)];
    }),
  );
}

/** @param {string} text */
function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
