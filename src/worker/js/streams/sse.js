/**
 * Follows event streams and other answers while they are open.
 *
 * A stream the origin breaks off looks, handed on, like one that ended well. Followed, it ends with an
 * `event: error`, so that the page knows the answer is incomplete. What is open is closed soon after
 * its session is over: a stream with an `event: session`, a socket with the code 4401. And what is
 * silent for too long is ended, or kept alive, where a limit says so.
 */
/** @import { FollowOptions, FollowStream, Pauses } from "../types.js" */
import { waitUntil } from "cloudflare:workers";
import { warn } from "../instance.js";
import { pump } from "./pump.js";
import { startRevalidation } from "./revalidate.js";
import { followWebSocket } from "./websocket.js";

/** Content codings in which the runtime shows what is in them, and codes again what is written; it compares case. */
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

/** Returns the answer, followed if there is a reason to. @param {Response} response @param {FollowOptions} options */
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
  // What is compressed is read as it was before, and compressed again: its length is another then.
  const length = isStream || coding !== null ? null : headers.get("content-length");
  const { readable, writable } =
    length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const followed = isStream
    ? followStream(body, writable, options, READABLE.includes(coding))
    : pump(body, writable, { keepAlive: 0, idle: pauses.answer }).catch(async () => {
        // Cut short, so that the client can tell.
        await writable.abort("incomplete").catch(() => {});
        warn("answer_broken");
      });
  // It ends with its source, not with its client.
  waitUntil(followed);
  return new Response(readable, response);
}

/** Follows a stream of events; if they are not readable, nothing of ours may come between them. @type {FollowStream} */
async function followStream(source, sink, { revalidate, countOpen, pauses }, isReadable) {
  const closed = countOpen();
  const end = new AbortController();
  const { signal } = end;
  const stop = revalidate && startRevalidation(revalidate, (reason) => end.abort(reason));
  const limits = { keepAlive: isReadable ? pauses.keepAlive : 0, idle: pauses.stream, signal };
  try {
    // The pump is the runtime's own if it can be: then no JavaScript runs per event.
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
    // The client may have gone, too: that is fine.
    await ended.catch(() => {});
    warn(signal.aborted ? "stream_closed" : "stream_broken");
  } finally {
    closed();
    stop?.();
  }
}
