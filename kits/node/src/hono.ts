/** Middleware for Hono. */

import type { Context, MiddlewareHandler } from "hono";
import { Authenticator, type SessionOptions } from "./authenticator.ts";
import { openRequest, receivedFrom } from "./fetch.ts";
import type { Session } from "./session.ts";
import type { Received, Verifier } from "./verification.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** The session of a request that `sessionMiddleware` of vestibule-session has verified. */
    vestibuleSession: Session;
  }
}

/** What is known of a request, for all middleware on its way. */
interface Known {
  /** As received: headers of a session that is not believed are removed from the request. */
  readonly received: Received;
  /** Who verified it last. */
  verifiedBy?: Verifier | undefined;
  /** Of all who verified it, so that their changes are combined. */
  session?: Session;
}

const requests = new WeakMap<Context, Known>();

/**
 * Returns middleware that verifies each request, and makes its session `c.var.vestibuleSession`.
 *
 * What does not come from Vestibule gets 401 (no proof) or 403 (a wrong one). Without options, the
 * settings come from the environment.
 */
export function sessionMiddleware(options: SessionOptions = {}): MiddlewareHandler {
  const authenticator = new Authenticator(options);
  return async (c, next) => {
    const known = requests.get(c) ?? { received: receivedFrom(c.req.raw) };
    requests.set(c, known);
    if (known.verifiedBy === authenticator.verifier) return next();
    const opened = await openRequest(authenticator, c.req.raw, known.received);
    if (opened instanceof Response) return opened;
    c.req.raw = opened.request;
    known.verifiedBy = opened.isVerified ? authenticator.verifier : undefined;
    if (opened.isVerified) known.session ??= opened.session;
    c.set("vestibuleSession", (opened.isVerified && known.session) || opened.session);
    await next();
    for (const [name, value] of opened.channel.beginResponse()) c.header(name, value);
  };
}
