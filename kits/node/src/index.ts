/** Verify, read and change the sessions that a Vestibule gateway hands to your Node server. */

export { AssertionVerifier } from "./assertion.ts";
export { Authenticator, type SessionOptions } from "./authenticator.ts";
export type { Patch } from "./change.ts";
export {
  ChangeRefused,
  Conflict,
  DataOmitted,
  LeaseHeld,
  Misconfigured,
  MissingProof,
  NeedsResponse,
  NoSession,
  SessionError,
  Unavailable,
  Unverified,
} from "./errors.ts";
export type { Identity } from "./identity.ts";
export type { Json, JsonObject } from "./json.ts";
export { type Lease, type LeaseOptions, OriginApi } from "./origin-api.ts";
export { ProofVerifier } from "./proof.ts";
export type { ChangeOptions, Session } from "./session.ts";
export type { SessionData, State } from "./snapshot.ts";
export {
  Assertion,
  PrivateNetwork,
  Proof,
  type Received,
  type Settings,
  settingsFromEnv,
  type Verifier,
} from "./verification.ts";
