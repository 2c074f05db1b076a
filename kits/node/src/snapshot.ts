/** A session at one moment, as Vestibule describes it in request headers (docs/reference/headers.md). */

import { NoSession, Unverified } from "./errors.ts";
import { type JsonObject, parseObject } from "./json.ts";

/** The headers of a request that begin with `x-session-`, by name in lower case. */
export type SessionHeaders = ReadonlyMap<string, string>;

export const PREFIX = "x-session-";

/**
 * The data of your sessions. Declare its members once, and `session.data` has their types:
 *
 *     declare module "vestibule-session" {
 *       interface SessionData { visits?: number }
 *     }
 */
export interface SessionData extends JsonObject {}

const STATES = ["new", "active", "takeover", "degraded"] as const;

/**
 * How to take a session. `takeover`: this server inherits the conversation from another one. `degraded`:
 * storage is behind or silent, so the data may be old.
 */
export type State = (typeof STATES)[number];

export interface Snapshot {
  /** Public name of the session (`X-Session-Id`). No credential; a sign-in changes it. */
  readonly id: string;
  readonly tenant: string;
  /** `null` for a guest. */
  readonly user: string | null;
  readonly email: string | null;
  readonly name: string | null;
  readonly groups: readonly string[];
  /** Number of groups that did not fit into the header. */
  readonly groupsOmitted: number;
  /** Empty if `dataOmitted`; a `Session` throws `DataOmitted` then. */
  readonly data: SessionData;
  /** The data is too large for a header: `refresh` reads it. */
  readonly dataOmitted: boolean;
  /** The tenant's `env`. */
  readonly env: JsonObject;
  readonly state: State;
  /** Unix seconds. */
  readonly created: number;
  /** Unix seconds: when the session ends if it is not used again. */
  readonly expires: number;
}

/**
 * Reads a session from the headers of a request. Verifies nothing: that comes first.
 *
 * Throws `NoSession` if the headers name none, and `Unverified` if one is malformed.
 */
export function parseSnapshot(headers: SessionHeaders): Snapshot {
  const id = headers.get("x-session-id");
  if (!id) {
    throw new NoSession(
      "The request has no X-Session-Id. Either it did not come through Vestibule, or Vestibule " +
        "forwarded it without a session (public paths and CORS preflights).",
    );
  }
  return Object.freeze({
    id,
    tenant: headers.get("x-session-tenant") ?? "",
    user: read(headers, "x-session-user", text),
    email: read(headers, "x-session-email", text),
    name: read(headers, "x-session-name", text),
    groups: read(headers, "x-session-groups", list) ?? [],
    groupsOmitted: read(headers, "x-session-groups-omitted", number) ?? 0,
    data: read(headers, "x-session-data", parseObject) ?? {},
    dataOmitted: headers.has("x-session-data-omitted"),
    env: read(headers, "x-session-env", parseObject) ?? {},
    state: read(headers, "x-session-state", state) ?? "active",
    created: read(headers, "x-session-created", number) ?? 0,
    expires: read(headers, "x-session-expires", number) ?? 0,
  });
}

/** Reads one header, whose value no error repeats. */
function read<T>(headers: SessionHeaders, name: string, parse: (value: string) => T): T | null {
  const value = headers.get(name);
  if (!value) return null;
  try {
    return parse(value);
  } catch {
    throw new Unverified(`The header ${name} is malformed. Vestibule sends none such.`);
  }
}

/** Decodes what Vestibule percent-encoded: what is not ASCII, and `%` itself. */
function text(value: string): string {
  return decodeURIComponent(value);
}

function list(value: string): readonly string[] {
  return Object.freeze(value.split(",").map(text));
}

function number(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new SyntaxError("not a number");
  return Number(value);
}

function state(value: string): State {
  const known = STATES.find((one) => one === value);
  if (!known) throw new SyntaxError("not a state");
  return known;
}
