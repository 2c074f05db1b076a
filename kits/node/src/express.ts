/** Middleware for Express, Connect, and others that take `(request, response, next)` of Node's server. */

import type { IncomingMessage, ServerResponse } from "node:http";
import {
  Authenticator,
  isSessionHeader,
  pathOf,
  receivedFrom,
  refusalOf,
  type SessionOptions,
} from "./authenticator.ts";
import { ResponseChannel } from "./channel.ts";
import { Session } from "./session.ts";

declare module "http" {
  interface IncomingMessage {
    /** The session of a request that `sessionMiddleware` of vestibule-session has verified. */
    vestibuleSession: Session;
  }
}

export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>;

/**
 * Returns middleware that verifies each request, and makes its session `request.vestibuleSession`.
 * `request.session` is left to express-session.
 *
 * What does not come from Vestibule gets 401 (no proof) or 403 (a wrong one). Without options, the
 * settings come from the environment.
 */
export function sessionMiddleware(options: SessionOptions = {}): Middleware {
  const authenticator = new Authenticator(options);
  return async (request, response, next) => {
    if (request.vestibuleSession) return next();
    let channel: ResponseChannel;
    try {
      channel = await channelFor(authenticator, request);
    } catch (error) {
      return refuse(response, error, next);
    }
    request.vestibuleSession = new Session(channel);
    carryChanges(channel, response);
    next();
  };
}

async function channelFor(
  authenticator: Authenticator,
  request: IncomingMessage & { originalUrl?: string },
): Promise<ResponseChannel> {
  try {
    const snapshot = await authenticator.authenticate(receivedFrom(request));
    return new ResponseChannel(authenticator.api, snapshot);
  } catch (error) {
    const path = pathOf(request.originalUrl ?? request.url ?? "");
    if (!authenticator.isOpen(path, error)) throw error;
    removeSession(request);
    return new ResponseChannel(authenticator.api, null);
  }
}

/** Adds the headers of all changes when the response begins. */
function carryChanges(channel: ResponseChannel, response: ServerResponse): void {
  const { writeHead } = response;
  // Node calls it itself if the application does not.
  response.writeHead = function (this: ServerResponse, ...args: unknown[]) {
    for (const [name, value] of channel.beginResponse()) this.setHeader(name, value);
    return Reflect.apply(writeHead, this, args);
  } as typeof writeHead;
}

/** Takes out what could pass for one of Vestibule's headers. */
function removeSession(request: IncomingMessage): void {
  for (const headers of [request.headers, request.headersDistinct]) {
    for (const name of Object.keys(headers)) if (isSessionHeader(name)) delete headers[name];
  }
  const kept = request.rawHeaders.filter(
    (_, at, raw) => !isSessionHeader(raw[at - (at % 2)] ?? ""),
  );
  request.rawHeaders.splice(0, request.rawHeaders.length, ...kept);
}

function refuse(response: ServerResponse, error: unknown, next: (error?: unknown) => void): void {
  try {
    const { status, headers, body } = refusalOf(error);
    response.writeHead(status, headers).end(body);
  } catch (unexpected) {
    next(unexpected);
  }
}
