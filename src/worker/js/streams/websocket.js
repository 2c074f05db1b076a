/**
 * WebSockets that are followed: closed soon after their session is over, when nothing was said for too
 * long, when one end does not read, and with a code that says so when the origin is lost.
 */
import { codeForBoth } from "../core.js";
import { warn } from "../telemetry/log_buffer.js";
import { keepVigil } from "./revalidate.js";
import { Lane } from "./send_queue.js";

/** Stands for a close frame without a code (RFC 6455 section 7.4). */
const NO_CODE = 1005;

/** Try again later: who does not read is let go before it fills the isolate's memory. */
const TOO_SLOW = 1013;

/** Our own: like the statuses 401 and 408. */
const SESSION_OVER = 4401;
const IDLE = 4408;

/** What codes mean that are ours to give. @type {Record<number, string>} */
const REASONS = { 1002: "protocol error", 1012: "connection lost" };

/**
 * @param {Response} response
 * @param {WebSocket} origin
 * @param {import("./sse.js").Watch} watch
 */
export function watchedSocket(response, origin, { look, count, pauses }) {
  count.opened();
  const [client, server] = Object.values(new WebSocketPair());
  let spoke = Date.now();
  /** The ends that have not closed yet: it is open until both have. */
  const open = new Set([server, origin]);
  /** @param {WebSocket} one */
  const gone = (one) => {
    if (open.delete(one) && open.size === 0) count.closed();
  };
  /**
   * @param {number} code
   * @param {string} reason
   */
  const end = (code, reason) => {
    ended();
    for (const lane of lanes.values()) lane.drop();
    close(server, code, reason);
    close(origin, code, reason);
    warn("socket_closed");
  };
  const tooSlow = () => end(TOO_SLOW, "too slow");
  /** What waits for each end. */
  const lanes = new Map([server, origin].map((to) => [to, new Lane(to, tooSlow)]));
  const vigil = look && keepVigil(look, (reason) => end(SESSION_OVER, reason));
  const timer =
    pauses.socket > 0 &&
    setInterval(
      () => {
        if (Date.now() - spoke >= pauses.socket) end(IDLE, "idle");
      },
      Math.max(pauses.socket / 4, 10),
    );
  const ended = () => {
    vigil?.end();
    if (timer) clearInterval(timer);
  };
  for (const [from, to] of [
    [origin, server],
    [server, origin],
  ]) {
    /**
     * @param {number} code
     * @param {string} reason
     */
    const hasClosed = (code, reason) => {
      ended();
      gone(from);
      lanes.get(from)?.drop();
      // The runtime would answer with whatever code came.
      close(from, code, reason);
      lanes.get(to)?.finish(() => close(to, code, reason));
    };
    from.binaryType = "arraybuffer";
    from.accept({ allowHalfOpen: true });
    from.addEventListener("message", ({ data }) => {
      spoke = Date.now();
      lanes.get(to)?.send(data);
    });
    from.addEventListener("close", ({ code, reason, wasClean }) => {
      const given = codeForBoth(code, reason, wasClean);
      hasClosed(given, given === code ? reason : REASONS[given]);
    });
    from.addEventListener("error", ({ message }) => {
      // The runtime has closed this end already: with a code, if what came broke the protocol.
      const given = Number(/protocolError\.statusCode = (\d+)/.exec(message)?.[1] ?? 1012);
      hasClosed(given, REASONS[given] ?? "");
    });
  }
  const { status, headers } = response;
  return new Response(null, { status, headers, webSocket: client });
}

/**
 * @param {WebSocket} socket
 * @param {number} code
 * @param {string} reason
 */
function close(socket, code, reason) {
  try {
    if (code === NO_CODE) socket.close();
    else socket.close(code, reason);
  } catch {
    // It is closed already.
  }
}
