/**
 * Implements the part of Cloudflare's API with which the real wrangler deploys a Worker, creates a namespace, stores a
 * secret, and accesses a namespace or database. So the documented commands run without an account.
 */
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { listen } from "./ports.mjs";

/** Cloudflare's code for a Worker that does not exist. */
const NO_WORKER = 10_007;

const ACCOUNT = "0123456789abcdef0123456789abcdef";

export class CloudflareApi {
  /** Names of the created namespaces. @type {string[]} */
  namespaces = [];
  /** Secrets by name. @type {Map<string, string>} */
  secrets = new Map();
  /** Values of all namespaces, by key. @type {Map<string, string>} */
  values = new Map();
  /** The one database for all names. */
  database = new DatabaseSync(":memory:");
  /** Bindings of the deployed Workers, as uploaded. @type {Map<string, any[]>} */
  deployed = new Map();
  /** Schedules of the deployed Workers. @type {Map<string, string[]>} */
  schedules = new Map();
  /** Whether it refuses the token. */
  refuses = false;
  port = 0;
  #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (this.refuses) {
      const errors = [{ code: 10_000, message: "Authentication error" }];
      return void response.writeHead(403).end(JSON.stringify({ success: false, errors }));
    }
    const value = this.#value(request.method ?? "", request.url ?? "");
    if (value !== undefined) return void response.end(value);
    let result;
    let message = "not known here";
    try {
      result = this.#answer(`${request.method} ${request.url}`, body);
    } catch (error) {
      // The database rejected the statement.
      message = String(error);
    }
    const isWorker = /\/workers\/(?:scripts|services|workers)\/[\w-]+(?:\/|$|\?)/.test(
      request.url ?? "",
    );
    const code = isWorker ? NO_WORKER : 7003;
    const errors = result === undefined ? [{ code, message }] : [];
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

  /** Returns the environment that makes wrangler use it. */
  get env() {
    return {
      CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${this.port}/client/v4`,
      CLOUDFLARE_API_TOKEN: "a-token-for-tests",
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
      WRANGLER_SEND_METRICS: "false",
    };
  }

  /** @param {number} number index of the namespace, from 0 */
  idOf(number) {
    return `${ACCOUNT.slice(0, -2)}${String(number).padStart(2, "0")}`;
  }

  /** Answers with a plain value. @param {string} method @param {string} url */
  #value(method, url) {
    const key = keyOf(url);
    return method === "GET" && key !== undefined ? this.values.get(key) : undefined;
  }

  /** @param {string} call @param {string} body @returns {unknown} `undefined` for an unknown call */
  #answer(call, body) {
    const key = keyOf(call);
    if (key !== undefined && call.startsWith("PUT ")) return { put: this.values.set(key, body) };
    if (key !== undefined && call.startsWith("DELETE "))
      return { deleted: this.values.delete(key) };
    if (/^GET \S+\/storage\/kv\/namespaces\/\w+\/keys\b/.test(call)) {
      const prefix = new URL(call.slice(4), "http://api").searchParams.get("prefix") ?? "";
      const names = [...this.values.keys()].filter((name) => name.startsWith(prefix));
      return names.sort().map((name) => ({ name }));
    }
    if (/^POST \S+\/d1\/database\/[\w-]+\/query$/.test(call)) {
      const results = this.database.prepare(JSON.parse(body).sql).all();
      return [{ results, success: true, meta: { duration: 0 } }];
    }
    if (/^POST \S+\/storage\/kv\/namespaces$/.test(call)) {
      const { title } = JSON.parse(body);
      return { id: this.idOf(this.namespaces.push(title) - 1), title };
    }
    const worker = this.#answerAboutWorker(call, body);
    if (worker !== undefined) return worker;
    if (/^GET \S+\/storage\/kv\/namespaces(?:\?|$)/.test(call)) {
      return this.namespaces.map((title, number) => ({ id: this.idOf(number), title }));
    }
    if (/^PUT \S+\/workers\/scripts\/[\w-]+\/secrets$/.test(call)) {
      const { name, text } = JSON.parse(body);
      this.secrets.set(name, text);
      return { name, type: "secret_text" };
    }
    if (/^GET \S+\/workers\/scripts\/[\w-]+\/secrets$/.test(call)) {
      if (this.secrets.size === 0 && this.deployed.size === 0) return undefined;
      return [...this.secrets.keys()].map((name) => ({ name, type: "secret_text" }));
    }
    return undefined;
  }

  /** Answers about a Worker's deployment. @param {string} call @param {string} body @returns {unknown} */
  #answerAboutWorker(call, body) {
    const [, method, kind, name, rest] =
      call.match(
        /^(\w+) \S+?\/workers\/(scripts|services|workers)\/([\w-]+)(\/[\w/-]+)?(?:\?\S*)?$/,
      ) ?? [];
    if (name === undefined) {
      if (/^GET \S+\/workers\/subdomain$/.test(call)) return { subdomain: "tests" };
      return /^GET \S+\/workers\/account-settings$/.test(call) ? {} : undefined;
    }
    if (method === "PUT" && kind === "scripts" && rest === undefined) {
      const [, metadata] =
        body.match(/name="metadata"\r\n(?:[^\r\n]+\r\n)*\r\n([\s\S]*?)\r\n--/) ?? [];
      this.deployed.set(name, JSON.parse(metadata).bindings);
      return { id: name, deployment_id: ACCOUNT, startup_time_ms: 1, entry_point: "index.js" };
    }
    if (method === "PUT" && rest === "/schedules") {
      this.schedules.set(
        name,
        JSON.parse(body).map((/** @type {any} */ one) => one.cron),
      );
      return { schedules: [] };
    }
    if (!this.deployed.has(name)) return undefined;
    if (kind === "services" && rest === undefined)
      return {
        default_environment: {
          environment: "production",
          script: { tag: "t", last_deployed_from: "wrangler" },
        },
      };
    if (kind === "workers" && rest === undefined)
      return { id: name, name, subdomain: { enabled: true, previews_enabled: false } };
    if (rest === "/settings") return { bindings: this.deployed.get(name) };
    if (rest === "/subdomain") return { enabled: true, previews_enabled: false };
    if (rest === "/deployments") return { deployments: [] };
    return undefined;
  }
}

/** Returns the key in a namespace that a call names. @param {string} call */
function keyOf(call) {
  const [, key] = call.match(/\/storage\/kv\/namespaces\/\w+\/values\/([^?\s]+)/) ?? [];
  return key && decodeURIComponent(key);
}
