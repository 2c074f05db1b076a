/** Believes Vestibule's requests only: what all middleware of this package shares. */

import type { IncomingMessage } from "node:http";
import { Channel } from "./channel.ts";
import { Unavailable, Unverified } from "./errors.ts";
import type { OriginApi } from "./origin-api.ts";
import { Session } from "./session.ts";
import { PREFIX, parseSnapshot, type Snapshot } from "./snapshot.ts";
import { type Received, sharedSettings, type Verifier } from "./verification.ts";

export interface SessionOptions {
  /** By default, the environment chooses one: see `settingsFromEnv`. */
  readonly verifier?: Verifier | undefined;
  /** By default, that of the environment if it chooses the verifier, too. */
  readonly api?: OriginApi | null | undefined;
  /**
   * Paths that need no proof, and have no session without one. A path that ends in `*` means all that
   * begin so. A health check needs one.
   */
  readonly openPaths?: Iterable<string> | undefined;
}

/** A request that is not believed: what to answer. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class Authenticator {
  readonly api: OriginApi | null;
  readonly verifier: Verifier;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  constructor({ verifier, api, openPaths = [] }: SessionOptions = {}) {
    const settings = verifier ? { verifier, api: null } : sharedSettings();
    this.verifier = settings.verifier;
    this.api = api ?? settings.api;
    const paths = [...openPaths];
    this.#exact = new Set(paths.filter((path) => !path.endsWith("*")));
    this.#prefixes = paths.filter((path) => path.endsWith("*")).map((path) => path.slice(0, -1));
  }

  /**
   * Verifies a request that gets no response, such as the `upgrade` of a WebSocket, and returns its session.
   * Changes go through the session API. Throws `Unverified` or `Unavailable`, whose `status` to answer.
   */
  async open(request: IncomingMessage): Promise<Session> {
    const snapshot = await this.authenticate(receivedFrom(request));
    return new Session(new Channel(this.api, snapshot));
  }

  /** Verifies a request. Returns `null` for one that Vestibule forwards without a session. */
  async authenticate(request: Received): Promise<Snapshot | null> {
    await this.verifier.verify(request);
    return request.headers.get("x-session-id") ? parseSnapshot(request.headers) : null;
  }

  /** Whether a request for this path passes without a session, though this error says that it is not believed. */
  isOpen(path: string, error: unknown): boolean {
    const isListed =
      this.#exact.has(path) || this.#prefixes.some((prefix) => path.startsWith(prefix));
    return isListed && isUnbelieved(error);
  }
}

function isUnbelieved(error: unknown): error is Unverified | Unavailable {
  return error instanceof Unverified || error instanceof Unavailable;
}

/** Returns what to answer to a request that is not believed; throws other errors again. */
export function refusalOf(error: unknown): Refusal {
  if (!isUnbelieved(error)) throw error;
  const headers = { "cache-control": "no-store", "content-type": "text/plain; charset=utf-8" };
  return { status: error.status, headers, body: `${error.message}\n` };
}

/** Returns what has to be verified of a request to Node's server. */
export function receivedFrom(
  request: IncomingMessage & { originalUrl?: string },
  rawHeaders: readonly string[] = request.rawHeaders,
): Received {
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    if (!name.startsWith(PREFIX)) continue;
    // `request.headers` joins the two, as if Vestibule had sent one.
    if (headers.has(name))
      throw new Unverified(`The request has two headers ${name}; Vestibule sends one.`);
    headers.set(name, rawHeaders[at + 1] ?? "");
  }
  const url = request.originalUrl ?? request.url ?? "";
  return { method: request.method ?? "", path: pathOf(url), headers };
}

/** Returns a URL's path as it is written. */
export function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0] ?? "";
}

/** Whether a header could pass for one of Vestibule's, in any spelling that a server may read as one. */
export function isSessionHeader(name: string): boolean {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .startsWith(PREFIX);
}
