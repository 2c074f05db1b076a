/** For servers that are a function of a `Request` to a `Response`. */

import { Authenticator, isSessionHeader, refusalOf, type SessionOptions } from "./authenticator.ts";
import { ResponseChannel } from "./channel.ts";
import { Session } from "./session.ts";
import { PREFIX } from "./snapshot.ts";
import type { Received } from "./verification.ts";

/** A request that was verified, or whose path is open. */
export interface Opened {
  /** Without the headers of a session that was not verified. */
  readonly request: Request;
  readonly session: Session;
  readonly isVerified: boolean;
  readonly channel: ResponseChannel;
}

/**
 * Returns a handler that verifies each request before it calls yours with the session.
 *
 * What does not come from Vestibule gets 401 (no proof) or 403 (a wrong one). Without options, the
 * settings come from the environment.
 */
export function withSession<Rest extends unknown[]>(
  handler: (request: Request, session: Session, ...rest: Rest) => Response | Promise<Response>,
  options: SessionOptions = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  const authenticator = new Authenticator(options);
  return async (received, ...rest) => {
    const opened = await openRequest(authenticator, received);
    if (opened instanceof Response) return opened;
    const { request, session, channel } = opened;
    const response = await handler(request, session, ...rest);
    const changes = channel.beginResponse();
    if (changes.length === 0) return response;
    // The headers of a response that came from `fetch` cannot be changed.
    const changed = new Response(response.body, response);
    for (const [name, value] of changes) changed.headers.set(name, value);
    return changed;
  };
}

/** Verifies a request; returns the response to one that is not believed. */
export async function openRequest(
  authenticator: Authenticator,
  request: Request,
  received = receivedFrom(request),
): Promise<Opened | Response> {
  try {
    const snapshot = await authenticator.authenticate(received);
    return opened(request, new ResponseChannel(authenticator.api, snapshot), true);
  } catch (error) {
    if (!authenticator.isOpen(received.path, error)) {
      const { status, headers, body } = refusalOf(error);
      return new Response(body, { status, headers });
    }
    const without = withoutSession(request);
    return opened(without, new ResponseChannel(authenticator.api, null), false);
  }
}

function opened(request: Request, channel: ResponseChannel, isVerified: boolean): Opened {
  return { request, session: new Session(channel), isVerified, channel };
}

function withoutSession(request: Request): Request {
  const headers = [...request.headers];
  const kept = headers.filter(([name]) => !isSessionHeader(name));
  return kept.length === headers.length ? request : new Request(request, { headers: kept });
}

/** `Headers` joins headers of one name with a comma, which no proof and no number has. */
export function receivedFrom({ method, url, headers }: Request): Received {
  const ours = [...headers].filter(([name]) => name.startsWith(PREFIX));
  return { method, path: new URL(url).pathname, headers: new Map(ours) };
}
