/**
 * Requests and answers as text for the core, and the core's text back as requests and answers.
 * The layouts are those of `inbound/request.rs` and `worker/wire.rs`.
 */
import { OWN_HEADERS } from "./core.js";

/**
 * Method, URL, then a line for the name and a line for the value of every header.
 * @param {Request} request
 * @param {[string, string][]} headers
 */
export function packRequest(request, headers) {
  let packed = `${request.method}\n${request.url}`;
  for (let at = 0; at < headers.length; at += 1) packed += `\n${headers[at][0]}\n${headers[at][1]}`;
  return packed;
}

/** Where the values of our headers begin among the lines of a decision to forward. */
const OWN_AT = 12;

/**
 * A decision to forward, unpacked.
 * @typedef {object} Order
 * @property {string} flags
 * @property {string} url
 * @property {number} firstByteMs how long the origin may take for its response headers
 * @property {string} pauses how long pauses may be
 * @property {string} place tenant and origin
 * @property {string} ticket
 * @property {string} sidSuffix what an Engine.IO `sid` is made longer by
 * @property {string} kept which of the client's headers pass: `+` for each that does
 * @property {{ flags: string, labels: string, members: string }} told what is told of it
 * @property {number} until when it may be repeated, in milliseconds since 1970; 0 if it may not
 * @property {string} trace the trace's id
 * @property {string} seed what its trace was begun with, if that is known here
 * @property {string} session tenant and handle, if it is a session that came before
 * @property {Record<string, string> | Headers} headers all there are
 */

/**
 * A decision to forward: `F` and flags, URL, first-byte limit, how long pauses may be, tenant and origin, ticket,
 * what an Engine.IO `sid` is made longer by, which of the client's headers pass, what is told of it (flags,
 * labels, members), until when it may be repeated, then the values of ours and names and values of those the
 * tenant's origins know.
 * @param {string} text
 * @param {[string, string][]} received the client's headers
 * @returns {Order}
 */
export function unpackForward(text, received) {
  const lines = text.split("\n");
  const kept = lines[7];
  /** @type {Record<string, string>} */
  const headers = {};
  for (let at = 0; at < OWN_HEADERS.length; at += 1) {
    const value = lines[OWN_AT + at];
    if (value !== "") headers[OWN_HEADERS[at]] = value;
  }
  for (let at = OWN_AT + OWN_HEADERS.length; at + 1 < lines.length; at += 2) {
    headers[lines[at]] = lines[at + 1];
  }
  for (let at = 0; at < received.length; at += 1) {
    if (kept[at] === "+") headers[received[at][0]] = received[at][1];
  }
  const [flags, url, firstByteMs, pauses, place, ticket, sidSuffix] = lines;
  const handle = headers["x-session-id"];
  // Whoever comes for the first time may never come again.
  const isKnown = handle !== undefined && headers["x-session-state"] !== "new";
  return {
    flags,
    url,
    firstByteMs: Number(firstByteMs),
    pauses,
    place,
    ticket,
    sidSuffix,
    kept,
    told: { flags: lines[8], labels: lines[9], members: lines[10] },
    until: Number(lines[11]),
    trace: headers.traceparent.slice(3, 35),
    seed: "",
    session: isKnown ? `${place.slice(0, place.indexOf("/"))}\t${handle}` : "",
    headers,
  };
}

/**
 * A line for the name and a line for the value of every header; each Set-Cookie by itself.
 * @param {Headers} headers
 */
export function packHeaders(headers) {
  const lines = [];
  for (const [name, value] of headers) {
    if (name !== "set-cookie") lines.push(name, value);
  }
  // Of those the order counts, and iteration does not keep it when there are many.
  for (const line of headers.getSetCookie()) lines.push("set-cookie", line);
  return lines.join("\n");
}

/** Where the headers begin among the lines of an answer. */
const HEADERS_AT = 7;

/**
 * An answer of the edge itself.
 * @typedef {object} Answered
 * @property {number} status
 * @property {{ flags: string, labels: string, members: string }} told
 * @property {number} until before this the very same request is answered alike, in milliseconds since 1970
 * @property {Record<string, string> | Headers} headers
 * @property {string} body
 */

/**
 * `A` (or another letter), status, what is told of it (flags, labels, members), until when it stands, number of
 * headers, the headers, the body.
 * @param {string} text
 * @returns {Answered}
 */
export function unpackAnswer(text) {
  const lines = text.split("\n");
  const bodyAt = HEADERS_AT + 2 * Number(lines[6]);
  return {
    status: Number(lines[1]),
    told: { flags: lines[2], labels: lines[3], members: lines[4] },
    until: Number(lines[5]),
    headers: headersIn(lines.slice(HEADERS_AT, bodyAt)),
    body: lines.slice(bodyAt).join("\n"),
  };
}

/**
 * As it is sent.
 * @param {Answered} answered
 * @param {Uint8Array} [file] the body, if it is one
 */
export function responseOf({ status, headers, body }, file) {
  return new Response(file ?? (body === "" ? null : body), { status, headers });
}

/**
 * Names and values as headers: as a plain object, which is handed over at once, unless a name comes twice.
 * @param {string[]} lines
 */
function headersIn(lines) {
  /** @type {Record<string, string>} */
  const headers = {};
  for (let at = 0; at < lines.length; at += 2) {
    if (Object.hasOwn(headers, lines[at])) return appended(lines);
    headers[lines[at]] = lines[at + 1];
  }
  return headers;
}

/** @param {string[]} lines */
function appended(lines) {
  const headers = new Headers();
  for (let at = 0; at < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
  return headers;
}

/**
 * The origin's answer with the core's edits: `E`, number of names to remove, the names, then names
 * and values to append. The body is handed on as the stream it is.
 * @param {string} text
 * @param {Response} response
 */
export function applyEdits(text, response) {
  const lines = text.split("\n");
  const appendAt = 2 + Number(lines[1]);
  const headers = new Headers(response.headers);
  for (let at = 2; at < appendAt; at += 1) headers.delete(lines[at]);
  for (let at = appendAt; at + 1 < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
  const { status, statusText, webSocket } = response;
  return new Response(response.body, { status, statusText, headers, webSocket });
}
