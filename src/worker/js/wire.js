/**
 * Requests and responses as text for the core, and the core's text back as requests and responses. The format is that of
 * `worker/protocol.rs`, which describes it by the names of its fields; requests are as `inbound/request.rs` reads them.
 */

/** The lines of a decision to forward, by name. @type {Record<string, number>} */
const FORWARD = {};

/** The letters of a decision to forward, by name. @type {Record<string, string>} */
export const FLAGS = {};

/** The lines of a response of our own, by name. @type {Record<string, number>} */
const RESPONSE = {};

/** The names of our headers, in the order in which a decision to forward gives their values. @type {string[]} */
const ours = [];

/** Where the values of our headers begin, and the headers of a response. */
let oursAt = 0;
let headersAt = 0;

/**
 * Takes the description of the format: see `description` in `worker/protocol.rs`.
 * @param {string} description
 */
export function describe(description) {
  const [forward, flags, response, headers] = description
    .split("\n")
    .map((line) => line.split(" "));
  for (const [at, name] of forward.entries()) FORWARD[name] = at;
  for (const [name, letter] of flags.map((flag) => flag.split("="))) FLAGS[name] = letter;
  for (const [at, name] of response.entries()) RESPONSE[name] = at;
  ours.splice(0, ours.length, ...headers);
  oursAt = forward.length;
  headersAt = response.length;
}

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
 * Unpacks a decision to forward.
 * @param {string} text
 * @param {[string, string][]} received the client's headers
 * @returns {Order}
 */
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
  // Whoever comes for the first time may never come again.
  const isKnown = handle !== undefined && headers["x-session-state"] !== "new";
  return {
    flags: lines[FORWARD.kind],
    url: lines[FORWARD.url],
    firstByteMs: Number(lines[FORWARD.firstByteMs]),
    pauses: lines[FORWARD.pauses],
    place,
    ticket: lines[FORWARD.ticket],
    sidSuffix: lines[FORWARD.sidSuffix],
    kept,
    told: {
      flags: lines[FORWARD.flags],
      labels: lines[FORWARD.labels],
      members: lines[FORWARD.members],
    },
    until: Number(lines[FORWARD.until]),
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
 * Unpacks a response of our own.
 * @param {string} text
 * @returns {Answered}
 */
export function unpackAnswer(text) {
  const lines = text.split("\n");
  const bodyAt = headersAt + 2 * Number(lines[RESPONSE.headers]);
  return {
    status: Number(lines[RESPONSE.status]),
    told: {
      flags: lines[RESPONSE.flags],
      labels: lines[RESPONSE.labels],
      members: lines[RESPONSE.members],
    },
    until: Number(lines[RESPONSE.until]),
    headers: headersIn(lines.slice(headersAt, bodyAt)),
    body: lines.slice(bodyAt).join("\n"),
  };
}

/**
 * As it is sent.
 * @param {Answered} answered
 * @param {Uint8Array} [file] the body, if it is one
 */
export function responseOf({ status, headers, body }, file) {
  if (file) {
    // A file is sent as it is, compressed or not; `encodeBody` is the Workers runtime's.
    const init = { status, headers, encodeBody: "manual" };
    return new Response(/** @type {BodyInit} */ (file), /** @type {ResponseInit} */ (init));
  }
  return new Response(body === "" ? null : body, { status, headers });
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
 * The origin's response with the core's edits: `E`, the number of headers to remove, their names, then names and values
 * to append. The body is handed on as the stream it is.
 * @param {string} text
 * @param {any} response a `Response`, of the Worker's runtime in the Worker
 */
export function applyEdits(text, response) {
  const [, removed, ...lines] = text.split("\n");
  const appendAt = Number(removed);
  const headers = new Headers(response.headers);
  for (let at = 0; at < appendAt; at += 1) headers.delete(lines[at]);
  for (let at = appendAt; at + 1 < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
  const { status, statusText, webSocket } = response;
  const init = { status, statusText, headers, webSocket };
  return new Response(response.body, init);
}
