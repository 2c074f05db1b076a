/**
 * A browser that follows sign-ins across sites, and sites that are separate tenants. So one Worker
 * serves a whole suite, and tests do not share sessions or keys.
 */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { KvServer } from "./kv.mjs";
import { Origin } from "./origin.mjs";
import { SIGN_IN_AS } from "./provider.mjs";
import { until } from "./until.mjs";
import { Vestibule } from "./workerd.mjs";

/** Maximum number of redirects that a browser follows. */
const MOST_REDIRECTS = 20;

/** @typedef {{ name: string, value: string, path: string }} Cookie */

/** The response to a request. */
export class Answer {
  /**
   * @param {string} url
   * @param {number} status
   * @param {import("node:http").IncomingHttpHeaders} headers
   * @param {string} body
   */
  constructor(url, status, headers, body) {
    this.url = url;
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** Returns a header; empty if it is absent. @param {string} name in lower case */
  header(name) {
    return String(this.headers[name] ?? "");
  }

  /** Returns the `Set-Cookie` lines. */
  get cookies() {
    return this.headers["set-cookie"] ?? [];
  }

  /** Returns the redirect's target; undefined if it is no redirect. */
  get location() {
    const { location } = this.headers;
    return location === undefined ? undefined : new URL(location, this.url);
  }

  /** Returns the `code` of problem details, or of the error page. */
  get code() {
    const found =
      /"code":"([a-z_]+)"/.exec(this.body) ??
      new RegExp(`<p class="fine">${this.status} · ([a-z_]+)`).exec(this.body);
    return found?.[1] ?? "";
  }

  json() {
    return JSON.parse(this.body);
  }
}

/**
 * @typedef {object} RequestOptions
 * @property {string} [method]
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 */

/**
 * @typedef {object} Walk
 * @property {string} [account] the account for a provider's sign-in page
 * @property {string} [before] stops before requesting this path
 */

export class Browser {
  /** Cookies by host: they do not depend on ports. @type {Map<string, Cookie[]>} */
  #jar = new Map();
  /** The current page. @type {URL | undefined} */
  #page;
  /** All responses, in order. @type {Answer[]} */
  trail = [];
  /** Headers that a proxy before the site adds to every request. @type {Record<string, string>} */
  proxied = {};

  /**
   * Opens a URL like a link on the current page, or like a typed address if there is none, and
   * follows redirects.
   * @param {string | URL} url
   * @param {Walk} [walk]
   */
  async get(url, walk = {}) {
    return this.#navigate(new URL(url), {}, walk);
  }

  /**
   * Submits a form.
   * @param {string | URL} url
   * @param {Record<string, string>} fields
   * @param {Walk & { from?: string }} [walk] `from`: the site with the form's page
   */
  async post(url, fields, { from = new URL(url).origin, ...walk } = {}) {
    this.#page = new URL(from);
    const headers = { origin: from, "content-type": "application/x-www-form-urlencoded" };
    const body = new URLSearchParams(fields).toString();
    return this.#navigate(new URL(url), { method: "POST", headers, body }, walk);
  }

  /**
   * Submits the form of a page, with some fields replaced.
   * @param {Answer} page
   * @param {Record<string, string>} [fields]
   * @param {Walk} [walk]
   */
  async submit(page, fields = {}, walk = {}) {
    const [form] = /<form[^>]*>/i.exec(page.body) ?? assert.fail(`no form: ${page.body}`);
    const attribute = (/** @type {string} */ tag, /** @type {string} */ name) =>
      new RegExp(`\\s${name}="([^"]*)"`, "i").exec(tag)?.[1].replaceAll("&amp;", "&");
    const inputs = page.body.match(/<input[^>]*type="hidden"[^>]*>/gi) ?? [];
    const hidden = inputs.map((input) => [
      attribute(input, "name") ?? "",
      attribute(input, "value") ?? "",
    ]);
    const action = new URL(attribute(form, "action") ?? page.url, page.url);
    return this.post(
      action,
      { ...Object.fromEntries(hidden), ...fields },
      { ...walk, from: new URL(page.url).origin },
    );
  }

  /**
   * Opens a URL and signs in on the way.
   * @param {string | URL} url
   * @param {{ account?: string }} [as]
   */
  signIn(url, { account = "alice" } = {}) {
    return this.get(url, { account });
  }

  /**
   * Begins a sign-in, and returns the callback URL without opening it.
   * @param {string | URL} url
   * @param {{ account?: string }} [as]
   * @returns {Promise<URL>}
   */
  async beginSignIn(url, { account = "alice" } = {}) {
    const answer = await this.get(url, { account, before: "/_session/callback" });
    if (answer.location?.pathname !== "/_session/callback") {
      assert.fail(`no way back from the provider: ${answer.status} ${answer.url} ${answer.body}`);
    }
    return answer.location;
  }

