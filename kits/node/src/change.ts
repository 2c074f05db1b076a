/** What a server asks of a session, and how response headers and the session API say it. */

import { ChangeRefused } from "./errors.ts";
import type { Identity } from "./identity.ts";
import { isObject, type Json, type JsonObject, parseObject, writeJson } from "./json.ts";

/** A JSON merge patch (RFC 7396): `null` removes a member. */
export type Patch<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Member in keyof T]?: Patch<T[Member]> | null }
    : T;

/** Changes of one session that are applied together. */
export interface Change {
  readonly patch?: JsonObject;
  readonly identify?: Identity;
  readonly ttl?: number;
  readonly rotate?: boolean;
  readonly destroy?: boolean;
  /** Token of the lease under which `patch` and `ttl` apply. */
  readonly lease?: number;
  /** Seconds to wait while another caller's lease holds up the change. */
  readonly wait?: number;
}

/** Whether the browser gets a new cookie, so that only a response can carry the change. */
export function needsCookie(change: Change): boolean {
  return change.identify !== undefined || change.rotate === true;
}

/** Returns a copy of a patch as Vestibule will read it. Throws `ChangeRefused` for what is no object of JSON. */
export function patchOf(value: object): JsonObject {
  const text = writeJson(value);
  if (!text.startsWith("{")) throw new ChangeRefused("A patch must be an object.");
  return parseObject(text);
}

/** Returns one change with the effect of both. */
export function combine(first: Change, second: Change): Change {
  const patch = composed(first.patch, second.patch);
  return { ...first, ...second, ...(patch && { patch }) };
}

/** Returns the response headers that ask for a change. */
export function headersOf(change: Change): [name: string, value: string][] {
  const headers: [string, string][] = [];
  if (change.patch) headers.push(["x-session-patch", writeJson(change.patch)]);
  if (change.identify) headers.push(["x-session-identify", writeJson(change.identify)]);
  if (change.ttl !== undefined) headers.push(["x-session-ttl", String(change.ttl)]);
  if (change.lease !== undefined) headers.push(["x-session-lease", String(change.lease)]);
  if (change.wait !== undefined) headers.push(["x-session-lease-wait", String(change.wait)]);
  if (change.rotate) headers.push(["x-session-rotate", "1"]);
  if (change.destroy) headers.push(["x-session-destroy", "1"]);
  return headers;
}

/** Returns the body of a `PATCH` that asks for a change. */
export function bodyOf({ patch, ttl, lease, wait }: Change): object {
  return { patch, ttl, lease, wait };
}

/** Applies a JSON merge patch (RFC 7396). The result is frozen. */
export function merge(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else if (isObject(value)) merged.set(name, merge(objectOr({}, merged.get(name)), value));
    else merged.set(name, value);
  }
  return Object.freeze(Object.fromEntries(merged));
}

function composed(first?: JsonObject, second?: JsonObject): JsonObject | undefined {
  if (!first || !second) return second ?? first;
  const both = new Map(Object.entries(first));
  for (const [name, value] of Object.entries(second)) {
    if (!isObject(value) || !both.has(name)) {
      both.set(name, value);
      continue;
    }
    const before = both.get(name);
    if (!isObject(before)) {
      throw new ChangeRefused(
        `Two patches of one response cannot be combined: the first replaces ${JSON.stringify(name)}, ` +
          "the second changes its members. Send one patch with the final value.",
      );
    }
    both.set(name, composed(before, value) ?? {});
  }
  return Object.freeze(Object.fromEntries(both));
}

function objectOr(other: JsonObject, value: Json | undefined): JsonObject {
  return isObject(value) ? value : other;
}
