/**
 * Receives traces by OTLP/HTTP with JSON. It keeps every request, validates it with the official
 * definitions, and can fail on demand.
 *
 * Stricter than a collector may be: unknown fields, which receivers must ignore, are faults here.
 * <https://opentelemetry.io/docs/specs/otlp/>
 */
import { createServer } from "node:http";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { listen } from "./ports.mjs";
import { definitions } from "./proto.mjs";

const { messages, enums } = definitions(path.resolve(import.meta.dirname, "../otlp"));
const REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest";
const SPAN = "opentelemetry.proto.trace.v1.Span";
const LINK = `${SPAN}.Link`;
const KEY_VALUE = "opentelemetry.proto.common.v1.KeyValue";

/** OTLP writes these bytes in hex, unlike all others. */
const IDS = /** @type {Record<string, number>} */ ({ traceId: 32, spanId: 16, parentSpanId: 16 });

/** Minimum and maximum of each integer type. */
const RANGES = /** @type {Record<string, [bigint, bigint]>} */ ({
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
});

/**
 * @typedef {object} Span
 * @property {string} traceId
 * @property {string} spanId
 * @property {string} parentSpanId empty for a root
 * @property {string} name
 * @property {"INTERNAL" | "SERVER" | "CLIENT" | "PRODUCER" | "CONSUMER"} kind
 * @property {bigint} start nanoseconds since 1970
 * @property {bigint} end
 * @property {Record<string, unknown>} attributes
 * @property {"unset" | "ok" | "error"} status
 * @property {Record<string, unknown>} resource its attributes
 */
/** @typedef {"fine" | "hang" | "reset" | number} Mood a number is the status of its responses */

