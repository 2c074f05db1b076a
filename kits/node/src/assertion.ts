/**
 * `X-Session-Assertion`: verifies the JWT that says who is speaking (docs/reference/headers.md).
 *
 * The assertion covers tenant, session and user, not the request and not the session's data. It needs
 * no shared secret: the keys come from `/_session/jwks.json`.
 */

import {
  type CryptoKey,
  decodeProtectedHeader,
  errors,
  importJWK,
  type JWK,
  jwtVerify,
} from "jose";
import { MissingProof, Unavailable, Unverified } from "./errors.ts";
import { siteOf } from "./site.ts";

/** What an assertion must be of, as the request's headers have it. */
export interface Asserted {
  readonly tenant: string;
  readonly id: string;
  /** `X-Session-User`, still percent-encoded; empty for a guest. */
  readonly user: string;
}

export interface AssertionOptions {
  /** Origins of your site as browsers see it. Default: that of the address that the keys come from. */
  readonly issuers?: readonly string[];
  /** Vestibule's `PREFIX`. */
  readonly prefix?: string;
  /** Seconds that clocks may differ. Default: 10. */
  readonly leeway?: number;
}

const TYPE = "session+jwt";
const ALGORITHM = "ES256";

/** Seconds after which published keys are read again, in the background. */
const MAX_AGE = 300;

/** Least seconds between two requests for keys, however many tokens name an unknown one. */
const PAUSE = 30;

/** The same while no keys are known, so that nothing is accepted. */
const PAUSE_WITHOUT_KEYS = 2;

/** Seconds for which known keys are used while new ones cannot be had. */
const STALE = 86_400;

/** Most seconds since a token was issued. Vestibule's are valid for two minutes. */
const MAX_TOKEN_AGE = 300;

const TIMEOUT_MS = 5_000;

/** The public keys of one Vestibule host, fetched when needed and not more often. */
export class KeySet {
  readonly #url: string;
  /** Returns seconds that no change of the system's clock affects. */
  readonly #clock: () => number;
  #keys: ReadonlyMap<string, CryptoKey> = new Map();
  #fetched = Number.NEGATIVE_INFINITY;
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(url: string, clock = () => performance.now() / 1000) {
    this.#url = url;
    this.#clock = clock;
  }

  /** Returns the key of that name. Throws `Unverified` if Vestibule publishes no such key. */
  async find(keyId: string): Promise<CryptoKey> {
    if (this.#isDue(keyId)) {
      this.#asking ??= this.#fetch().finally(() => {
        this.#asking = undefined;
      });
      if (this.#isStale || !this.#keys.has(keyId)) await this.#asking;
    }
    if (this.#isStale)
      throw new Unavailable(`The keys at ${this.#url} cannot be read. Check VESTIBULE_URL.`);
    const key = this.#keys.get(keyId);
    if (key === undefined) {
      throw new Unverified(`X-Session-Assertion names a key that ${this.#url} does not publish.`);
    }
    return key;
  }

  get #isStale(): boolean {
    return this.#clock() - this.#fetched > STALE;
  }

  #isDue(keyId: string): boolean {
    const now = this.#clock();
    if (now - this.#fetched < MAX_AGE && this.#keys.has(keyId)) return false;
    const pause = this.#isStale ? PAUSE_WITHOUT_KEYS : PAUSE;
    return this.#asking !== undefined || now - this.#asked >= pause;
  }

  /** Reads the keys; keeps those that it has if that fails. */
  async #fetch(): Promise<void> {
    try {
      const answer = await fetch(this.#url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) return;
      const { keys } = (await answer.json()) as { keys: (JWK & { kid: string })[] };
      // One that cannot be imported, such as of another kind, leaves the others useful.
      const imported = await Promise.allSettled(
        keys.map(async (key) => {
          return [key.kid, (await importJWK(key, ALGORITHM)) as CryptoKey] as const;
        }),
      );
      this.#keys = new Map(
        imported.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
      );
      this.#fetched = this.#clock();
    } catch {
      // `find` says so once the keys are too old.
    } finally {
      this.#asked = this.#clock();
    }
  }
}

/** Verifies assertions with the keys that Vestibule publishes. */
export class AssertionVerifier {
  readonly #keys: KeySet;
  readonly #issuers: string[];
  readonly #leeway: number;

  constructor(url: string, options: AssertionOptions = {}) {
    const { issuers = [], prefix = "/_session", leeway = 10 } = options;
    this.#keys = new KeySet(`${url.replace(/\/+$/, "")}${prefix}/jwks.json`);
    this.#issuers = issuers.length > 0 ? [...issuers] : [siteOf(url)];
    this.#leeway = leeway;
  }

  /** Throws `Unverified` unless the assertion is genuine and is of these headers' values. */
  async verifyAssertion(assertion: string | undefined, asserted: Asserted): Promise<void> {
    if (!assertion) {
      throw new MissingProof(
        "The request has no X-Session-Assertion. Send it through Vestibule; there, ASSERTION=true " +
          "makes it add the header.",
      );
    }
    // jose takes an empty audience for none that it should check.
    if (!asserted.tenant) throw new Unverified("The request has no X-Session-Tenant.");
    const { sid, sub = "" } = await this.#claims(assertion, asserted.tenant);
    if (sid !== asserted.id || sub !== decoded(asserted.user)) {
      throw new Unverified(
        "X-Session-Assertion is of another session or user than X-Session-Id and X-Session-User name.",
      );
    }
  }

  async #claims(assertion: string, audience: string) {
    try {
      const { kid = "" } = decodeProtectedHeader(assertion);
      const { payload } = await jwtVerify(assertion, await this.#keys.find(kid), {
        algorithms: [ALGORITHM],
        audience,
        clockTolerance: this.#leeway,
        issuer: this.#issuers,
        // Also refuses a token of the future.
        maxTokenAge: MAX_TOKEN_AGE,
        requiredClaims: ["aud", "exp", "iat", "iss", "sid"],
        typ: TYPE,
      });
      return payload;
    } catch (error) {
      // `decodeProtectedHeader` throws a TypeError for what is no token.
      if (error instanceof errors.JOSEError || error instanceof TypeError)
        throw new Unverified(`X-Session-Assertion is not valid: ${error.message}.`);
      throw error;
    }
  }
}

function decoded(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    throw new Unverified("The header x-session-user is malformed. Vestibule sends none such.");
  }
}
