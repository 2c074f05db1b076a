/**
 * Follows WebSockets: closes them soon after their session is over, when nothing was said for too long, when one end
 * does not read, and with a code that says so when the origin is lost.
 */
import { codeForBoth, warn } from "../instance.js";
import { startRevalidation } from "./revalidate.js";
import { SendQueue } from "./send_queue.js";

/** Try again later: an end that does not read is closed before it fills the isolate's memory. */
const TOO_SLOW = 1013;

/** Our own: like the statuses 401 and 408. */
const SESSION_OVER = 4401;
const IDLE = 4408;

/** Reasons of the codes that the gateway chooses. @type {Record<number, string>} */
const REASONS = { 1002: "protocol error", 1012: "connection lost" };

/** @type {import("../types.js").FollowWebSocket} */
export function followWebSocket(response, origin, { revalidate, countOpen, pauses }) {
  const closed = countOpen();
  const [client, server] = Object.values(new WebSocketPair());
  let messageAt = Date.now();
  const end = (/** @type {number} */ code, /** @type {string} */ reason) => {
    stop();
    for (const each of ends) each.close(code, reason);
    warn("socket_closed");
  };
  const tooSlow = () => end(TOO_SLOW, "too slow");
  const ends = [server, origin].map((socket) => new SendQueue(socket, tooSlow));
  /** The ends that have not closed yet: it is open until both have. */
  const open = new Set(ends);
  const stopRevalidation =
    revalidate && startRevalidation(revalidate, (reason) => end(SESSION_OVER, reason));
  const checkIdle = () => Date.now() - messageAt >= pauses.socket && end(IDLE, "idle");
  const timer = pauses.socket > 0 && setInterval(checkIdle, Math.max(pauses.socket / 4, 10));
  const stop = () => {
    stopRevalidation?.();
    if (timer) clearInterval(timer);
  };
  for (const [from, to] of [ends, ends.toReversed()]) {
    const hasClosed = (/** @type {number} */ code, /** @type {string} */ reason) => {
      stop();
      if (open.delete(from) && open.size === 0) closed();
      // The runtime would answer with whatever code came.
      from.close(code, reason);
      to.finish(code, reason);
    };
    from.socket.binaryType = "arraybuffer";
    from.socket.accept({ allowHalfOpen: true });
    from.socket.addEventListener("message", ({ data }) => {
      messageAt = Date.now();
      to.send(data);
    });
    from.socket.addEventListener("close", ({ code, reason, wasClean }) => {
      const given = codeForBoth(code, reason, wasClean);
      hasClosed(given, given === code ? reason : REASONS[given]);
    });
    from.socket.addEventListener("error", ({ message }) => {
      // The runtime has closed this end already: with a code, if what came broke the protocol.
      const given = Number(/protocolError\.statusCode = (\d+)/.exec(message)?.[1] ?? 1012);
      hasClosed(given, REASONS[given] ?? "");
    });
  }
  const { status, headers } = response;
  return new Response(null, { status, headers, webSocket: client });
}
