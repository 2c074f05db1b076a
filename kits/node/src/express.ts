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
import type { Verifier } from "./verification.ts";

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

/** What is known of a request, for all middleware on its way. */
interface Known {
  /** As received: those of a session that is not believed are removed from the request. */
  readonly rawHeaders: readonly string[];
  /** Who verified it last. */
  verifiedBy?: Verifier | undefined;
  /** Of all who verified it, so that their changes are combined. */
  session?: Session;
}

const requests = new WeakMap<IncomingMessage, Known>();

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
    const known = requests.get(request) ?? { rawHeaders: [...request.rawHeaders] };
    requests.set(request, known);
    if (known.verifiedBy === authenticator.verifier) return next();
    try {
      request.vestibuleSession = await open(authenticator, request, response, known);
    } catch (error) {
      return refuse(response, error, next);
    }
    next();
  };
}

async function open(
  authenticator: Authenticator,
  request: IncomingMessage & { originalUrl?: string },
  response: ServerResponse,
  known: Known,
): Promise<Session> {
  known.verifiedBy = undefined;
  try {
    const snapshot = await authenticator.authenticate(receivedFrom(request, known.rawHeaders));
    known.verifiedBy = authenticator.verifier;
    known.session ??= changeable(new ResponseChannel(authenticator.api, snapshot), response);
    return known.session;
  } catch (error) {
    const path = pathOf(request.originalUrl ?? request.url ?? "");
    if (!authenticator.isOpen(path, error)) throw error;
    removeSession(request);
    return new Session(new ResponseChannel(authenticator.api, null));
  }
}

function changeable(channel: ResponseChannel, response: ServerResponse): Session {
  carryChanges(channel, response);
  return new Session(channel);
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
