/**
 * Runs a certified OpenID provider on loopback, in the test's process. Simple pages replace its own:
 * a header, which a script can set, or the page's only field names the user who signs
 * in.
 */
import { generateKeyPairSync } from "node:crypto";
import { createServer, request as httpRequest } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
// @ts-expect-error: it has no types.
import OidcProvider from "oidc-provider";
import { freePort, listen } from "./ports.mjs";

/** The request header that names the user of a scripted browser. */
export const SIGN_IN_AS = "x-sign-in-as";

/** Used as the account, it makes the user decline. */
export const DENY = "deny";

/** @typedef {{ email?: string, name?: string, groups?: string[] }} Account */

/**
 * @typedef {object} Client
 * @property {string} client_id
 * @property {string} client_secret
 * @property {string[]} redirect_uris
 * @property {string[]} [post_logout_redirect_uris]
 * @property {string} [backchannel_logout_uri]
 */

/**
 * Faults of the token endpoint.
 * @typedef {object} TokenMood
 * @property {number} [delayMs] delay of its responses
 * @property {number} [status] it responds with this status and does nothing
 * @property {boolean} [isLost] it does everything, but its response never arrives
 */

/** @typedef {import("node:http").IncomingMessage} Message */
/** @typedef {import("node:http").ServerResponse} Reply */

/**
 * @typedef {object} Options
 * @property {Client[]} [clients]
 * @property {Record<string, Account>} [accounts] by `sub`
 */

/** The pages' forms, with the field to fill in and the button. */
const SIGN_IN = `<form><label>Account <input name="account"></label> <button>Continue</button></form>`;
const SIGN_OUT = `<button form="op.logoutForm" name="logout" value="yes">Sign out here too</button>`;

/** Notices of the library about providers that are not for production. */
const QUIET = /^oidc-provider (NOTICE|WARNING): /;

export class Provider {
  /** @type {Record<string, Account>} */
  accounts;
  /** Lifetime of access tokens issued from now on, in seconds. */
  accessTokenSeconds = 3600;
  /** @type {TokenMood} */
  tokenMood = {};
  /** Status of each logout token's delivery to a client. @type {number[]} */
  signOutAnswers = [];
  /** Called with each request and response first. @type {(request: Message, reply: Reply) => void} */
  onRequest = () => {};
  port = 0;
  #clients;
  #keys = [freshKey()];
  /** @type {Map<string, any>} its storage */
  #memory = new Map();
  /** @type {Map<string, number>} */
  #counts = new Map();
  /** @type {any} */
  #oidc;
  #server = createServer((request, reply) => void this.#serve(request, reply));

  /** @param {Options} options */
  constructor({ clients = [], accounts = {} }) {
    this.#clients = clients;
    this.accounts = accounts;
  }

  /**
   * Starts a provider that is stopped when the test ends.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {Options} [options]
   */
  static async start(t, options = {}) {
    const provider = new Provider(options);
    t.after(() => provider.stop());
    await provider.run();
    return provider;
  }

