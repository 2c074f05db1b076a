/** Errors of the kit. Each says what happened, why, and what to do. */

/** Base of all errors of this package. */
export class SessionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A setting is missing or invalid. */
export class Misconfigured extends SessionError {}

/** There is no session here: the request has none, or the session is over. */
export class NoSession extends SessionError {}

/** The session has data that its request does not carry, and it was not read yet. */
export class DataOmitted extends SessionError {}

/**
 * A request does not prove that it comes from Vestibule. `status` is what the middleware answers: 401
 * if the proof is missing, 403 if it is wrong.
 */
export class Unverified extends SessionError {
  readonly status: 401 | 403 = 403;
}

/** The request carries no proof or assertion. */
export class MissingProof extends Unverified {
  override readonly status = 401;
}

/** The change must reach the browser with a response, and there is none to carry it. */
export class NeedsResponse extends SessionError {}

/** Vestibule did not accept the change. `code` is its problem code. */
export class ChangeRefused extends SessionError {
  readonly code: string;

  constructor(message: string, code = "", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The change and the session as it is now do not fit together. */
export class Conflict extends ChangeRefused {}

/** Another caller holds the session's lease, or your own lease has ended. */
export class LeaseHeld extends Conflict {
  /** Seconds until the lease ends by itself, if Vestibule says so. */
  readonly retryAfter: number | undefined;

  constructor(message: string, code: string, retryAfter?: number) {
    super(message, code);
    this.retryAfter = retryAfter;
  }
}

/** Vestibule, or its storage, did not answer. A change may have been applied. */
export class Unavailable extends SessionError {
  readonly status = 503;
}
