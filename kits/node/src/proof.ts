/**
 * `X-Session-Proof`: verifies that Vestibule sent a request (docs/reference/headers.md).
 *
 * It covers method, path, session and user, but no other header. Without the key a proof cannot be
 * made; but a recorded request can be sent again until its proof is too old.
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Misconfigured, MissingProof, Unverified } from "./errors.ts";

/** What a proof covers, each exactly as the request has it. */
export interface Proved {
  readonly method: string;
  /** As received: percent-encoded, without the query. */
  readonly path: string;
  /** `X-Session-Id`; empty for a request without a session. */
  readonly id: string;
  /** `X-Session-User`, still percent-encoded; empty for a guest. */
  readonly user: string;
}

export interface ProofOptions {
  /** Most seconds that clocks may differ, and that a recorded request can be sent again. Default: 60. */
  readonly maxAge?: number;
  /** Returns the time in milliseconds. */
  readonly clock?: () => number;
}

const PROOF = /^v1;t=(\d{1,15});k=([0-9a-f]{8});mac=([A-Za-z0-9_-]{43})$/;

/** Returns the text under the MAC: five lines, with a line feed between them. */
export function signedText({ method, path, id, user }: Proved, at: string): string {
  return [method, path, id, user, at].join("\n");
}

/** Returns the name of a key in a proof: the first 8 hex digits of its SHA-256. */
export function keyId(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 8);
}

/**
 * Verifies proofs with the tenant's origin keys.
 *
 * Vestibule signs with the first `ORIGIN_KEY`. To rotate, list both keys here before Vestibule signs
 * with the new one.
 */
export class ProofVerifier {
  readonly #keys: ReadonlyMap<string, string>;
  readonly #maxAge: number;
  readonly #clock: () => number;

  constructor(keys: Iterable<string>, { maxAge = 60, clock = Date.now }: ProofOptions = {}) {
    this.#keys = new Map(
      Array.from(keys, (key) => [keyId(key), key] as const).filter(([, key]) => key),
    );
    if (this.#keys.size === 0)
      throw new Misconfigured("Verifying proofs needs the tenant's ORIGIN_KEY.");
    this.#maxAge = maxAge;
    this.#clock = clock;
  }

  /** Throws `Unverified` unless the proof is genuine and fresh. */
  verifyProof(proof: string | undefined, proved: Proved): void {
    if (!proof) {
      throw new MissingProof(
        "The request has no X-Session-Proof. Send it through Vestibule; there, PROOF=true makes it " +
          "add the header.",
      );
    }
    const [, at = "", name = "", mac = ""] = PROOF.exec(proof) ?? [];
    if (mac === "") throw new Unverified("X-Session-Proof has another form than v1;t=…;k=…;mac=….");
    const key = this.#keys.get(name);
    if (key === undefined) {
      throw new Unverified(
        `X-Session-Proof is signed with the key ${name}, which is not known here. ` +
          "VESTIBULE_ORIGIN_KEY must hold the ORIGIN_KEY of Vestibule.",
      );
    }
    const expected = createHmac("sha256", key).update(signedText(proved, at)).digest("base64url");
    if (!timingSafeEqual(Buffer.from(expected), Buffer.from(mac)))
      throw new Unverified("X-Session-Proof is not for this request: the MAC differs.");
    if (Math.abs(this.#clock() / 1000 - Number(at)) > this.#maxAge) {
      throw new Unverified(
        `X-Session-Proof is more than ${this.#maxAge} seconds old. The request is a repeated one, or ` +
          "a clock is wrong.",
      );
    }
  }
}
