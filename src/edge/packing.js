/**
 * Requests and answers as text for the core, and the core's text back as requests and answers.
 * The layouts are those of `inbound/request.rs` and `edge/wire.rs`.
 */

/**
 * Method, URL, then a line for the name and a line for the value of every header.
 * @param {Request} request
 */
export function packRequest(request) {
  let packed = `${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) packed += `\n${name}\n${value}`;
  return packed;
}

/**
 * A line for the name and a line for the value of every header; each Set-Cookie by itself.
 * @param {Headers} headers
 */
export function packHeaders(headers) {
  const lines = [];
  for (const [name, value] of headers) lines.push(name, value);
  return lines.join("\n");
}

/**
 * An answer of the edge itself: `A`, status, number of headers, the headers, the body.
 * @param {string} text
 */
export function unpackAnswer(text) {
  const lines = text.split("\n");
  const status = Number(lines[1]);
  const bodyAt = 3 + 2 * Number(lines[2]);
  const headers = new Headers();
  for (let at = 3; at < bodyAt; at += 2) headers.append(lines[at], lines[at + 1]);
  const body = lines.slice(bodyAt).join("\n");
  return new Response(body === "" ? null : body, { status, headers });
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

/**
 * A read to perform: `R`, key, milliseconds to wait first.
 * @param {string} text
 */
export function unpackRead(text) {
  const [, key, afterMs] = text.split("\n");
  return { key, afterMs: Number(afterMs) };
}
