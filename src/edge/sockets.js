/**
 * WebSockets that are followed: closed soon after their session is over, when nothing was said for too
 * long, and with a code that says so when the origin is lost.
 */
import { warn } from "./log.js";
import { keepVigil } from "./vigil.js";

/** Close codes (RFC 6455 section 7.4) that say what an endpoint may not say itself. */
const NO_CODE = 1005;
const LOST = 1006;

/** A service restart: clients that know it come back. */
const RESTART = 1012;

/** Try again later: who does not read is let go before it fills the isolate's memory. */
const TOO_SLOW = 1013;

/**
 * So many bytes may wait for one side when there is more to send; the runtime cannot make the other
 * side wait. An isolate has 128 MB for everything.
 */
const MOST_WAITING = 16 * 1024 * 1024;

/** Our own: like the statuses 401 and 408. */
const SESSION_OVER = 4401;
const IDLE = 4408;

/**
 * @param {Response} response
 * @param {WebSocket} origin
 * @param {import("./streams.js").Watch} watch
 */
export function watchedSocket(response, origin, { look, count, pauses }) {
  count.opened();
  let isOpen = true;
  let spoke = Date.now();
  const [client, server] = Object.values(new WebSocketPair());
  /**
   * @param {number} code
   * @param {string} reason
   */
  const end = (code, reason) => {
    close(server, code, reason);
    close(origin, code, reason);
    warn("socket_closed");
  };
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
    if (isOpen) count.closed();
    isOpen = false;
    vigil?.end();
    if (timer) clearInterval(timer);
  };
  for (const [from, to] of [
    [origin, server],
    [server, origin],
  ]) {
    from.binaryType = "arraybuffer";
    from.accept();
    from.addEventListener("message", ({ data }) => {
      spoke = Date.now();
      if (/** @type {any} */ (to).bufferedAmount > MOST_WAITING) return end(TOO_SLOW, "too slow");
      to.send(data);
    });
    from.addEventListener("close", ({ code, reason }) => {
      ended();
      close(to, code, reason);
    });
    from.addEventListener("error", () => {
      ended();
      close(to, LOST, "");
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
    else if (code === LOST) socket.close(RESTART, "connection lost");
    else socket.close(code, reason);
  } catch {
    // It is closed already.
  }
}
