/**
 * A pump in JavaScript that combines small events for a slow client: while a client has not taken the last part, events
 * gather, for WAIT_MS at most, and go out together. With WAIT_MS=0 it passes each on as it comes. Nothing is reordered
 * or left out. For the experiment alone (`bench/coalescing.mjs`).
 */
import bare from "./bare.js";

/** Maximum bytes that gather. Then the origin waits. */
const MAX_BYTES = 64 * 1024;

export default {
  /** @param {Request} request @param {{ WAIT_MS: string }} env */
  async fetch(request, env) {
    const response = await bare.fetch(request);
    const waitMs = Number(env.WAIT_MS);
    if (response.webSocket) return sockets(response.webSocket, waitMs);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const { readable, writable } = new IdentityTransformStream();
    const source = /** @type {ReadableStream<Uint8Array>} */ (response.body);
    stream(source.getReader(), writable.getWriter(), waitMs).catch(() => {});
    return new Response(readable, response);
  },
};

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {WritableStreamDefaultWriter<Uint8Array>} writer
 * @param {number} waitMs
 */
async function stream(reader, writer, waitMs) {
  if (waitMs === 0) {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return writer.close();
      await writer.write(value);
    }
  }
  /** @type {Uint8Array[]} */
  let parts = [];
  let bytes = 0;
  /** @type {Promise<void> | undefined} the part that the client has not taken */
  let taken;
  const flush = () => {
    if (bytes === 0 || taken) return;
    const whole = parts.length === 1 ? parts[0] : joined(parts, bytes);
    [parts, bytes] = [[], 0];
    taken = writer.write(whole).finally(() => {
      taken = undefined;
    });
  };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.byteLength;
    if (bytes >= MAX_BYTES) await taken;
    else if (taken) await Promise.race([taken, scheduler.wait(waitMs)]);
    flush();
  }
  await taken;
  flush();
  await taken;
  await writer.close();
}

/** @param {Uint8Array[]} parts @param {number} bytes of all */
function joined(parts, bytes) {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/**
 * Messages stay messages, so only their sending is combined.
 * @param {WebSocket} origin
 * @param {number} waitMs
 */
function sockets(origin, waitMs) {
  const [client, server] = Object.values(new WebSocketPair());
  /** @type {string[]} */
  let gathered = [];
  const flush = () => {
    for (const message of gathered) server.send(message);
    gathered = [];
  };
  origin.accept();
  server.accept();
  origin.addEventListener("message", ({ data }) => {
    gathered.push(String(data));
    if (waitMs === 0) flush();
    else if (gathered.length === 1) setTimeout(flush, waitMs);
  });
  server.addEventListener("message", ({ data }) => origin.send(data));
  for (const [from, to] of [
    [origin, server],
    [server, origin],
  ]) {
    from.addEventListener("close", () => {
      flush();
      to.close(1000, "");
    });
  }
  return new Response(null, { status: 101, webSocket: client });
}
