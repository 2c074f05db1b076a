/**
 * As much of Cloudflare's API as wrangler asks for when it makes a namespace or keeps a secret, so that
 * the documented commands run without an account. The real wrangler talks to it.
 */
import { createServer } from "node:http";
import { listen } from "./ports.mjs";

const ACCOUNT = "0123456789abcdef0123456789abcdef";

export class CloudflareApi {
  /** The names of the namespaces that were made. @type {string[]} */
  namespaces = [];
  /** Secrets by their name. @type {Map<string, string>} */
  secrets = new Map();
  port = 0;
  #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const result = this.#answer(`${request.method} ${request.url}`, body);
    const errors = result === undefined ? [{ code: 7003, message: "not known here" }] : [];
    response.statusCode = result === undefined ? 404 : 200;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ success: result !== undefined, errors, messages: [], result }));
  });

  /** @param {{ after: (fn: () => void) => void }} t */
  static async start(t) {
    const api = new CloudflareApi();
    api.port = await listen(api.#server);
    t.after(() => void api.#server.close());
    return api;
  }

  /** What wrangler is told, to use it. */
  get env() {
    return {
      CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${this.port}/client/v4`,
      CLOUDFLARE_API_TOKEN: "a-token-for-tests",
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
      WRANGLER_SEND_METRICS: "false",
    };
  }

  /** @param {number} number which namespace, from 0 */
  idOf(number) {
    return `${ACCOUNT.slice(0, -2)}${String(number).padStart(2, "0")}`;
  }

  /** @param {string} call @param {string} body @returns {unknown} `undefined` for what it does not know */
  #answer(call, body) {
    if (/^POST \S+\/storage\/kv\/namespaces$/.test(call)) {
      const { title } = JSON.parse(body);
      return { id: this.idOf(this.namespaces.push(title) - 1), title };
    }
    if (/^PUT \S+\/workers\/scripts\/vestibule\/secrets$/.test(call)) {
      const { name, text } = JSON.parse(body);
      this.secrets.set(name, text);
      return { name, type: "secret_text" };
    }
    if (/^GET \S+\/workers\/scripts\/vestibule\/secrets$/.test(call)) {
      return [...this.secrets.keys()].map((name) => ({ name, type: "secret_text" }));
    }
    return undefined;
  }
}