  /**
   * Sends one request of a navigation, without following redirects.
   * @param {string | URL} url
   */
  step(url) {
    return this.#request(new URL(url), {}, { ...NAVIGATION, "sec-fetch-site": "none" });
  }

  /**
   * Fetches like a script of the same site; bodies are sent as JSON.
   * @param {string | URL} url
   * @param {{ method?: string, headers?: Record<string, string>, json?: unknown }} [init]
   */
  fetchJson(url, { method = "GET", headers = {}, json } = {}) {
    const target = new URL(url);
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const bodyHeaders = /** @type {Record<string, string>} */ ({});
    if (json !== undefined) bodyHeaders["content-type"] = "application/json";
    if (method !== "GET") bodyHeaders.origin = target.origin;
    return this.#request(
      target,
      { method, ...body, headers: { ...bodyHeaders, ...headers } },
      { accept: "application/json", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" },
    );
  }

  /**
   * Sends one request without a browser's headers, like a server.
   * @param {string | URL} url
   * @param {RequestOptions} options
   */
  send(url, options) {
    return this.#request(new URL(url), options, {});
  }

  /** Requests the site's view of the session. @param {string | URL} site */
  me(site) {
    return this.fetchJson(new URL("/_session/me", site));
  }

  /** Returns the cookies of a host. @param {string | URL} url @returns {Cookie[]} */
  cookiesOf(url) {
    return this.#jar.get(new URL(url).hostname) ?? [];
  }

  /** Returns the session cookie's value; empty if there is none. @param {string | URL} url */
  sessionOf(url) {
    return this.cookiesOf(url).find(({ name }) => name === "vestibule-session")?.value ?? "";
  }

  /** Returns the cookies of pending sign-ins. @param {string | URL} url */
  signInsOf(url) {
    return this.cookiesOf(url).filter(({ name }) => name.startsWith("vestibule-session-login-"));
  }

  /** @param {string | URL} url @param {string} name @param {string} value */
  plant(url, name, value) {
    this.#keep(new URL(url), `${name}=${value}; Path=/`);
  }

  /** Deletes all cookies of a host. @param {string | URL} url */
  forget(url) {
    this.#jar.delete(new URL(url).hostname);
  }

  /**
   * @param {URL} start
   * @param {RequestOptions} options
   * @param {Walk} walk
   */
  async #navigate(start, options, { account, before }) {
    // A typed navigation stays "none" across redirects; any other becomes cross-site as soon as one
    // other site was on the way (Fetch Metadata, section 2.3).
    let site = this.#page ? relation(this.#page, start) : "none";
    let url = start;
    for (let hop = 0; ; hop += 1) {
      const headers = /** @type {Record<string, string>} */ ({
        ...NAVIGATION,
        "sec-fetch-site": site,
      });
      if (account && url.pathname.startsWith("/interaction/")) headers[SIGN_IN_AS] = account;
      const answer = await this.#request(url, options, headers);
      const next = answer.status >= 300 && answer.status < 400 ? answer.location : undefined;
      if (!next || next.pathname === before) {
        this.#page = url;
        return answer;
      }
      if (hop === MOST_REDIRECTS) assert.fail(`redirected ${hop} times, last to ${next}`);
      if (site !== "none" && relation(url, next) !== "same-origin") site = "cross-site";
      if (answer.status < 307) options = {};
      url = next;
    }
  }

  /**
   * @param {URL} url
   * @param {RequestOptions} options
   * @param {Record<string, string>} usual
   * @returns {Promise<Answer>}
   */
  #request(url, { method = "GET", headers = {}, body }, usual) {
    const cookie = this.cookiesOf(url)
      .filter(({ path }) => covers(path, url.pathname))
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
    // Node sets the length only for methods that usually have a body.
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const all = {
      ...usual,
      ...this.proxied,
      ...length,
      ...(cookie && { cookie }),
      ...headers,
      host: url.host,
    };
    // Every host is this machine, also if names below localhost do not resolve.
    const options = { host: "127.0.0.1", port: url.port, path: url.pathname + url.search, method };
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...options, agent: false, headers: all }, (message) => {
        const chunks = /** @type {Buffer[]} */ ([]);
        message.on("data", (chunk) => chunks.push(chunk)).on("error", reject);
        message.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const answer = new Answer(url.href, message.statusCode ?? 0, message.headers, text);
          for (const line of answer.cookies) this.#keep(url, line);
          this.trail.push(answer);
          resolve(answer);
        });
      });
      request.on("error", reject).end(body);
    });
  }

  /**
   * @param {URL} url
   * @param {string} line
   */
  #keep(url, line) {
    const [pair, ...rest] = line.split(";");
    const [name, value] = pair.split(/=(.*)/s);
    const attributes = new Map(
      rest.map((text) => {
        const [key, data = ""] = text.trim().split(/=(.*)/s);
        return [key.toLowerCase(), data];
      }),
    );
    const path = attributes.get("path") || "/";
    const others = this.cookiesOf(url).filter((one) => one.name !== name || one.path !== path);
    const age = attributes.get("max-age");
    const expires = Date.parse(attributes.get("expires") ?? "");
    const isOver = age === undefined ? expires <= Date.now() : Number(age) <= 0;
    this.#jar.set(url.hostname, isOver ? others : [...others, { name, value, path }]);
  }
}

