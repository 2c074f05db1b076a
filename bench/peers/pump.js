/**
 * A hand-written revocable WebSocket: signed in like `hand-written.js`. The Worker accepts both ends and
 * forwards every message, so that it can close the socket once its session is gone. It checks every few
 * seconds whether KV still has the session.
 */
import handWritten from "./hand-written.js";

/** Interval of the check, in milliseconds: the same as our cache period. */
const LOOK = 5_000;

export default {
  /**
   * @param {Request} request
   * @param {{ SESSIONS: KVNamespace }} env
   * @param {ExecutionContext} context
   */
  async fetch(request, env, context) {
    const response = await handWritten.fetch(request, env, context);
    if (!response.webSocket) return response;
    const id = /(?:^|; )__Host-sid=([^.;]+)/.exec(request.headers.get("cookie") ?? "")?.[1];
    return pumped(response.webSocket, () => env.SESSIONS.get(`s:${id}`));
  },
};

/**
 * @param {WebSocket} origin
 * @param {() => Promise<unknown>} look
 */
function pumped(origin, look) {
  const [client, server] = Object.values(new WebSocketPair());
  const timer = setInterval(async () => {
    if (await look()) return;
    clearInterval(timer);
    server.close(4401, "session_revoked");
    origin.close(4401, "session_revoked");
  }, LOOK);
  for (const [from, to] of [
    [origin, server],
    [server, origin],
  ]) {
    from.accept();
    from.addEventListener("message", ({ data }) => to.send(data));
    from.addEventListener("close", ({ code, reason }) => {
      clearInterval(timer);
      to.close(code === 1005 || code === 1006 ? 1001 : code, reason);
    });
  }
  return new Response(null, { status: 101, webSocket: client });
}
