/** The answers to Engine.IO handshakes, whose `sid` is made longer. */
import { endOfSid } from "../core.js";

/** So long the first packet is waited for, in milliseconds; it comes with the headers. */
const PATIENCE = 1_000;

/** No handshake's answer is longer: see `inbound/engine_io.rs`, which looks at as much. */
const LONGEST = 4 * 1024;

/**
 * The answer with a longer `sid`, if it is that to a handshake; any other as it is. What is looked at is how it
 * begins; the rest flows as it comes.
 * @param {Response} response
 * @param {string} suffix
 * @param {ExecutionContext} context
 * @returns {Response | Promise<Response>}
 */
export function lengthenSid(response, suffix, context) {
  return mayBeHandshake(response) ? lengthen(response, suffix, context) : response;
}

/** @param {Response} response */
function mayBeHandshake({ status, headers, body }) {
  const length = headers.get("content-length");
  return (
    status === 200 &&
    body !== null &&
    /^text\/plain *(?:;|$)/i.test(headers.get("content-type") ?? "") &&
    (length === null || Number(length) <= LONGEST)
  );
}

/**
 * @param {Response} response
 * @param {string} suffix
 * @param {ExecutionContext} context
 */
async function lengthen(response, suffix, context) {
  const source = /** @type {ReadableStream<Uint8Array>} */ (response.body);
  const reader = source.getReader();
  const { begins, at, next } = await look(reader);
  const added = at > 0 ? new TextEncoder().encode(suffix) : new Uint8Array();
  const before = Math.max(at, 0);
  const parts = [begins.subarray(0, before), added, begins.subarray(before)];
  const { status, headers } = response;
  // What is compressed is read as it was before, and compressed again: its length is another then.
  const length = headers.has("content-encoding") ? null : headers.get("content-length");
  const { readable, writable } =
    length === null
      ? new IdentityTransformStream()
      : new FixedLengthStream(Number(length) + added.length);
  const flows = begin(parts, reader, next, writable).then((goesOn) =>
    goesOn ? source.pipeTo(writable) : undefined,
  );
  // Either side may go at any time.
  context.waitUntil(flows.catch(() => {}));
  const given = new Headers(headers);
  given.delete("content-length");
  return new Response(readable, { status, statusText: response.statusText, headers: given });
}

/**
 * Reads until it can be told what the answer is.
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @returns what was read, where the `sid` ends (see `endOfSid`), and the read that was not waited for
 */
async function look(reader) {
  let begins = new Uint8Array();
  /** @type {Promise<undefined>} */
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, undefined));
  for (;;) {
    const next = reader.read();
    const read = await Promise.race([next, late]).catch(() => undefined);
    if (read === undefined) return { begins, at: -1, next };
    if (read.done) return { begins, at: -1, next };
    begins = joined(begins, read.value);
    const at = endOfSid(begins.subarray(0, LONGEST));
    if (at !== 0) return { begins, at, next: undefined };
  }
}

/**
 * Writes what comes first.
 * @param {Uint8Array[]} parts
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {Promise<ReadableStreamReadResult<Uint8Array>> | undefined} next
 * @param {WritableStream<Uint8Array>} writable
 * @returns whether there is more, and both streams are free for it
 */
async function begin(parts, reader, next, writable) {
  const writer = writable.getWriter();
  try {
    for (const part of parts) if (part.length > 0) await writer.write(part);
    const read = await next;
    if (read?.done) {
      await writer.close();
      return false;
    }
    if (read) await writer.write(read.value);
  } catch (error) {
    await Promise.allSettled([reader.cancel(error), writer.abort(error)]);
    return false;
  }
  writer.releaseLock();
  reader.releaseLock();
  return true;
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