  /** Returns its issuer identifier. */
  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async run() {
    this.port ||= await freePort();
    this.#build();
    await listen(this.#server, this.port);
  }

  /** Stops listening and cuts every connection. Its storage remains, and it can `run` again. */
  async stop() {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Restarts it as after a crash: it keeps only its accounts, clients and keys. */
  async restart() {
    await this.stop();
    this.#memory.clear();
    await this.run();
  }

  /** Registers clients. @param {Client[]} clients */
  register(...clients) {
    this.#clients.push(...clients);
    this.#build();
  }

  /** Replaces the signing key; the old one is invalid at once. */
  rotateKeys() {
    this.#keys = [freshKey()];
    this.#build();
  }

  /** Returns the number of requests for a path: `/token`, `/jwks`, `/auth`, `/me`. @param {string} path */
  counted(path) {
    return this.#counts.get(path) ?? 0;
  }

  /** Returns whether an access token is valid. @param {string} token */
  async accepts(token) {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${this.url}/me`, { headers })).status === 200;
  }

  #build() {
    const { warn, info } = console;
    const mute =
      (/** @type {typeof warn} */ write) =>
      (/** @type {any[]} */ ...words) =>
        QUIET.test(String(words[0])) ? undefined : write(...words);
    Object.assign(console, { warn: mute(warn), info: mute(info) });
    try {
      this.#oidc = new OidcProvider(this.url, this.#configuration());
    } finally {
      Object.assign(console, { warn, info });
    }
    this.#oidc.on("backchannel.success", () => this.signOutAnswers.push(200));
    this.#oidc.on("backchannel.error", (/** @type {any} */ _, /** @type {any} */ error) =>
      this.signOutAnswers.push(error.response?.status ?? 0),
    );
  }

  #configuration() {
    const memory = this.#memory;
    return {
      adapter: (/** @type {string} */ model) => new Memory(model, memory),
      clients: this.#clients.map((client) => ({
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "client_secret_basic",
        backchannel_logout_session_required: client.backchannel_logout_uri !== undefined,
        ...client,
      })),
      jwks: { keys: this.#keys },
      cookies: { keys: ["of a test"] },
      claims: {
        openid: ["sub"],
        email: ["email", "email_verified"],
        profile: ["name"],
        groups: ["groups"],
      },
      conformIdTokenClaims: false,
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (/** @type {any} */ ctx, /** @type {string} */ form) => {
            ctx.body = `<!doctype html><title>Sign out?</title>${form}${SIGN_OUT}`;
          },
          postLogoutSuccessSource: (/** @type {any} */ ctx) => {
            ctx.body = "<!doctype html><title>Signed out</title>";
          },
        },
      },
      fetch: deliver,
      findAccount: (/** @type {any} */ _, /** @type {string} */ id) => this.#account(id),
      interactions: {
        url: (/** @type {any} */ _, /** @type {any} */ interaction) =>
          `/interaction/${interaction.uid}`,
      },
      issueRefreshToken: () => true,
      rotateRefreshToken: () => true,
      pkce: { required: () => true },
      renderError: (/** @type {any} */ ctx, /** @type {any} */ out) => {
        ctx.type = "json";
        ctx.body = JSON.stringify(out);
      },
      ttl: {
        AccessToken: () => this.accessTokenSeconds,
        AuthorizationCode: () => 60,
        Grant: () => 3600,
        IdToken: () => 3600,
        Interaction: () => 600,
        RefreshToken: () => 3600,
        Session: () => 3600,
      },
    };
  }

  /** @param {string} id */
  #account(id) {
    const account = this.accounts[id];
    if (!account) return undefined;
    const { email, ...rest } = account;
    const verified = email ? { email, email_verified: true } : {};
    return { accountId: id, claims: () => ({ sub: id, ...verified, ...rest }) };
  }

  /**
   * @param {Message} request
   * @param {Reply} reply
   */
  async #serve(request, reply) {
    this.onRequest(request, reply);
    const [path] = (request.url ?? "/").split("?");
    this.#counts.set(path, this.counted(path) + 1);
    if (path.startsWith("/interaction/")) return this.#interact(request, reply);
    if (path === "/token") {
      const { delayMs = 0, status, isLost } = this.tokenMood;
      if (delayMs > 0) await pause(delayMs);
      if (status) return void reply.writeHead(status).end();
      if (isLost) reply.end = () => reply.destroy();
    }
    await this.#oidc.callback()(request, reply);
  }

  /**
   * Plays the user at the provider's pages: signs in as the header names, and agrees to everything.
   * @param {Message} request
   * @param {Reply} reply
   */
  async #interact(request, reply) {
    const oidc = this.#oidc;
    try {
      const { prompt, params, grantId, session } = await oidc.interactionDetails(request, reply);
      const { searchParams } = new URL(request.url ?? "/", this.url);
      const who = request.headers[SIGN_IN_AS] ?? searchParams.get("account");
      if (who === DENY) {
        const result = { error: "access_denied", error_description: "The person said no" };
        return await oidc.interactionFinished(request, reply, result);
      }
      const accountId = prompt.name === "login" ? who : session?.accountId;
      if (!accountId) {
        reply.writeHead(200, { "content-type": "text/html" });
        return void reply.end(`<!doctype html><title>Who are you?</title>${SIGN_IN}`);
      }
      const known = grantId && (await oidc.Grant.find(grantId));
      const grant =
        known?.accountId === accountId
          ? known
          : new oidc.Grant({ accountId, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      const consent = { grantId: await grant.save() };
      await oidc.interactionFinished(request, reply, { login: { accountId }, consent });
    } catch (error) {
      // An interaction that is not in its storage.
      reply.writeHead(400, { "content-type": "text/plain" }).end(String(error));
    }
  }
}

/** A provider's storage, in the form that its library requires; the library checks expiry itself. */
class Memory {
  #model;
  #kept;

  /**
   * @param {string} model
   * @param {Map<string, any>} kept
   */
  constructor(model, kept) {
    this.#model = model;
    this.#kept = kept;
  }

  /** @param {string} id */
  #key(id) {
    return `${this.#model}:${id}`;
  }

  /**
   * @param {string} id
   * @param {any} payload
   */
  async upsert(id, payload) {
    this.#kept.set(this.#key(id), payload);
  }

  /** @param {string} id */
  async find(id) {
    return this.#kept.get(this.#key(id));
  }

  /** @param {string} uid */
  async findByUid(uid) {
    return [...this.#kept].find(
      ([key, payload]) => key.startsWith(`${this.#model}:`) && payload.uid === uid,
    )?.[1];
  }

  /** @param {string} id */
  async consume(id) {
    this.#kept.get(this.#key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  /** @param {string} id */
  async destroy(id) {
    this.#kept.delete(this.#key(id));
  }

  /** @param {string} grantId */
  async revokeByGrantId(grantId) {
    for (const [key, payload] of this.#kept) {
      if (payload.grantId === grantId) this.#kept.delete(key);
    }
  }
}

/** Creates a private signing key, as a JWK. */
function freshKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" };
}

/**
 * Sends a request to a client; every host is this machine. The library itself would refuse loopback.
 * @param {string} url
 * @param {any} init
 * @returns {Promise<Response>}
 */
function deliver(url, { method, headers, body }) {
  const { port, host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: "127.0.0.1",
        port,
        path: pathname + search,
        method,
        headers: { ...Object.fromEntries(headers), host },
      },
      (answer) => {
        answer.resume();
        resolve(new Response(null, { status: answer.statusCode }));
      },
    );
    request.on("error", reject).end(String(body));
  });
}
