/**
 * Follows event streams and other responses while they are open.
 *
 * Without following, a stream that the origin breaks off looks like one that ended normally. A followed
 * one ends with an `event: error`, so that the page knows it is incomplete. Soon after the session is
 * over a stream ends with an `event: session`, a socket with the code 4401. Idle limits end a
 * silent connection or keep it alive.
 */
/** @import { FollowOptions, FollowStream, Pauses } from "../types.js" */
import { waitUntil } from "cloudflare:workers";
import { warn } from "../instance.js";
import { pump } from "./pump.js";
import { startRevalidation } from "./revalidate.js";
import { followWebSocket } from "./websocket.js";

/** Content codings that the runtime decodes, and encodes again; it compares case-sensitively. */
const READABLE = [null, "identity", "gzip", "br"];

/** Reads idle limits: see `Pauses::to_text` in `tenant.rs`. @param {string} text @returns {Pauses} */
export function readPauses(text) {
  const [keepAlive = 0, answer = 0, stream = 0, socket = 0] = text.split(",").map(Number);
  return { keepAlive, answer, stream, socket };
}

/** @param {Response} response */
export function isEventStream({ headers }) {
  return headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

/** Returns a response, followed if an option requires it. @param {Response} response @param {FollowOptions} options */
export function follow(response, options) {
  const { webSocket, body, headers } = response;
  const { revalidate, pauses } = options;
  if (webSocket) {
    const isFollowed = revalidate || pauses.socket > 0;
    return isFollowed ? followWebSocket(response, webSocket, options) : response;
  }
  const isStream = isEventStream(response);
  const isFollowed = isStream
    ? revalidate || pauses.stream > 0 || pauses.keepAlive > 0
    : pauses.answer > 0;
  if (!body || !isFollowed) return response;
  const coding = headers.get("content-encoding");
  // The runtime decompresses a compressed body and compresses it again, which changes its length.
  const length = isStream || coding !== null ? null : headers.get("content-length");
  const { readable, writable } =
    length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const followed = isStream
    ? followStream(body, writable, options, READABLE.includes(coding))
    : pump(body, writable, { keepAlive: 0, idle: pauses.answer }).catch(async () => {
        // Cut off, so that the client detects it.
        await writable.abort("incomplete").catch(() => {});
        warn("answer_broken");
      });
  // It ends with its source, not with its client.
  waitUntil(followed);
  return new Response(readable, response);
}

/** Follows an event stream; if its events are not readable, nothing may be inserted. @type {FollowStream} */
async function followStream(source, sink, { revalidate, countOpen, pauses }, isReadable) {
  const closed = countOpen();
  const end = new AbortController();
  const { signal } = end;
  const stop = revalidate && startRevalidation(revalidate, (reason) => end.abort(reason));
  const limits = { keepAlive: isReadable ? pauses.keepAlive : 0, idle: pauses.stream, signal };
  try {
    // Without limits the runtime pumps by itself, and no JavaScript runs per event.
    await (limits.keepAlive > 0 || limits.idle > 0
      ? pump(source, sink, limits)
      : source.pipeTo(sink, { preventAbort: true, signal }));
  } catch (error) {
    const lost = ["error", error === "idle" ? "origin_idle" : "origin_lost"];
    const [event, code] = signal.aborted ? ["session", signal.reason] : lost;
    // Two line breaks, because the origin may have been in the middle of an event.
    const last = `\n\nevent: ${event}\ndata: {"code":"${code}"}\n\n`;
    const writer = sink.getWriter();
    const ended = isReadable
      ? writer.write(new TextEncoder().encode(last)).then(() => writer.close())
      : writer.abort("incomplete");
    // The client may have disconnected, too.
    await ended.catch(() => {});
    warn(signal.aborted ? "stream_closed" : "stream_broken");
  } finally {
    closed();
    stop?.();
  }
}
