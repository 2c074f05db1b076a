/** The session API for origins (docs/reference/paths.md): reads, changes and ends a session by name. */

import { bodyOf, type Change } from "./change.ts";
import { Channel } from "./channel.ts";
import {
  ChangeRefused,
  Conflict,
  LeaseHeld,
  Misconfigured,
  NoSession,
  type SessionError,
  Unavailable,
} from "./errors.ts";
import { type JsonObject, parseObject, writeJson } from "./json.ts";
import { Session } from "./session.ts";
import { siteOf } from "./site.ts";
import type { Snapshot } from "./snapshot.ts";

/** The right to change a session's data. A late holder's token is refused. */
export interface Lease {
  readonly token: number;
  /** Unix seconds. */
  readonly until: number;
  /** Whether Vestibule refuses changes without the token. Release 0.2 does not. */
  readonly exclusive: boolean;
}

export interface LeaseOptions {
  /** Time until the lease ends by itself, 1 to 300. Default: 30. */
  readonly seconds?: number | undefined;
  /** Seconds, up to 10, to wait while another caller holds it. Default: 0. */
  readonly wait?: number | undefined;
  /** Extends the lease that has this token. */
  readonly token?: number | undefined;
}

export interface OriginApiOptions {
  /** Vestibule's `PREFIX`. */
  readonly prefix?: string;
  /** Seconds for a call, besides what it waits for a lease. Default: 5. */
  readonly timeout?: number;
}

const NOTHING_KNOWN: Omit<Snapshot, "id"> = {
  tenant: "",
  user: null,
  email: null,
  name: null,
  groups: [],
  groupsOmitted: 0,
  data: {},
  dataOmitted: false,
  env: {},
  state: "active",
  created: 0,
  expires: 0,
};

/** Calls the session API of one Vestibule host with the tenant's `ORIGIN_KEY`. */
export class OriginApi {
  readonly #site: string;
  readonly #base: string;
  readonly #authorization: string;
  readonly #timeout: number;

  constructor(url: string, key: string, options: OriginApiOptions = {}) {
    const { prefix = "/_session", timeout = 5 } = options;
    this.#site = siteOf(url);
    if (!/^\P{Cc}+$/u.test(key))
      throw new Misconfigured("The session API needs the tenant's ORIGIN_KEY, on one line.");
    this.#base = `${url.replace(/\/+$/, "")}${prefix}/api/sessions`;
    // A header is a string of bytes: those of the key in UTF-8.
    this.#authorization = `Bearer ${Buffer.from(key).toString("latin1")}`;
    this.#timeout = timeout;
  }

  /** Reads a session by its name, to use and change it outside of requests. */
  async read(name: string): Promise<Session> {
    const snapshot = await this.load({ ...NOTHING_KNOWN, id: name });
    return new Session(new Channel(this, snapshot));
  }

