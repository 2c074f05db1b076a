/**
 * Event streams, WebSockets and other answers that are followed while they are open.
 *
 * A stream the origin breaks off looks, handed on, like one that ended well. Followed, it ends with an
 * `event: error`, so that the page knows the answer is incomplete. What is open is closed soon after
 * its session is over: a stream with an `event: session`, a socket with the code 4401. And what is
 * silent for too long is ended, or kept alive, where a limit says so.
 */

import { warn } from "../telemetry/log_buffer.js";
import { pump } from "./pump.js";
import { keepVigil } from "./revalidate.js";
import { watchedSocket } from "./websocket.js";

/** Content codings in which the runtime shows what is in them, and codes anew what is written; it compares case. */
const READABLE = ["identity", "gzip", "br"];

/** @typedef {{ opened: () => void, closed: () => void }} Count what is open */

/**
 * How long pauses may be, in milliseconds; 0 for any time.
 * @typedef {{ keepAlive: number, answer: number, stream: number, socket: number }} Pauses
 */

/**
 * @typedef {object} Watch
 * @property {import("./revalidate.js").Look | undefined} look none if the session does not matter
 * @property {Count} count
 * @property {Pauses} pauses
 * @property {(following: Promise<void>) => void} keep sees to it that what follows a stream ends with it, not with
 *   its client
 */

/**
 * From the text of a decision; see `Pauses::to_text` in `tenant.rs`.
 * @param {string} text
 * @returns {Pauses}
 */
export function readPauses(text) {
  const [keepAlive = 0, answer = 0, stream = 0, socket = 0] =
    text === "" ? [] : text.split(",").map(Number);
  return { keepAlive, answer, stream, socket };
}

/**
 * The answer, followed if there is a reason to.
 * @param {Response} response
 * @param {Watch} watch
 */
export function followed(response, watch) {
  const { look, pauses, keep } = watch;
  if (response.webSocket) {
    return look || pauses.socket > 0
      ? watchedSocket(response, response.webSocket, watch)
      : response;
  }
  if (!response.body) return response;
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const isFollowed = isStream
    ? look || pauses.stream > 0 || pauses.keepAlive > 0
    : pauses.answer > 0;
  if (!isFollowed) return response;
  // What is compressed is read as it was before, and compressed again: its length is another then.
  const isCompressed = response.headers.has("content-encoding");
  const length = isStream || isCompressed ? null : response.headers.get("content-length");
  const { readable, writable } =
    length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const coding = response.headers.get("content-encoding") ?? "identity";
  keep(
    isStream
      ? followStream(response.body, writable, watch, READABLE.includes(coding))
      : followAnswer(response.body, writable, pauses.answer),
  );
  return new Response(readable, response);
}

/**
 * @param {ReadableStream} source
 * @param {WritableStream} sink
 * @param {Watch} watch
 * @param {boolean} isReadable whether what flows is the events themselves; otherwise nothing of ours may come between
 */
async function followStream(source, sink, { look, count, pauses }, isReadable) {
  count.opened();
  const end = new AbortController();
  const vigil = look && keepVigil(look, (reason) => end.abort(reason));
  const keepAlive = isReadable ? pauses.keepAlive : 0;
  const idle = pauses.stream;
  try {
    // The pump is the runtime's own if it can be: then no JavaScript runs per event.
    await (keepAlive > 0 || idle > 0
      ? pump(source, sink, { keepAlive, idle, signal: end.signal })
      : source.pipeTo(sink, { preventAbort: true, signal: end.signal }));
  } catch (error) {
    const over = end.signal.aborted;
    // Two line breaks, because the origin may have been in the middle of an event.
    const code = error === "idle" ? "origin_idle" : "origin_lost";
    const last = over
      ? `\n\nevent: session\ndata: {"code":"${end.signal.reason}"}\n\n`
      : `\n\nevent: error\ndata: {"code":"${code}"}\n\n`;
    // Either side may have gone; writing to a client that left fails, and that is fine.
    const writer = sink.getWriter();
    const said = isReadable
      ? writer.write(new TextEncoder().encode(last)).then(() => writer.close())
      : // Cut short, so that the client can tell.
        writer.abort("incomplete");
    await said.catch(() => {});
    warn(over ? "stream_closed" : "stream_broken");
  } finally {
    count.closed();
    vigil?.end();
  }
}

/**
 * @param {ReadableStream} source
 * @param {WritableStream} sink
 * @param {number} idle
 */
async function followAnswer(source, sink, idle) {
  try {
    await pump(source, sink, { keepAlive: 0, idle });
  } catch {
    // Cut short, so that the client can tell.
    await sink.abort("incomplete").catch(() => {});
    warn("answer_broken");
  }
}
