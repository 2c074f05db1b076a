/**
 * Encodes requests and responses as text for the core, and parses its decisions. `worker/protocol.rs` defines the
 * format and describes it by field names; `http/request.rs` reads the requests.
 */

/** @import { ForwardDecision, HeaderList, ResponseDecision } from "./types.js" */

/** Line numbers of a forwarding decision, by field name. @type {Record<string, number>} */
const FORWARD = {};

/** Line numbers of a response decision, by field name. @type {Record<string, number>} */
const RESPONSE = {};

/** Flag letters of a forwarding decision, by name. @type {Record<string, string>} */
export const FLAGS = {};

/** Names of our headers, in the order of their values in a forwarding decision. @type {string[]} */
let ours = [];

/** Line numbers where the values of our headers begin, and the headers of a response. */
let [oursAt, headersAt] = [0, 0];

/** Sets the format from its description: see `description` in `worker/protocol.rs`. @param {string} description */
export function describe(description) {
  const [forward, flags, response, headers] = description
    .split("\n")
    .map((line) => line.split(" "));
  for (const [at, name] of forward.entries()) FORWARD[name] = at;
  for (const [at, name] of response.entries()) RESPONSE[name] = at;
  Object.assign(FLAGS, Object.fromEntries(flags.map((flag) => flag.split("="))));
  ours = headers;
  oursAt = forward.length;
  headersAt = response.length;
}

/** Packs method, URL, and two lines for every header. @param {Request} request @param {HeaderList} headers */
export function packRequest(request, headers) {
  let packed = `${request.method}\n${request.url}`;
  for (let at = 0; at < headers.length; at += 1) packed += `\n${headers[at][0]}\n${headers[at][1]}`;
  return packed;
}

/** Unpacks a forwarding decision, given the client's headers. @type {(text: string, received: HeaderList) => ForwardDecision} */
export function unpackForward(text, received) {
  const lines = text.split("\n");
  const kept = lines[FORWARD.kept];
  const place = lines[FORWARD.place];
  /** @type {Record<string, string>} */
  const headers = {};
  for (let at = 0; at < ours.length; at += 1) {
    const value = lines[oursAt + at];
    if (value !== "") headers[ours[at]] = value;
  }
  for (let at = oursAt + ours.length; at + 1 < lines.length; at += 2) {
    headers[lines[at]] = lines[at + 1];
  }
  for (let at = 0; at < received.length; at += 1) {
    if (kept[at] === "+") headers[received[at][0]] = received[at][1];
  }
  const handle = headers["x-session-id"];
  // A new visitor may never return.
  const isKnown = handle !== undefined && headers["x-session-state"] !== "new";
  return {
    flags: lines[FORWARD.kind],
    url: lines[FORWARD.url],
    firstByteMs: Number(lines[FORWARD.firstByteMs]),
    pauses: lines[FORWARD.pauses],
    place,
    responseContext: lines[FORWARD.responseContext],
    sidSuffix: lines[FORWARD.sidSuffix],
    kept,
    requestLabels: requestLabelsIn(lines, FORWARD),
    until: Number(lines[FORWARD.until]),
    trace: headers.traceparent.slice(3, 35),
    seed: "",
    session: isKnown ? `${place.slice(0, place.indexOf("/"))}\t${handle}` : "",
    headers,
  };
}

/** Unpacks a response decision. @param {string} text @returns {ResponseDecision} */
export function unpackResponse(text) {
  const lines = text.split("\n");
  const bodyAt = headersAt + 2 * Number(lines[RESPONSE.headers]);
  /** @type {HeaderList} */
  const headers = [];
  for (let at = headersAt; at < bodyAt; at += 2) headers.push([lines[at], lines[at + 1]]);
  const fields = Object.fromEntries(headers);
  return {
    status: Number(lines[RESPONSE.status]),
    requestLabels: requestLabelsIn(lines, RESPONSE),
    until: Number(lines[RESPONSE.until]),
    // A plain object is the fastest to pass, but it cannot hold a name twice.
    headers: Object.keys(fields).length === headers.length ? fields : headers,
    body: lines.slice(bodyAt).join("\n"),
  };
}

/** @param {string[]} lines @param {Record<string, number>} at */
function requestLabelsIn(lines, at) {
  return { flags: lines[at.flags], labels: lines[at.labels], members: lines[at.members] };
}

/** Packs two lines for every header, and two for each Set-Cookie. @param {Headers} headers */
export function packHeaders(headers) {
  const others = [...headers].filter(([name]) => name !== "set-cookie");
  // Their order matters, and iteration does not keep it for many headers.
  const cookies = headers.getSetCookie().map((line) => ["set-cookie", line]);
  return [...others, ...cookies].flat().join("\n");
}

/** Creates a response of Vestibule's own. @param {ResponseDecision} decision @param {Uint8Array} [file] the body, if it is a file */
export function responseOf({ status, headers, body }, file) {
  if (!file) return new Response(body === "" ? null : body, { status, headers });
  // A file is sent as it is, compressed or not; `encodeBody` is the Workers runtime's.
  const init = { status, headers, encodeBody: "manual" };
  return new Response(/** @type {BodyInit} */ (file), /** @type {ResponseInit} */ (init));
}

/**
 * Applies the core's edits to the origin's response: `E`, the number of headers to remove, their names, then names and
 * values to append, and the body. If that is empty, the origin's passes as a stream.
 * @param {string} text
 * @param {any} response a `Response`, in the Worker that of its runtime
 */
export function applyEdits(text, response) {
  const [, removed, ...lines] = text.split("\n");
  const appendAt = Number(removed);
  const headers = new Headers(response.headers);
  for (const name of lines.slice(0, appendAt)) headers.delete(name);
  for (let at = appendAt; at + 1 < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
  const { status, statusText, webSocket } = response;
  const init = { status, statusText, headers, webSocket };
  return new Response(lines.at(-1) || response.body, init);
}
