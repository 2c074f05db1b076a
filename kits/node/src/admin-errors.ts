/** Errors of the admin API. Those that calls of all APIs share are in `errors.ts`. */

import { Misconfigured, SessionError, Unavailable } from "./errors.ts";

/** Vestibule refused the call. `code` is its problem code, and `status` the HTTP status. */
export class Refused extends SessionError {
  readonly code: string;
  readonly status: number;

  constructor(message: string, code: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The token does not open this. */
export class NotAllowed extends Refused {}

/** There is no such tenant, user, session or server. */
export class NotFound extends Refused {}

/** A value is not accepted; the message says which. */
export class Invalid extends Refused {}

/** The document changed since you read it, or the deployment cannot do this. */
export class StateConflict extends Refused {}

/** Too many wrong tokens, or too many passwords at once. */
export class RateLimited extends Refused {
  /** Seconds to wait, if Vestibule says so. */
  readonly retryAfter: number | undefined;

  constructor(message: string, code: string, status: number, retryAfter: number | undefined) {
    super(message, code, status);
    this.retryAfter = retryAfter;
  }
}

/** Returns the error of a response. */
export function errorOf(response: Response, code: string, detail: string): SessionError {
  const { status, headers } = response;
  const said = `Vestibule answered ${status} ${code}: ${detail}`;
  if (code === "") {
    return new Misconfigured(
      `Vestibule answered ${status} without a problem code. Check the address: it must lead to Vestibule itself.`,
    );
  }
  if (status === 401 || status === 403) return new NotAllowed(said, code, status);
  if (status === 404) return new NotFound(said, code, status);
  if (status === 409 || status === 412) return new StateConflict(said, code, status);
  if (status === 429) {
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    return new RateLimited(said, code, status, Number.isNaN(seconds) ? undefined : seconds);
  }
  if (status >= 500) return new Unavailable(`${said} Try again.`);
  return new Invalid(said, code, status);
}
