/** Appends a suffix to the `sid` in responses to Engine.IO handshakes. */
import { waitUntil } from "cloudflare:workers";
import { endOfSid, mayBeHandshake } from "../instance.js";

/** Maximum wait for the first packet, in milliseconds; it usually comes with the headers. */
const MAX_WAIT = 1_000;

/**
 * Returns a handshake's response with a longer `sid`, and any other response unchanged. Only the beginning is
 * inspected; the rest is streamed.
 * @param {Response} response
 * @param {string} suffix
 */
export async function lengthenSid(response, suffix) {
  const { status, headers, body } = response;
  const length = Number(headers.get("content-length"));
  const mediaType = headers.get("content-type") ?? "";
  if (!body || !mayBeHandshake(status, mediaType, length)) return response;
  const [inspected, whole] = body.tee();
  const reader = inspected.getReader();
  const stop = () => reader.cancel().catch(() => {});
  setTimeout(stop, MAX_WAIT);
  let begins = new Uint8Array();
  // Offset of the end of the `sid`: 0 until known, negative if there is none.
  let end = 0;
  while (end === 0) {
    const read = await reader.read().catch(() => undefined);
    begins = await joined(begins, read?.value ?? "");
    end = read?.value ? endOfSid(begins.subarray(0, 8_192)) : -1; // The core inspects less.
  }
  if (end < 0) {
    stop();
    return new Response(whole, response);
  }
  whole.cancel().catch(() => {});
  reader.releaseLock();
  // The runtime decompresses a compressed body and compresses it again, which changes its length.
  const { readable, writable } =
    length > 0 && !headers.has("content-encoding")
      ? new FixedLengthStream(length + suffix.length)
      : new IdentityTransformStream();
  const writer = writable.getWriter();
  const longer = await joined(begins.subarray(0, end), suffix, begins.subarray(end));
  // Either side may disconnect at any time.
  writer.write(longer).catch(() => {});
  writer.releaseLock();
  waitUntil(inspected.pipeTo(writable).catch(() => {}));
  const given = new Response(readable, response);
  given.headers.delete("content-length");
  return given;
}

/** @param {(Uint8Array<ArrayBuffer> | string)[]} parts */
async function joined(...parts) {
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