const NAVIGATION = {
  accept: "text/html,application/xhtml+xml",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
};

/**
 * Returns the value of `Sec-Fetch-Site` for a request.
 * @param {URL} from
 * @param {URL} to
 */
function relation(from, to) {
  return from.origin === to.origin ? "same-origin" : "cross-site";
}

/**
 * Returns whether a cookie's path matches a request's path (RFC 6265 section 5.1.4).
 * @param {string} path
 * @param {string} requested
 */
function covers(path, requested) {
  return requested === path || requested.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** The client secret of every site. */
export const CLIENT_SECRET = "of a test: 100% + more";

/** Maximum number of sites in a suite. */
const MOST_SITES = 200;

/**
 * @typedef {object} Site
 * @property {string} id the tenant
 * @property {string} url without a final slash
 * @property {Origin} origin its chat server; responds `ok` unless replaced
 */

/** A Worker that serves any number of sites. */
export class Sites {
  /** @type {Vestibule} */
  vestibule;
  /** Storage of their documents and accounts. @type {KvServer} */
  tenants;
  #count = 0;

  /**
   * @param {Vestibule} vestibule
   * @param {KvServer} tenants
   */
  constructor(vestibule, tenants) {
    this.vestibule = vestibule;
    this.tenants = tenants;
  }

  /**
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {Pick<import("./workerd.mjs").Options, "vars" | "lags" | "users" | "builds" | "front" | "mood">} [options]
   */
  static async start(t, { vars = {}, ...options } = {}) {
    const tenants = new KvServer();
    t.after(() => tenants.stop());
    const secrets = Object.fromEntries(
      Array.from({ length: MOST_SITES }, (_, at) => [`SITE${at}__OIDC_SECRET`, CLIENT_SECRET]),
    );
    const vestibule = await Vestibule.start(t, {
      ...options,
      tenants,
      origins: [],
      vars: { ...secrets, ...vars },
    });
    return new Sites(vestibule, tenants);
  }

  /**
   * Opens another site.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {(site: Site) => Record<string, unknown>} describe fields of its document in addition to id,
   *   hosts and origins
   * @param {(request: import("./origin.mjs").Message, reply: import("./origin.mjs").Reply) => void} [handler]
   *   how its chat server responds
   * @param {string} [id]
   * @returns {Promise<Site>}
   */
  async open(t, describe, handler, id = `site${this.#count}`) {
    if (this.#count === MOST_SITES) assert.fail("more sites than the Worker has secrets for");
    this.#count += 1;
    const host = `${id}.localhost`;
    const origin = await Origin.start(t, handler);
    const site = { id, url: `http://${host}:${this.vestibule.port}`, origin };
    const document = {
      id,
      hosts: [host],
      origins: [{ url: origin.url }],
      session: { cache: "1s" },
      ...describe(site),
    };
    this.tenants.plant(`host:${host}`, id);
    this.tenants.plant(`tenant:${id}`, JSON.stringify(document));
    return site;
  }
}

/**
 * Returns a provider's entry in a tenant's document.
 * @param {string} issuer
 * @param {Record<string, unknown>} [more]
 */
export function oidcMethod(issuer, more = {}) {
  return {
    name: "main",
    title: "Main",
    issuer,
    client_id: "vestibule",
    client_secret: "secret:OIDC_SECRET",
    scopes: ["openid", "email", "profile", "groups"],
    claims: { user: "sub", email: "email", name: "name", groups: "groups" },
    token_auth: "basic",
    ...more,
  };
}

/**
 * Returns a site's registration at a provider.
 * @param {Pick<Site, "url">} site
 * @returns {import("./provider.mjs").Client}
 */
export function clientOf({ url }) {
  return {
    client_id: "vestibule",
    client_secret: CLIENT_SECRET,
    redirect_uris: [`${url}/_session/callback`],
    post_logout_redirect_uris: [`${url}/_session/signed-out`],
    backchannel_logout_uri: `${url}/_session/backchannel-logout`,
  };
}

/**
 * Returns whether a browser is signed in at a site.
 * @param {Browser} browser
 * @param {string} url
 */
export async function isIn(browser, url) {
  return (await browser.fetchJson(url)).status === 200;
}

/**
 * Sends a session's cookie repeatedly until it is refused.
 * @param {string} url
 * @param {string} session
 */
export async function refused(url, session) {
  const replay = new Browser();
  await until(
    async () => {
      replay.plant(url, "vestibule-session", session);
      return (await replay.fetchJson(url)).status === 401;
    },
    { what: "the end of the session" },
  );
}
