/** Makes the `sid` in the answers to Engine.IO handshakes longer. */
import { endOfSid } from "../core.js";

/** Maximum time for which the first packet is waited for, in milliseconds; it comes with the headers. */
const MAX_WAIT = 1_000;

/** Maximum size of a handshake's answer: see `inbound/engine_io.rs`, which inspects as much. */
const MAX_BYTES = 4 * 1024;

/**
 * Returns the answer with a longer `sid` if it is that to a handshake, and any other as it is. Only the beginning is
 * inspected; the rest flows as it comes.
 * @param {Response} response
 * @param {string} suffix
 * @param {ExecutionContext} context
 * @returns {Response | Promise<Response>}
 */
export function lengthenSid(response, suffix, context) {
  const { status, headers, body } = response;
  const isText = /^text\/plain *(?:;|$)/i.test(headers.get("content-type") ?? "");
  const isShort = Number(headers.get("content-length")) <= MAX_BYTES;
  if (status !== 200 || !body || !isText || !isShort) return response;
  return lengthen(response, body.tee(), suffix, context);
}

/**
 * @param {Response} response
 * @param {[ReadableStream<Uint8Array>, ReadableStream<Uint8Array>]} body
 * @param {string} suffix
 * @param {ExecutionContext} context
 */
async function lengthen(response, [inspected, whole], suffix, context) {
  let at = await inspect(inspected);
  if (at < 0) return new Response(whole, response);
  const added = new TextEncoder().encode(suffix);
  const insertion = new TransformStream({
    transform(/** @type {Uint8Array} */ chunk, output) {
      const isHere = at >= 0 && at <= chunk.length;
      const parts = isHere ? [chunk.subarray(0, at), added, chunk.subarray(at)] : [chunk];
      for (const part of parts) if (part.length > 0) output.enqueue(part);
      at = isHere ? -1 : at - chunk.length;
    },
  });
  // What is compressed is read as it was before, and compressed again: its length is another then.
  const isSized =
    response.headers.has("content-length") && !response.headers.has("content-encoding");
  const length = Number(response.headers.get("content-length")) + added.length;
  const { readable, writable } = isSized
    ? new FixedLengthStream(length)
    : new IdentityTransformStream();
  // Either side may go at any time.
  context.waitUntil(
    whole
      .pipeThrough(insertion)
      .pipeTo(writable)
      .catch(() => {}),
  );
  const longer = new Response(readable, response);
  longer.headers.delete("content-length");
  return longer;
}

/**
 * Reads until it is clear what the answer is.
 * @param {ReadableStream<Uint8Array>} body
 * @returns how many bytes stand before the end of its `sid`; less than nothing if it has none
 */
async function inspect(body) {
  const reader = body.getReader();
  const stop = () => reader.cancel().catch(() => {});
  setTimeout(stop, MAX_WAIT);
  let [begins, at] = [new Uint8Array(), 0];
  while (at === 0) {
    const read = await reader.read().catch(() => undefined);
    begins = new Uint8Array(await new Blob([begins, read?.value ?? ""]).arrayBuffer());
    at = read?.value ? endOfSid(begins.subarray(0, MAX_BYTES)) : -1;
  }
  stop();
  return at;
}
