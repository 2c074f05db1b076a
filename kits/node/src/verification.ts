/** Ways to make sure that a request comes from Vestibule, and the settings that choose one. */

import { AssertionVerifier } from "./assertion.ts";
import { Misconfigured } from "./errors.ts";
import { OriginApi } from "./origin-api.ts";
import { ProofVerifier } from "./proof.ts";
import type { SessionHeaders } from "./snapshot.ts";

/** What is known of a request before it is believed. */
export interface Received {
  readonly method: string;
  /** As received: percent-encoded, without the query. */
  readonly path: string;
  readonly headers: SessionHeaders;
}

/** Throws `Unverified` for a request that does not come from Vestibule. */
export interface Verifier {
  verify(request: Received): Promise<void>;
}

/** Requires a valid `X-Session-Proof` (`PROOF=true`). */
export class Proof implements Verifier {
  readonly #verifier: ProofVerifier;

  constructor(verifier: ProofVerifier) {
    this.#verifier = verifier;
  }

  async verify({ method, path, headers }: Received): Promise<void> {
    const id = headers.get("x-session-id") ?? "";
    const user = headers.get("x-session-user") ?? "";
    this.#verifier.verifyProof(headers.get("x-session-proof"), { method, path, id, user });
  }
}

/** Requires a valid `X-Session-Assertion` (`ASSERTION=true`). */
export class Assertion implements Verifier {
  readonly #verifier: AssertionVerifier;

  constructor(verifier: AssertionVerifier) {
    this.#verifier = verifier;
  }

  async verify({ headers }: Received): Promise<void> {
    await this.#verifier.verifyAssertion(headers.get("x-session-assertion"), {
      tenant: headers.get("x-session-tenant") ?? "",
      id: headers.get("x-session-id") ?? "",
      user: headers.get("x-session-user") ?? "",
    });
  }
}

/** Believes every request: only Vestibule can reach this server, as the network makes sure. */
export class PrivateNetwork implements Verifier {
  async verify(_: Received): Promise<void> {}
}

/** How to verify requests, and how to reach the session API. */
export interface Settings {
  readonly verifier: Verifier;
  readonly api: OriginApi | null;
}

/** The settings of the environment, and the values that they were read from. */
let fromEnv: { readonly values: string; readonly settings: Settings } | undefined;

/** Returns those of `process.env`: one verifier for all middleware, as long as the environment stays the same. */
export function sharedSettings(): Settings {
  const { VESTIBULE_VERIFY, VESTIBULE_URL, VESTIBULE_ORIGIN_KEY } = process.env;
  const values = JSON.stringify([VESTIBULE_VERIFY, VESTIBULE_URL, VESTIBULE_ORIGIN_KEY]);
  if (fromEnv?.values !== values) fromEnv = { values, settings: settingsFromEnv() };
  return fromEnv.settings;
}

/**
 * Reads `VESTIBULE_VERIFY`, `VESTIBULE_URL` and `VESTIBULE_ORIGIN_KEY`.
 *
 * The key may be a list with commas between its members; the session API uses the first.
 */
export function settingsFromEnv(env: NodeJS.ProcessEnv = process.env): Settings {
  const url = env.VESTIBULE_URL ?? "";
  const keys = (env.VESTIBULE_ORIGIN_KEY ?? "").split(",").map((key) => key.trim());
  const api = url && keys[0] ? new OriginApi(url, keys[0]) : null;
  const verify = env.VESTIBULE_VERIFY ?? "";
  if (verify === "proof") return { verifier: new Proof(new ProofVerifier(keys)), api };
  if (verify === "network") return { verifier: new PrivateNetwork(), api };
  if (verify !== "assertion") {
    throw new Misconfigured(
      `VESTIBULE_VERIFY is ${JSON.stringify(verify)}. Set it to \`proof\`, \`assertion\`, or, if ` +
        "only Vestibule can reach this server, `network`.",
    );
  }
  if (!url) throw new Misconfigured("VESTIBULE_VERIFY=assertion needs VESTIBULE_URL.");
  return { verifier: new Assertion(new AssertionVerifier(url)), api };
}
