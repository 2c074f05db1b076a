/** Middleware for Hono. */

import type { MiddlewareHandler } from "hono";
import { Authenticator, type SessionOptions } from "./authenticator.ts";
import { openRequest } from "./fetch.ts";
import type { Session } from "./session.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** The session of a request that `sessionMiddleware` of vestibule-session has verified. */
    vestibuleSession: Session;
  }
}

/**
 * Returns middleware that verifies each request, and makes its session `c.var.vestibuleSession`.
 *
 * What does not come from Vestibule gets 401 (no proof) or 403 (a wrong one). Without options, the
 * settings come from the environment.
 */
export function sessionMiddleware(options: SessionOptions = {}): MiddlewareHandler {
  const authenticator = new Authenticator(options);
  return async (c, next) => {
    if (c.get("vestibuleSession")) return next();
    const opened = await openRequest(authenticator, c.req.raw);
    if (opened instanceof Response) return opened;
    c.req.raw = opened.request;
    c.set("vestibuleSession", opened.session);
    await next();
    for (const [name, value] of opened.channel.beginResponse()) c.header(name, value);
  };
}
