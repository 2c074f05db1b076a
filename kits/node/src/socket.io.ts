/** Middleware for socket.io. */

import type { IncomingMessage } from "node:http";
import type { ExtendedError, Socket } from "socket.io";
import { Authenticator, type SessionOptions } from "./authenticator.ts";
import type { Session } from "./session.ts";

/** Type of `socket.data`. */
export interface SocketData {
  /** Changes go through the session API: a socket has no response headers. */
  session: Session;
}

/**
 * Returns middleware for `io.use` that verifies the handshake, and makes its session `socket.data.session`.
 *
 * What does not come from Vestibule is not connected: the client gets `connect_error`. Use it for the main
 * namespace, too: a proof is valid for a minute, and a client may connect to another namespace later.
 */
export function socketMiddleware(options: Omit<SessionOptions, "openPaths"> = {}) {
  const authenticator = new Authenticator(options);
  /** All namespaces of a connection share one session. */
  const sessions = new WeakMap<IncomingMessage, Promise<Session>>();
  return (
    socket: Pick<Socket, "request" | "data">,
    next: (error?: ExtendedError) => void,
  ): void => {
    const { request } = socket;
    const session = sessions.get(request) ?? authenticator.open(request);
    sessions.set(request, session);
    session.then(
      (known) => {
        socket.data.session = known;
        next();
      },
      (error) => next(refusal(error)),
    );
  };
}

/** Returns the error that the client gets. */
function refusal(error: Error & { status?: number }): ExtendedError {
  if (!error.status) return error;
  return Object.assign(new Error(error.message), { data: { status: error.status } });
}
