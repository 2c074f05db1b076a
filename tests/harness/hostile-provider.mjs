/**
 * An OpenID provider under the test's control: any number of issuers on one port, each with responses
 * and tokens that a test can alter. Without alterations it is a valid provider with one user.
 */
import { createHmac, createSign, generateKeyPairSync, KeyObject, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { CompactSign, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { listen } from "./ports.mjs";
import { CLIENT_SECRET } from "./sign-in.mjs";

/** @typedef {Record<string, any>} Claims */
/** @typedef {"discovery" | "jwks" | "authorize" | "token" | "userinfo" | "elsewhere"} Route */

/**
 * @typedef {object} Answer
 * @property {number} [status]
 * @property {Record<string, string>} [headers]
 * @property {unknown} [body] bytes or text unchanged, anything else as JSON
 * @property {number} [delayMs]
 * @property {"hang" | "reset"} [instead] in place of a response
 */

/**
 * A request that an issuer received.
 * @typedef {object} ReceivedRequest
 * @property {Route} route
 * @property {URLSearchParams} query
 * @property {URLSearchParams} form
 * @property {import("node:http").IncomingHttpHeaders} headers
 */

/**
 * @typedef {object} SigningKey
 * @property {CryptoKey} privateKey
 * @property {CryptoKey} publicKey
 * @property {string} alg
 */

/** @param {string} alg @returns {Promise<SigningKey>} */
async function generate(alg) {
  return { ...(await generateKeyPair(alg, { extractable: true })), alg };
}

/** Every issuer signs with the first key; the second belongs to another party. */
export const KEYS = {
  own: await generate("RS256"),
  foreign: await generate("RS256"),
  elliptic: await generate("ES256"),
};

/**
 * Returns a key in its published form.
 * @param {SigningKey} key
 * @param {Record<string, unknown>} [more]
 */
export async function published({ publicKey, alg }, more = {}) {
  return { ...(await exportJWK(publicKey)), use: "sig", alg, kid: "k1", ...more };
}

export class HostileProvider {
  /** @type {Map<string, Issuer>} */
  #issuers = new Map();
  #server = createServer((request, reply) => void this.#serve(request, reply));
  #port = 0;

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static async start(t) {
    const provider = new HostileProvider();
    provider.#port = await listen(provider.#server);
    t.after(() => provider.stop());
    return provider;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Creates another issuer, unknown to every site so far. */
  issuer() {
    const name = `issuer${this.#issuers.size}`;
    const issuer = new Issuer(`http://127.0.0.1:${this.#port}/${name}`);
    this.#issuers.set(name, issuer);
    return issuer;
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} reply
   */
  async #serve(request, reply) {
    const url = new URL(request.url ?? "/", `http://127.0.0.1:${this.#port}`);
    const [, name, ...rest] = url.pathname.split("/");
    let body = "";
    for await (const chunk of request) body += chunk;
    const issuer = this.#issuers.get(name);
    if (!issuer) return void reply.writeHead(404).end();
    const route = ROUTES[rest.join("/")] ?? "elsewhere";
    const form = new URLSearchParams(body);
    const received = { route, query: url.searchParams, form, headers: request.headers };
    const answer = await issuer.answer(received);
    if (answer.delayMs) await pause(answer.delayMs);
    if (answer.instead === "hang") return;
    if (answer.instead === "reset") return void request.socket.resetAndDestroy();
    const isRaw = typeof answer.body === "string" || Buffer.isBuffer(answer.body);
    const type = { "content-type": "application/json" };
    reply.writeHead(answer.status ?? 200, { ...type, ...answer.headers });
    reply.end(isRaw ? answer.body : JSON.stringify(answer.body));
  }
}

/** @type {Record<string, Route>} */
const ROUTES = {
  ".well-known/openid-configuration": "discovery",
  jwks: "jwks",
  "cdn-cgi/access/certs": "jwks",
  authorize: "authorize",
  token: "token",
  userinfo: "userinfo",
};

export class Issuer {
  /** Every request it received. @type {ReceivedRequest[]} */
  requests = [];
  /** Nonce of each code. @type {Map<string, string>} */
  #nonces = new Map();

  /** @param {string} url its issuer identifier */
  constructor(url) {
    this.url = url;
    this.behave();
  }

  /** Removes all alterations. */
  behave() {
    /** Responses that replace or extend the usual ones. @type {Partial<Record<Route, Answer>>} */
    this.answers = {};
    /** Alters the callback URL. @type {(query: URLSearchParams) => void} */
    this.returning = () => {};
    /** Lifetime of access tokens, in seconds. There is no refresh token. */
    this.expiresIn = 300;
    /** Alters the claims of an ID token. @type {(claims: Claims) => Claims} */
    this.claims = (claims) => claims;
    /** Signs the claims. @type {(claims: Claims) => string | Promise<string>} */
    this.sign = (claims) => sign(claims);
  }

  /** @param {Route} route */
  count(route) {
    return this.requests.filter((received) => received.route === route).length;
  }

  /** Returns a URL that redirects lead to. */
  get elsewhere() {
    return `${this.url}/elsewhere`;
  }

  /**
   * Returns the claims that every kind of token has.
   * @param {string} audience
   * @param {Claims} [more]
   * @returns {Claims}
   */
  token(audience, more = {}) {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.url, aud: audience, sub: "alice", iat: now, exp: now + 300, ...more };
  }

  /**
   * Returns the claims of a logout token.
   * @param {Claims} [more]
   */
  logoutToken(more = {}) {
    return this.token("vestibule", { jti: randomUUID(), events: { [LOGOUT]: {} }, ...more });
  }

  /** @param {ReceivedRequest} received @returns {Promise<Answer>} */
  async answer(received) {
    this.requests.push(received);
    const usual = await this.#usual(received);
    const altered = this.answers[received.route];
    return { ...usual, ...altered, headers: { ...usual.headers, ...altered?.headers } };
  }

  /** @param {ReceivedRequest} received @returns {Promise<Answer>} */
  async #usual({ route, query, form }) {
    switch (route) {
      case "discovery":
        return { body: this.metadata() };
      case "jwks":
        return { body: { keys: [await published(KEYS.own)] } };
      case "authorize":
        return { status: 302, headers: { location: this.#wayBack(query) }, body: "" };
      case "token":
        return { body: await this.#tokens(form.get("code") ?? "") };
      case "userinfo":
        return {
          body: { sub: "alice", email: "userinfo@alice.example", email_verified: true },
        };
      default:
        // Keys of another party, for Workers that follow the redirect.
        return { body: { keys: [await published(KEYS.foreign)] } };
    }
  }

  /** Returns the discovery document. */
  metadata() {
    return {
      issuer: this.url,
      authorization_endpoint: `${this.url}/authorize`,
      token_endpoint: `${this.url}/token`,
      userinfo_endpoint: `${this.url}/userinfo`,
      jwks_uri: `${this.url}/jwks`,
      end_session_endpoint: `${this.url}/end`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256", "ES256"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    };
  }

  /** @param {URLSearchParams} query */
  #wayBack(query) {
    const code = randomUUID();
    this.#nonces.set(code, query.get("nonce") ?? "");
    const url = new URL(query.get("redirect_uri") ?? "");
    const back = new URLSearchParams({ code, state: query.get("state") ?? "", iss: this.url });
    this.returning(back);
    url.search = back.toString();
    return url.href;
  }

  /** @param {string} code */
  async #tokens(code) {
    const nonce = this.#nonces.get(code);
    const address = { email: "alice@example.com", email_verified: true };
    const claims = this.token("vestibule", { nonce, sid: code, ...address });
    return {
      access_token: `access-${code}`,
      token_type: "Bearer",
      expires_in: this.expiresIn,
      id_token: await this.sign(this.claims(claims)),
    };
  }
}

const LOGOUT = "http://schemas.openid.net/event/backchannel-logout";

/**
 * Signs a JWT.
 * @param {unknown} claims
 * @param {{ header?: Record<string, unknown>, key?: SigningKey }} [as]
 */
export function sign(claims, { header = {}, key = KEYS.own } = {}) {
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  const all = { alg: key.alg, kid: "k1", ...header };
  const signing = new CompactSign(payload).setProtectedHeader(all);
  return signing.sign(key.privateKey, { crit: { x: true } });
}

/**
 * Signs a logout token.
 * @param {Claims} claims
 * @param {{ header?: Record<string, unknown>, key?: SigningKey }} [as]
 */
export function signLogout(claims, { header = {}, key } = {}) {
  return sign(claims, { header: { typ: "logout+jwt", ...header }, key });
}

/** @param {unknown} value */
function encoded(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/**
 * Signs a JWT with a shared secret.
 * @param {Claims} claims
 * @param {string | Buffer} secret
 * @param {Record<string, unknown>} header
 */
function hmac(claims, secret, header) {
  const input = `${encoded({ alg: "HS256", kid: "k1", ...header })}.${encoded(claims)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/**
 * Signs a JWT with unencoded claims (RFC 7797). Its signature is valid only if the header `b64` is ignored.
 * @param {Claims} claims
 * @param {Record<string, unknown>} header
 */
function unencoded(claims, header) {
  const input = `${encoded({ alg: "RS256", kid: "k1", b64: false, ...header })}.${encoded(claims)}`;
  const key = KeyObject.from(KEYS.own.privateKey);
  return `${input}.${createSign("sha256").update(input).sign(key, "base64url")}`;
}

/** @typedef {(claims: Claims, issuer: Issuer, header: Record<string, unknown>) => string | Promise<string>} Forge */

/**
 * Forged tokens, with any claims. `header` is that of a valid token of this kind.
 * @type {[what: string, forge: Forge][]}
 */
export const FORGED_TOKENS = [
  [
    "without a signature, alg none",
    (claims, _, header) => `${encoded({ alg: "none", ...header })}.${encoded(claims)}.`,
  ],
  [
    "with a signature, alg none",
    async (claims, _, header) => {
      const [, payload, signature] = (await sign(claims, { header })).split(".");
      return `${encoded({ alg: "none", kid: "k1", ...header })}.${payload}.${signature}`;
    },
  ],
  [
    "with HS256, keyed by the public key as PEM",
    async (claims, _, header) => hmac(claims, await exportSPKI(KEYS.own.publicKey), header),
  ],
  [
    "with HS256, keyed by the public key as JWK",
    async (claims, _, header) => hmac(claims, JSON.stringify(await published(KEYS.own)), header),
  ],
  [
    "with HS256, keyed by the client secret",
    (claims, _, header) => hmac(claims, CLIENT_SECRET, header),
  ],
  [
    "signed by a foreign key with a known kid",
    (claims, _, header) => sign(claims, { header, key: KEYS.foreign }),
  ],
  [
    "signed by a foreign key with an unknown kid",
    (claims, _, header) => sign(claims, { header: { ...header, kid: "k2" }, key: KEYS.foreign }),
  ],
  [
    "signed by a foreign key without kid",
    (claims, _, header) =>
      sign(claims, { header: { ...header, kid: undefined }, key: KEYS.foreign }),
  ],
  [
    "signed by another type of key with a known kid",
    (claims, _, header) => sign(claims, { header, key: KEYS.elliptic }),
  ],
  [
    "with its own key URL (jku)",
    (claims, { elsewhere }, header) =>
      sign(claims, { header: { ...header, jku: elsewhere }, key: KEYS.foreign }),
  ],
  [
    "with its own certificate URL (x5u)",
    (claims, { elsewhere }, header) =>
      sign(claims, { header: { ...header, x5u: elsewhere }, key: KEYS.foreign }),
  ],
  [
    "with its own key (jwk)",
    async (claims, _, header) =>
      sign(claims, {
        header: { ...header, jwk: await published(KEYS.foreign) },
        key: KEYS.foreign,
      }),
  ],
  [
    "with an unknown critical header (crit)",
    (claims, _, header) => sign(claims, { header: { ...header, crit: ["x"], x: 1 } }),
  ],
  [
    "with unencoded claims (b64)",
    (claims, _, header) => unencoded(claims, { ...header, crit: ["b64"] }),
  ],
  [
    "with unencoded claims that crit does not list",
    (claims, _, header) => unencoded(claims, header),
  ],
  [
    "of another type (typ)",
    (claims, _, header) => sign(claims, { header: { ...header, typ: "secevent+jwt" } }),
  ],
  [
    "with a kid that is not a string",
    async (claims, _, header) => {
      const [, payload, signature] = (await sign(claims, { header })).split(".");
      return `${encoded({ alg: "RS256", ...header, kid: ["k1"] })}.${payload}.${signature}`;
    },
  ],
  ["in five parts", async (claims, _, header) => `${await sign(claims, { header })}.a.b`],
  [
    "with one bit of the signed text flipped",
    async (claims, _, header) => {
      const [head, , signature] = (await sign(claims, { header })).split(".");
      return `${head}.${encoded({ ...claims, admin: true })}.${signature}`;
    },
  ],
  [
    "with an empty signature",
    async (claims, _, header) => (await sign(claims, { header })).replace(/[^.]*$/, ""),
  ],
  ["with claims that are not an object", (_, __, header) => sign([1], { header })],
  ["that is not a JWT", () => "no token"],
];

const now = () => Math.floor(Date.now() / 1000);

/**
 * Correctly signed tokens with claims that must be rejected.
 * @type {[what: string, alter: (claims: Claims) => Claims][]}
 */
export const INVALID_CLAIMS = [
  ["exp as a string", (claims) => ({ ...claims, exp: `${claims.exp}` })],
  ["exp as a fraction in the past", (claims) => ({ ...claims, exp: now() - 120.5 })],
  ["exp beyond the largest integer", (claims) => ({ ...claims, exp: 1e300 })],
  ["exp as null", (claims) => ({ ...claims, exp: null })],
  ["exp as a list", (claims) => ({ ...claims, exp: [claims.exp] })],
  ["exp as true", (claims) => ({ ...claims, exp: true })],
  ["exp below zero", (claims) => ({ ...claims, exp: -1 })],
  ["no exp", ({ exp: _, ...claims }) => claims],
  ["exp in the past", (claims) => ({ ...claims, exp: now() - 120, iat: now() - 300 })],
  ["nbf in the future", (claims) => ({ ...claims, nbf: now() + 200 })],
  ["nbf as a string", (claims) => ({ ...claims, nbf: `${now()}` })],
  ["iat in the future", (claims) => ({ ...claims, iat: now() + 200, exp: now() + 500 })],
  ["iat as a string", (claims) => ({ ...claims, iat: `${claims.iat}` })],
  ["no iat", ({ iat: _, ...claims }) => claims],
  ["another audience", (claims) => ({ ...claims, aud: "somebody" })],
  ["no audience", ({ aud: _, ...claims }) => claims],
  ["an empty list of audiences", (claims) => ({ ...claims, aud: [] })],
  ["several audiences and no azp", (claims) => ({ ...claims, aud: [claims.aud, "somebody"] })],
  ["another client's azp", (claims) => ({ ...claims, aud: [claims.aud, "b"], azp: "b" })],
  ["another issuer", (claims) => ({ ...claims, iss: "https://id.example" })],
  ["an issuer with a trailing slash", (claims) => ({ ...claims, iss: `${claims.iss}/` })],
  ["an issuer in a list", (claims) => ({ ...claims, iss: [claims.iss] })],
  ["no issuer", ({ iss: _, ...claims }) => claims],
];

/**
 * Correctly signed tokens with an invalid subject.
 * @type {typeof INVALID_CLAIMS}
 */
export const INVALID_SUBJECTS = [
  ["an empty sub", (claims) => ({ ...claims, sub: "" })],
  ["a sub of 300 characters", (claims) => ({ ...claims, sub: "x".repeat(300) })],
  ["a sub that is a number", (claims) => ({ ...claims, sub: 7 })],
  ["no sub", ({ sub: _, ...claims }) => claims],
];

/** Returns unusable keys, to publish together with a good one. */
export async function unfitKeys() {
  const short = generateKeyPairSync("rsa", { modulusLength: 512 }).publicKey;
  const point = await published(KEYS.elliptic);
  return /** @type {[string, Record<string, unknown>][]} */ ([
    ["another key of the same name", await published(KEYS.foreign)],
    ["an RSA key of 512 bits", { ...short.export({ format: "jwk" }), kid: "k1", alg: "RS256" }],
    ["a point that is not on its curve", { ...point, y: point.x }],
    ["a private key", { ...(await exportJWK(KEYS.foreign.privateKey)), kid: "k1" }],
    ["a shared secret", { kty: "oct", k: "c2VjcmV0", kid: "k1", alg: "HS256" }],
    ["a key for encryption", await published(KEYS.foreign, { use: "enc" })],
    ["a key that cannot be read", { kty: "RSA", n: "*", e: 1, kid: "k1" }],
    ["a key of a kind to come", { kty: "LATTICE", crv: ["x"], kid: "k1" }],
  ]);
}
