/** Calls the admin API of a Worker that serves, deployed or on this machine. */
import { askSecret } from "./ask-password.mjs";
import { Fault } from "./progress.mjs";

/** Maximum time of a call, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Hosts of this machine: a token goes to others only over TLS. */
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|.*\.localhost)$/;

/** @typedef {{ status: number, text: string, json: any, etag: string | null }} Answer `json` is empty for a body that is none */

export class AdminApi {
  #base;
  #token;

  /**
   * @param {string} base
   * @param {string} token
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
  }

  /**
   * Takes the token from the environment, or asks for it.
   * @param {string} url the Worker's; its path is the prefix of the reserved paths, `/_session` if there is none
   */
  static async open(url) {
    const { protocol, hostname, host, pathname, origin } = new URL(url);
    if (protocol !== "https:" && !LOOPBACK.test(hostname))
      throw new Fault(`The token would be readable on the way to ${host}. Use https://${host}.`);
    const prefix = pathname === "/" ? "/_session" : pathname.replace(/\/$/, "");
    // The first of several is the newest.
    const [token] = (process.env.ADMIN_TOKEN ?? "").split(",");
    const given = token || (await askSecret(`ADMIN_TOKEN of ${host}`, "ADMIN_TOKEN"));
    return new AdminApi(`${origin}${prefix}/admin`, given.trim());
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ text?: string, json?: unknown, match?: string | null }} [sent] `match` is the ETag that must still be there
   * @param {number[]} [expected] statuses beside the successful ones that the caller handles
   * @returns {Promise<Answer>}
   */
  async call(method, path, { text, json, match } = {}, expected = []) {
    const body = json === undefined ? text : JSON.stringify(json);
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(match && { "if-match": match }),
    };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    // A redirect would take the token elsewhere.
    const init = /** @type {RequestInit} */ ({ method, headers, body, signal, redirect: "manual" });
    const response = await fetch(`${this.#base}${path}`, init).catch((error) => {
      throw new Fault(`${this.#base} does not answer: ${error.cause?.message ?? error.message}`);
    });
    const received = await response.text();
    const answer = {
      status: response.status,
      text: received,
      json: parsed(received),
      etag: response.headers.get("etag"),
    };
    if (response.ok || expected.includes(response.status)) return answer;
    throw new Fault(this.#refusal(answer));
  }

  /** @param {Answer} answer */
  #refusal({ status, json }) {
    const why = json.detail ?? json.title ?? `status ${status}`;
    if (status === 401 || status === 403)
      return `${this.#base} refused the token: ${why}\nSet ADMIN_TOKEN to the one that the Worker has.`;
    if (status === 404)
      return `${this.#base} has no such thing: ${why}\nIs the admin API open there (ADMIN_TOKEN), and its path right?`;
    return `${this.#base} refused: ${why}`;
  }
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
