/** The session of a request or connection, and the ways to change it. */

import type { Patch } from "./change.ts";
import type { Channel } from "./channel.ts";
import { DataOmitted } from "./errors.ts";
import type { Identity } from "./identity.ts";
import type { JsonObject } from "./json.ts";
import type { Lease, LeaseOptions } from "./origin-api.ts";
import type { SessionData, Snapshot, State } from "./snapshot.ts";

/** How a change deals with leases. */
export interface ChangeOptions {
  /** The lease that you hold. Vestibule refuses the change if it has ended. */
  readonly lease?: Lease | undefined;
  /** Seconds, up to 10, to wait while another caller's exclusive lease holds up the change. */
  readonly wait?: number | undefined;
}

/**
 * A session as of now: its members show each change that was made through this object.
 *
 * In an HTTP request a change becomes a response header, at the call, and no call to Vestibule is made.
 * Where no response is left, as in a WebSocket or a background task, it goes through the session API,
 * and the promise waits for the answer.
 *
 * Vestibule forwards some requests without a session: public paths and CORS preflights. Then `exists`
 * is false, and everything else throws `NoSession`.
 */
export class Session implements Snapshot {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get exists(): boolean {
    return this.#channel.hasSession;
  }

  get id(): string {
    return this.#channel.snapshot.id;
  }

  get tenant(): string {
    return this.#channel.snapshot.tenant;
  }

  get user(): string | null {
    return this.#channel.snapshot.user;
  }

  get email(): string | null {
    return this.#channel.snapshot.email;
  }

  get name(): string | null {
    return this.#channel.snapshot.name;
  }

  get groups(): readonly string[] {
    return this.#channel.snapshot.groups;
  }

  get groupsOmitted(): number {
    return this.#channel.snapshot.groupsOmitted;
  }

  /** Frozen: `patch` changes it. Throws `DataOmitted` if `dataOmitted`. */
  get data(): Readonly<SessionData> {
    const { data, dataOmitted } = this.#channel.snapshot;
    if (dataOmitted) {
      throw new DataOmitted(
        "The session's data is larger than MAX_DATA, so the request does not carry it. Read it with " +
          "`await session.refresh()`, or raise MAX_DATA.",
      );
    }
    return data;
  }

  get dataOmitted(): boolean {
    return this.#channel.snapshot.dataOmitted;
  }

  get env(): JsonObject {
    return this.#channel.snapshot.env;
  }

  get state(): State {
    return this.#channel.snapshot.state;
  }

  get created(): number {
    return this.#channel.snapshot.created;
  }

  get expires(): number {
    return this.#channel.snapshot.expires;
  }

  get isGuest(): boolean {
    return this.user === null;
  }

  /** Whether another server held this conversation before. */
  get isTakenOver(): boolean {
    return this.state === "takeover";
  }

  /** Merges `patch` into the data (RFC 7396): `null` removes a member. */
  async patch(patch: Patch<SessionData>, options?: ChangeOptions): Promise<this> {
    await this.#channel.patch(patch, conditions(options));
    return this;
  }

  /** Sets the idle limit of this session, from 60 seconds to the tenant's absolute limit. */
  async ttl(seconds: number, options?: ChangeOptions): Promise<this> {
    await this.#channel.send({ ttl: seconds, ...conditions(options) });
    return this;
  }

  /** Ends the session. */
  async destroy(): Promise<this> {
    await this.#channel.send({ destroy: true });
    return this;
  }

  /** Signs the user in. Only in an HTTP request: the browser gets a new cookie. */
  async identify(user: string, details: Omit<Identity, "user"> = {}): Promise<this> {
    await this.#channel.send({ identify: { ...details, user } });
    return this;
  }

  /** Replaces the id in the cookie. Only in an HTTP request: the browser gets a new cookie. */
  async rotate(): Promise<this> {
    await this.#channel.send({ rotate: true });
    return this;
  }

  /** Reads the session again, through the session API. */
  async refresh(): Promise<this> {
    await this.#channel.refresh();
    return this;
  }

  /**
   * Takes a lease through the session API, or extends the one with this `token`: until it ends, Vestibule refuses
   * changes of the data without it. Throws `LeaseHeld` while another caller has one.
   */
  lease(options?: LeaseOptions): Promise<Lease> {
    return this.#channel.lease(options);
  }

  /** Gives a lease back. One that ran out is given back already. */
  release(lease: Lease): Promise<void> {
    return this.#channel.release(lease);
  }
}

function conditions({ lease, wait }: ChangeOptions = {}): { lease?: number; wait?: number } {
  return { ...(lease && { lease: lease.token }), ...(wait !== undefined && { wait }) };
}