export class OtlpReceiver {
  /** @type {Span[]} spans of valid bodies, in order of arrival */
  spans = [];
  /** @type {{ headers: import("node:http").IncomingHttpHeaders, body: string }[]} all requests, valid or not */
  received = [];
  /** @type {string[]} faults of the received bodies */
  faults = [];
  /** @type {Mood} */
  mood = "fine";
  /** @type {number | undefined} seconds, sent with a mood's status */
  retryAfter;
  port = 0;
  #server = createServer((request, response) => void this.#serve(request, response));

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static async start(t) {
    const receiver = new OtlpReceiver();
    receiver.port = await listen(receiver.#server);
    t.after(() => receiver.stop());
    return receiver;
  }

  /** Returns the value for `OTLP_ENDPOINT`. */
  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** @param {string} traceId */
  trace(traceId) {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async stop() {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async comeBack() {
    await listen(this.#server, this.port);
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const zipped = request.headers["content-encoding"] === "gzip";
    const body = (zipped ? gunzipSync(bytes) : bytes).toString();
    this.received.push({ headers: request.headers, body });
    if (this.mood === "hang") return;
    if (this.mood === "reset") return void request.socket.resetAndDestroy();
    if (typeof this.mood === "number") {
      if (this.retryAfter !== undefined) response.setHeader("retry-after", this.retryAfter);
      return void response.writeHead(this.mood).end();
    }
    const refused = refusal(request);
    const faults = refused ? [refused.message] : faultsOf(body);
    this.faults.push(...faults);
    if (faults.length === 0) this.spans.push(...spansOf(JSON.parse(body)));
    const answer = faults.length === 0 ? {} : { code: 3, message: faults.join("; ") };
    response.writeHead(refused?.status ?? (faults.length === 0 ? 200 : 400), {
      "content-type": "application/json",
    });
    response.end(JSON.stringify(answer));
  }
}

/**
 * Returns why a request is refused regardless of its body.
 * @param {import("node:http").IncomingMessage} request
 */
function refusal({ method, url, headers }) {
  if (url !== "/v1/traces") return { status: 404, message: `${url} is not /v1/traces` };
  if (method !== "POST") return { status: 405, message: `${method} is not POST` };
  const type = headers["content-type"]?.split(";")[0].trim();
  if (type !== "application/json") return { status: 415, message: `${type} is no JSON` };
}

/**
 * Returns the faults of a body; none if it is valid.
 * @param {string} body
 * @returns {string[]}
 */
export function faultsOf(body) {
  try {
    /** @type {string[]} */
    const faults = [];
    checkMessage(JSON.parse(body), REQUEST, "", faults);
    return faults;
  } catch {
    return ["the body is not JSON"];
  }
}

/**
 * @param {unknown} value
 * @param {string} type
 * @param {string} at
 * @param {string[]} faults
 */
function checkMessage(value, type, at, faults) {
  const fields = messages.get(type);
  if (!isRecord(value) || !fields) return void faults.push(`${at || "the body"} is no object`);
  const taken = new Set();
  for (const [name, inner] of Object.entries(value)) {
    const where = at ? `${at}.${name}` : name;
    const field = fields.get(name);
    if (!field) {
      faults.push(`${where} is unknown`);
      continue;
    }
    if (field.oneof && taken.has(field.oneof)) faults.push(`${where} is one too many`);
    taken.add(field.oneof);
    if (!field.repeated) checkValue(inner, field, where, faults);
    else if (!Array.isArray(inner)) faults.push(`${where} is no array`);
    else for (const [n, item] of inner.entries()) checkValue(item, field, `${where}[${n}]`, faults);
  }
  if (type === SPAN || type === LINK) checkIds(value, at, faults);
  if (type === SPAN) checkSpan(value, at, faults);
  if (type === KEY_VALUE && !value.key) faults.push(`${at}.key is missing`);
  if (Array.isArray(value.attributes)) checkAttributes(value.attributes, at, faults);
}

/**
 * @param {unknown} value
 * @param {import("./proto.mjs").Field} field
 * @param {string} at
 * @param {string[]} faults
 */
function checkValue(value, { name, type }, at, faults) {
  if (messages.has(type)) return checkMessage(value, type, at, faults);
  const members = enums.get(type);
  if (members) {
    if (!members.has(/** @type {number} */ (value))) faults.push(`${at} is no number of ${type}`);
  } else if (name in IDS && type === "bytes") {
    const isHex = typeof value === "string" && /^[0-9a-f]*$/i.test(value);
    const isLong = isHex && value.length === IDS[name] && /[^0]/.test(value);
    const isRoot = name === "parentSpanId" && value === "";
    if (!isLong && !isRoot) faults.push(`${at} is no id of ${IDS[name]} hex digits`);
  } else if (!isScalar(value, type)) {
    faults.push(`${at} is no ${type}`);
  }
}

/**
 * Returns whether a value follows protobuf's JSON mapping. Integers of 64 bits may be strings or exact
 * numbers, but no number that a JSON parser would round; not all collectors know "NaN".
 * @param {unknown} value
 * @param {string} type
 */
function isScalar(value, type) {
  if (type in RANGES) {
    const isWhole =
      typeof value === "string" ? /^(0|-?[1-9]\d*)$/.test(value) : Number.isSafeInteger(value);
    if (!isWhole) return false;
    const number = BigInt(/** @type {string | number} */ (value));
    return number >= RANGES[type][0] && number <= RANGES[type][1];
  }
  if (type === "double") return typeof value === "number";
  if (type === "bool") return typeof value === "boolean";
  if (typeof value !== "string") return false;
  return type === "string" ? value.isWellFormed() : /^[A-Za-z0-9+/_-]*={0,2}$/.test(value);
}

/**
 * @param {Record<string, unknown>} value
 * @param {string} at
 * @param {string[]} faults
 */
function checkIds(value, at, faults) {
  for (const name of ["traceId", "spanId"]) {
    if (!(name in value)) faults.push(`${at}.${name} is missing`);
  }
}

/**
 * Checks the rules that the definitions state in comments.
 * @param {Record<string, unknown>} span
 * @param {string} at
 * @param {string[]} faults
 */
function checkSpan(span, at, faults) {
  if (!span.name) faults.push(`${at}.name is missing`);
  if (!span.kind) faults.push(`${at}.kind is missing`);
  const { startTimeUnixNano: start, endTimeUnixNano: end } = span;
  if (!isScalar(start, "fixed64") || !isScalar(end, "fixed64")) {
    faults.push(`${at} has no beginning or no end`);
  } else if (BigInt(String(start)) > BigInt(String(end))) {
    faults.push(`${at} ends before it begins`);
  }
}

/**
 * @param {unknown[]} attributes
 * @param {string} at
 * @param {string[]} faults
 */
function checkAttributes(attributes, at, faults) {
  const keys = attributes.filter(isRecord).map(({ key }) => key);
  for (const key of new Set(keys.filter((one, n) => keys.indexOf(one) !== n))) {
    faults.push(`${at}.attributes has ${key} twice`);
  }
}

const KINDS = /** @type {const} */ (["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]);
const STATUSES = /** @type {const} */ (["unset", "ok", "error"]);

/**
 * @param {any} request a valid one
 * @returns {Span[]}
 */
function spansOf({ resourceSpans = [] }) {
  return resourceSpans.flatMap((/** @type {any} */ { resource, scopeSpans = [] }) =>
    scopeSpans.flatMap((/** @type {any} */ { spans = [] }) =>
      spans.map((/** @type {any} */ span) => ({
        traceId: span.traceId.toLowerCase(),
        spanId: span.spanId.toLowerCase(),
        parentSpanId: span.parentSpanId?.toLowerCase() ?? "",
        name: span.name,
        kind: KINDS[span.kind - 1],
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes),
        status: STATUSES[span.status?.code ?? 0],
        resource: attributesOf(resource?.attributes),
      })),
    ),
  );
}

/** @param {{ key: string, value?: Record<string, unknown> }[]} [attributes] */
function attributesOf(attributes = []) {
  return Object.fromEntries(
    attributes.map(({ key, value = {} }) => {
      const [[type, plain] = ["", undefined]] = Object.entries(value);
      return [key, type === "intValue" ? Number(plain) : plain];
    }),
  );
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
