/**
 * Follows WebSockets. It closes them soon after their session is over, after too long an idle time, and if one end does
 * not read. A lost origin has a code of its own.
 */
import { codeForBoth, warn } from "../instance.js";
import { startRevalidation } from "./revalidate.js";
import { SendQueue } from "./send_queue.js";

/** "Try again later": closes an end that does not read before it fills the isolate's memory. */
const TOO_SLOW = 1013;

/** Vestibule's own codes, after the statuses 401 and 408. */
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
  /** Ends that have not closed yet: the socket is open until both have. */
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
      // Otherwise the runtime would reply with the received code.
      from.close(code, reason);
      to.finish(code, reason);
    };
    from.socket.binaryType = "arraybuffer";
    from.socket.accept({ allowHalfOpen: true });
    from.socket.addEventListener("message", (event) => {
      if (timer) messageAt = Date.now();
      to.send(event.data);
    });
    from.socket.addEventListener("close", ({ code, reason, wasClean }) => {
      const given = codeForBoth(code, reason, wasClean);
      hasClosed(given, given === code ? reason : REASONS[given]);
    });
    from.socket.addEventListener("error", ({ message }) => {
      // The runtime has closed this end already, with a code if a frame broke the protocol.
      const given = Number(/protocolError\.statusCode = (\d+)/.exec(message)?.[1] ?? 1012);
      hasClosed(given, REASONS[given] ?? "");
    });
  }
  const { status, headers } = response;
  return new Response(null, { status, headers, webSocket: client });
}
