/** Makes the `sid` in the answers to Engine.IO handshakes longer. */
import { waitUntil } from "cloudflare:workers";
import { endOfSid } from "../instance.js";

/** Maximum time for which the first packet is waited for, in milliseconds; it comes with the headers. */
const MAX_WAIT = 1_000;

/** Maximum size of a handshake's answer: see `inbound/engine_io.rs`, which inspects as much. */
const MAX_BYTES = 4 * 1024;

/**
 * Returns the answer with a longer `sid` if it is that to a handshake, and any other as it is. Only the beginning is
 * inspected; the rest flows as it comes.
 * @param {Response} response
 * @param {string} suffix
 */
export async function lengthenSid(response, suffix) {
  const { status, headers, body } = response;
  const isText = /^text\/plain *(?:;|$)/i.test(headers.get("content-type") ?? "");
  const length = Number(headers.get("content-length"));
  if (status !== 200 || !body || !isText || length > MAX_BYTES) return response;
  const [inspected, whole] = body.tee();
  const end = await endOfSidIn(inspected);
  if (end < 0) return new Response(whole, response);
  const added = new TextEncoder().encode(suffix);
  // What is compressed is read as it was before, and compressed again: its length is another then.
  const { readable, writable } =
    length > 0 && !headers.has("content-encoding")
      ? new FixedLengthStream(length + added.length)
      : new IdentityTransformStream();
  // Either side may go at any time.
  waitUntil(
    insert(whole, end, added)
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
async function endOfSidIn(body) {
  const reader = body.getReader();
  const stop = () => reader.cancel().catch(() => {});
  setTimeout(stop, MAX_WAIT);
  let [begins, end] = [new Uint8Array(), 0];
  while (end === 0) {
    const read = await reader.read().catch(() => undefined);
    begins = new Uint8Array(await new Blob([begins, read?.value ?? ""]).arrayBuffer());
    end = read?.value ? endOfSid(begins.subarray(0, MAX_BYTES)) : -1;
  }
  stop();
  return end;
}

/** @param {ReadableStream<Uint8Array>} body @param {number} at @param {Uint8Array} added */
function insert(body, at, added) {
  let left = at;
  /** @type {Transformer<Uint8Array, Uint8Array>} */
  const insertion = {
    transform(chunk, output) {
      const isHere = left >= 0 && left <= chunk.length;
      const parts = isHere ? [chunk.subarray(0, left), added, chunk.subarray(left)] : [chunk];
      for (const part of parts) if (part.length > 0) output.enqueue(part);
      left = isHere ? -1 : left - chunk.length;
    },
  };
  return body.pipeThrough(new TransformStream(insertion));
}
