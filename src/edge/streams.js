/**
 * Event streams and WebSockets that are followed while they are open.
 *
 * A stream the origin breaks off looks, handed on, like one that ended well. Followed, it ends with an
 * `event: error`, so that the page knows the answer is incomplete. And what is open is closed soon
 * after its session is over: a stream with an `event: session`, a socket with the code 4401. The pump
 * of an event stream is the runtime's own: no JavaScript runs per event.
 */
import { pause } from "./waiting.js";

/** @typedef {() => Promise<{ afterMs: number } | { over: string }>} Look whether the session lives */

/** @typedef {{ opened: () => void, closed: () => void }} Count what is open */

/** Close codes (RFC 6455 section 7.4) that say what an endpoint may not say itself. */
const NO_CODE = 1005;
const LOST = 1006;

/** A service restart: clients that know it come back. */
const RESTART = 1012;

/** Our own: like the status 401. */
const SESSION_OVER = 4401;

/**
 * The answer, followed if it stays open.
 * @param {Response} response
 * @param {Look} look
 * @param {Count} count
 */
export function watched(response, look, count) {
  if (response.webSocket) return watchedSocket(response, response.webSocket, look, count);
  const type = response.headers.get("content-type") ?? "";
  if (!response.body || !type.startsWith("text/event-stream")) return response;
  const { readable, writable } = new IdentityTransformStream();
  follow(response.body, writable, look, count);
  return new Response(readable, response);
}

/**
 * @param {ReadableStream} source
 * @param {WritableStream} sink
 * @param {Look} look
 * @param {Count} count
 */
async function follow(source, sink, look, count) {
  count.opened();
  const end = new AbortController();
  const vigil = keepVigil(look, (reason) => end.abort(reason));
  try {
    await source.pipeTo(sink, { preventAbort: true, signal: end.signal });
  } catch {
    const over = end.signal.aborted;
    const last = over
      ? `\n\nevent: session\ndata: {"code":"${end.signal.reason}"}\n\n`
      : 'event: error\ndata: {"code":"origin_lost"}\n\n';
    // Either side may have gone; writing to a client that left fails, and that is fine.
    const writer = sink.getWriter();
    await writer
      .write(new TextEncoder().encode(last))
      .then(() => writer.close())
      .catch(() => {});
    warn(over ? "stream_closed" : "stream_broken");
  } finally {
    count.closed();
    vigil.end();
  }
}

/**
 * @param {Response} response
 * @param {WebSocket} origin
 * @param {Look} look
 * @param {Count} count
 */
function watchedSocket(response, origin, look, count) {
  count.opened();
  let isCounted = true;
  const ended = () => {
    if (isCounted) count.closed();
    isCounted = false;
    vigil.end();
  };
  const [client, server] = Object.values(new WebSocketPair());
  const vigil = keepVigil(look, (reason) => {
    server.close(SESSION_OVER, reason);
    origin.close(SESSION_OVER, reason);
    warn("socket_closed");
  });
  for (const [from, to] of [
    [origin, server],
    [server, origin],
  ]) {
    from.binaryType = "arraybuffer";
    from.accept();
    from.addEventListener("message", ({ data }) => to.send(data));
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

/**
 * Looks now and then until it is over or ended.
 * @param {Look} look
 * @param {(reason: string) => void} over
 */
function keepVigil(look, over) {
  let open = true;
  const keep = async () => {
    while (open) {
      const seen = await look();
      if (!open) return;
      if ("over" in seen) return over(seen.over);
      await pause(seen.afterMs);
    }
  };
  keep().catch(() => warn("vigil_broken"));
  return {
    end() {
      open = false;
    },
  };
}

/** @param {string} event */
function warn(event) {
  console.warn(JSON.stringify({ level: "warn", event }));
}