  /** Reads a session again. `known` lends what the API does not return: tenant, `env` and state. */
  async load(known: Snapshot): Promise<Snapshot> {
    return merged(known, await this.#call("GET", known));
  }

  /** Applies `patch`, `ttl` or `destroy`; returns the session as it is then. */
  async change(session: Snapshot, change: Change): Promise<Snapshot> {
    if (change.destroy) {
      await this.#call("DELETE", session);
      return session;
    }
    const body = { ...bodyOf(change), ...beginOf(session) };
    return merged(session, await this.#call("PATCH", session, { body, wait: change.wait }));
  }

  /** Takes the exclusive lease of a session, or extends the one with this token. */
  async lease(session: Snapshot, options: LeaseOptions = {}): Promise<Lease> {
    const { seconds = 30, wait, token } = options;
    const body = { seconds, wait, token, exclusive: true, ...beginOf(session) };
    const taken = await this.#call("POST", session, { suffix: "/lease", body, wait });
    return {
      token: Number(taken.token),
      until: Number(taken.until),
      exclusive: taken.exclusive === true,
    };
  }

  /** Gives a lease back. One that ran out is given back already. */
  async release(session: Snapshot, { token }: Lease): Promise<void> {
    await this.#call("DELETE", session, { suffix: "/lease", body: { token } });
  }

  /**
   * Says whether a server takes requests; `origin` is its name in `ORIGINS`. One that does not is skipped in every
   * location, for 150 seconds at most. Needs CONSISTENCY=strong.
   */
  async ready(origin: string, isReady: boolean): Promise<void> {
    const url = `${this.#base.replace(/sessions$/, "origins")}/${encodeURIComponent(origin)}/${isReady ? "ready" : "unready"}`;
    const headers = { authorization: this.#authorization };
    const answer = await this.#send(url, { method: "POST", headers, redirect: "manual" }, 0);
    if (answer.status === 404) {
      throw new Misconfigured(
        `No server of Vestibule is called ${JSON.stringify(origin)}. Use its name in ORIGINS.`,
      );
    }
    if (!answer.ok) throw errorOf(answer, jsonOf(await answer.text()) ?? {});
  }

  async #call(
    method: string,
    { id }: Snapshot,
    {
      suffix = "",
      body,
      wait = 0,
    }: { suffix?: string; body?: object; wait?: number | undefined } = {},
  ): Promise<JsonObject> {
    if (/^\.*$/.test(id)) throw new NoSession("This is no name of a session: read X-Session-Id.");
    const headers: Record<string, string> = { authorization: this.#authorization };
    if (body) headers["content-type"] = "application/json";
    // With CONSISTENCY=eventual a condition is required; a merge patch suits any version.
    if (method === "PATCH") headers["if-match"] = "*";
    const url = `${this.#base}/${encodeURIComponent(id)}${suffix}`;
    const init = { method, headers, redirect: "manual" as const };
    const text = body && writeJson(body);
    const answer = await this.#send(url, { ...init, ...(text && { body: text }) }, wait);
    const content = await answer.text().catch((error) => {
      throw this.#unreachable(error);
    });
    if (!answer.ok) throw errorOf(answer, jsonOf(content) ?? {});
    if (content === "") return {};
    return jsonOf(content) ?? fail();
  }

  async #send(url: string, init: RequestInit, wait: number): Promise<Response> {
    const signal = AbortSignal.timeout(1000 * (this.#timeout + wait));
    try {
      return await fetch(url, { ...init, signal });
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  #unreachable(error: unknown): Unavailable {
    return new Unavailable(
      `Vestibule does not answer at ${this.#site}: ${reasonOf(error)}. Check VESTIBULE_URL, and try again.`,
      { cause: error },
    );
  }
}

/** Names the start of the session, so that a guest's record may begin, and no other session. */
function beginOf({ created }: Snapshot): { begin?: number } {
  return created ? { begin: created } : {};
}

function merged(known: Snapshot, answer: JsonObject): Snapshot {
  const { handle, groups, ...others } = answer as Partial<Snapshot> & JsonObject;
  if (typeof handle !== "string") return fail();
  return Object.freeze({
    ...known,
    id: handle,
    user: others.user ?? null,
    email: others.email ?? null,
    name: others.name ?? null,
    groups: groups ?? [],
    groupsOmitted: Number(others.groups_omitted ?? 0),
    data: others.data ?? {},
    dataOmitted: false,
    created: others.created ?? known.created,
    expires: others.expires ?? known.expires,
  });
}

function fail(): never {
  throw new Misconfigured(
    "What answers is not the session API. Check VESTIBULE_URL: it must lead to Vestibule itself.",
  );
}

function jsonOf(text: string): JsonObject | undefined {
  try {
    return parseObject(text);
  } catch {
    return undefined;
  }
}

function errorOf({ status, headers }: Response, problem: JsonObject): SessionError {
  const code = typeof problem.code === "string" ? problem.code : "";
  const said = `Vestibule answered ${status} ${code}: ${problem.detail ?? "no details"}`;
  if (status === 401 || status === 403 || status === 429) {
    return new Misconfigured(
      `${said} Check that VESTIBULE_ORIGIN_KEY is the ORIGIN_KEY of this tenant.`,
    );
  }
  if (code === "not_found") {
    return new NoSession(
      `${said} The session is over, or its user has signed in since and its name changed: read ` +
        "X-Session-Id from a newer request.",
    );
  }
  if (code === "not_recorded") {
    return new NoSession(
      `${said} Begin the record with a change in a response, or set CONSISTENCY=strong.`,
    );
  }
  if (code === "leased") {
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    return new LeaseHeld(said, code, Number.isNaN(seconds) ? undefined : seconds);
  }
  if (code === "needs_objects") return new Misconfigured(`${said} Set CONSISTENCY=strong.`);
  if (status === 409 || status === 412) return new Conflict(said, code);
  if (status === 404 || status < 400) {
    return new Misconfigured(`${said} Check VESTIBULE_URL: it must lead to Vestibule itself.`);
  }
  if (status >= 500) return new Unavailable(`${said} Try again.`);
  return new ChangeRefused(said, code);
}

/** Returns why a call failed, such as `ECONNREFUSED`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const { cause } = error;
  if (cause instanceof Error && "code" in cause) return String(cause.code);
  return error.name;
}
