/** Ways for a change to reach Vestibule: with the response, or through the session API. */

import { type Change, combine, headersOf, merge, needsCookie, patchOf } from "./change.ts";
import { ChangeRefused, Misconfigured, NeedsResponse, NoSession } from "./errors.ts";
import { checkIdentity } from "./identity.ts";
import type { Lease, LeaseOptions, OriginApi } from "./origin-api.ts";
import type { Snapshot } from "./snapshot.ts";

/** Changes one session through the session API, and remembers it as of the last change. */
export class Channel {
  readonly #api: OriginApi | null;
  #snapshot: Snapshot | null;
  #last: Promise<unknown> = Promise.resolve();
  #lastWaiting: Promise<unknown> = Promise.resolve();
  /** Number of calls that were made in turn. */
  #made = 0;

  constructor(api: OriginApi | null, snapshot: Snapshot | null) {
    this.#api = api;
    this.#snapshot = snapshot;
  }

  get hasSession(): boolean {
    return this.#snapshot !== null;
  }

  /** The session after the last change that was made here. */
  get snapshot(): Snapshot {
    if (this.#snapshot === null) {
      throw new NoSession(
        "The request has no session: Vestibule forwarded it without one (public paths and CORS " +
          "preflights), or it did not come through Vestibule and its path is open.",
      );
    }
    return this.#snapshot;
  }

  protected set snapshot(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  async patch(patch: object, conditions: Change): Promise<void> {
    await this.send({ patch: patchOf(patch), ...conditions });
  }

  async send(change: Change): Promise<void> {
    check(change);
    if (needsCookie(change)) {
      throw new NeedsResponse(
        "identify and rotate give the browser a new cookie, so they need the response of an HTTP " +
          "request that has not begun. Let the page call a route that does it.",
      );
    }
    if (change.wait && change.lease === undefined) return this.#sendWaiting(change);
    await this.#inTurn(async (api) => {
      this.snapshot = await api.change(this.snapshot, change);
    });
  }

  /** Sends a change after those before it, but lets later calls pass: one of them may be that of the lease's holder. */
  #sendWaiting(change: Change): Promise<void> {
    const api = this.#required();
    const sent = Promise.all([this.#last, this.#lastWaiting]).then(async () => {
      const before = this.#made;
      const changed = await api.change(this.snapshot, change);
      await this.#inTurn(async () => {
        if (this.#made === before) this.snapshot = changed;
        // The change is made, even if this fails.
        else this.snapshot = await api.load(this.snapshot).catch(() => this.snapshot);
      });
    });
    this.#lastWaiting = sent.catch(() => {});
    return sent;
  }

  async refresh(): Promise<void> {
    await this.#inTurn(async (api) => {
      this.snapshot = await api.load(this.snapshot);
    });
  }

  /** Not in turn: a change that waits for a lease must not hold up the caller who has it. */
  async lease(options?: LeaseOptions): Promise<Lease> {
    return this.#required().lease(this.snapshot, options);
  }

  async release(lease: Lease): Promise<void> {
    await this.#required().release(this.snapshot, lease);
  }

  /** Makes changes one after another, as they were asked for, so that the last answer is the newest. */
  #inTurn(call: (api: OriginApi) => Promise<void>): Promise<void> {
    const api = this.#required();
    const made = this.#last
      .then(() => call(api))
      .finally(() => {
        this.#made += 1;
      });
    this.#last = made.catch(() => {});
    return made;
  }

  #required(): OriginApi {
    if (this.#api === null) {
      throw new Misconfigured(
        "The session API is not configured, and no response is left to carry the change. Set " +
          "VESTIBULE_URL and VESTIBULE_ORIGIN_KEY, or pass `api: new OriginApi(...)`.",
      );
    }
    return this.#api;
  }
}

/** Collects changes for the headers of a response, until it begins. */
export class ResponseChannel extends Channel {
  #before: Snapshot | undefined;
  #change: Change = {};
  #hasBegun = false;

  override async send(change: Change): Promise<void> {
    if (this.#hasBegun) return super.send(change);
    check(change);
    const combined = combine(this.#change, change);
    headersOf(combined); // Refuses what is no JSON here, where the caller sees it.
    this.#before ??= this.snapshot;
    this.#change = combined;
    this.snapshot = foreseen(this.#before, combined);
  }

  /** Reads the session again; changes that the response will carry still show. */
  override async refresh(): Promise<void> {
    await super.refresh();
    if (this.#hasBegun) return;
    this.#before = this.snapshot;
    this.snapshot = foreseen(this.#before, this.#change);
  }

  /** Returns the headers to add, once. Later changes go through the session API. */
  beginResponse(): [name: string, value: string][] {
    const headers = this.#hasBegun ? [] : headersOf(this.#change);
    this.#hasBegun = true;
    return headers;
  }
}

/** Returns the session as Vestibule makes it of a response: identity first, then data. */
function foreseen(session: Snapshot, { identify, patch }: Change): Snapshot {
  let { data, dataOmitted } = session;
  const foreseen = { ...session };
  if (identify) {
    if (session.user !== null && session.user !== identify.user) {
      data = {};
      dataOmitted = false;
    }
    foreseen.user = identify.user;
    foreseen.email = identify.email ?? null;
    foreseen.name = identify.name ?? null;
    foreseen.groups = Object.freeze([...(identify.groups ?? [])]);
    foreseen.groupsOmitted = 0;
  }
  if (patch && !dataOmitted) data = merge(data, patch);
  return Object.freeze({ ...foreseen, data, dataOmitted });
}

/** Refuses what Vestibule would ignore. */
function check({ identify, ttl }: Change): void {
  if (ttl !== undefined && !Number.isSafeInteger(ttl))
    throw new ChangeRefused("The idle limit must be a whole number of seconds.");
  if (identify) checkIdentity(identify);
}
