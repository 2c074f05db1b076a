/** Calls Cloudflare's API with wrangler's credentials. One process makes all calls of a command. */

import { nodeForWrangler, ROOT, WRANGLER } from "./places.mjs";
import { Fault } from "./progress.mjs";
import { output } from "./run.mjs";

/** Maximum time of a call, in milliseconds. */
const PATIENCE_MS = 30_000;

const BASE = process.env.CLOUDFLARE_API_BASE_URL ?? "https://api.cloudflare.com/client/v4";

/** @typedef {{ success?: boolean, result?: any, result_info?: any, errors?: { message: string }[] }} Envelope */

/** An answer whose status says what failed. */
class ApiFault extends Fault {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class CloudflareAccount {
  #script;
  #named;
  /** @type {Record<string, string> | undefined} */
  #credentials;
  /** @type {Promise<string> | undefined} */
  #account;
  /** @type {Promise<Record<string, any>[]> | undefined} */
  #deployed;

  /** @param {{ name?: string, account_id?: string }} config */
  constructor({ name, account_id: account }) {
    this.#script = name;
    this.#named = process.env.CLOUDFLARE_ACCOUNT_ID ?? account;
  }

  /**
   * Calls a path below the account.
   * @param {string} method
   * @param {string} path
   * @param {{ body?: string, json?: unknown }} [sent]
   * @returns {Promise<Response>} a successful one
   */
  async call(method, path, sent) {
    this.#account ??= this.#accountId();
    return this.#fetch(method, `/accounts/${await this.#account}${path}`, sent);
  }

  /**
   * Calls a path below the account; returns `null` if there is no such thing.
   * @param {string} path
   * @returns {Promise<string | null>}
   */
  async textOrNull(path) {
    try {
      return await (await this.call("GET", path)).text();
    } catch (error) {
      if (error instanceof ApiFault && error.status === 404) return null;
      throw error;
    }
  }

  /**
   * Returns a binding of the deployed Worker. wrangler creates a namespace or database without an id in wrangler.toml,
   * and only the Worker then knows the id.
   * @param {string} name
   * @returns {Promise<Record<string, any> | undefined>}
   */
  async binding(name) {
    this.#deployed ??= this.textOrNull(`/workers/scripts/${this.#script}/settings`).then((text) =>
      text === null ? [] : (JSON.parse(text).result?.bindings ?? []),
    );
    return (await this.#deployed).find((one) => one.name === name);
  }

  /** @returns {Promise<string>} */
  async #accountId() {
    if (this.#named) return this.#named;
    const response = await this.#fetch("GET", "/accounts");
    const { result } = /** @type {Envelope} */ (await response.json());
    if (result.length === 1) return result[0].id;
    const names = result.map((/** @type {any} */ one) => `${one.id} (${one.name})`).join(", ");
    throw new Fault(
      `Your sign-in has ${result.length} accounts: ${names}. Set CLOUDFLARE_ACCOUNT_ID to one.`,
    );
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: string, json?: unknown }} [sent]
   */
  async #fetch(method, path, { body, json } = {}) {
    this.#credentials ??= credentials();
    const headers = {
      ...this.#credentials,
      "content-type": json === undefined ? "text/plain; charset=utf-8" : "application/json",
    };
    const init = { method, headers, body: json === undefined ? body : JSON.stringify(json) };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(`${BASE}${path}`, { ...init, signal }).catch((error) => {
      throw new Fault(`Cloudflare's API does not answer: ${error.cause?.message ?? error.message}`);
    });
    if (response.ok) return response;
    const said = /** @type {Envelope} */ (await response.json().catch(() => ({})));
    const why =
      said.errors?.map(({ message }) => message).join("; ") || `status ${response.status}`;
    const isRefused = response.status === 401 || response.status === 403;
    const cure = isRefused ? " Sign in with npx wrangler login, or set CLOUDFLARE_API_TOKEN." : "";
    throw new ApiFault(response.status, `Cloudflare's API refused: ${why}.${cure}`);
  }
}

/** Returns the headers that sign in. Without a token in the environment wrangler knows them. */
function credentials() {
  const { CLOUDFLARE_API_TOKEN: token } = process.env;
  if (token) return bearer(token);
  const args = ["--no-warnings", WRANGLER, "auth", "token", "--json"];
  const printed = output(nodeForWrangler(), args, { cwd: ROOT });
  try {
    const found = JSON.parse(printed ?? "");
    if (found.token) return bearer(found.token);
    if (found.key) return { "x-auth-key": found.key, "x-auth-email": found.email };
  } catch {
    // It printed why there is none, in place of JSON.
  }
  throw new Fault(
    "You are not signed in to Cloudflare. Run npx wrangler login, or set CLOUDFLARE_API_TOKEN.",
  );
}

/** @param {string} token */
function bearer(token) {
  return { authorization: `Bearer ${token}` };
}
