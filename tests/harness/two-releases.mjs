/**
 * Runs the release before and this one side by side over one store, like a gradual deployment of Cloudflare: requests
 * go to either, and a Durable Object runs in one of them at a time.
 */
import assert from "node:assert/strict";
import { Front } from "./front.mjs";
import { CURRENT, releaseBefore } from "./release.mjs";
import { Browser, Sites } from "./sign-in.mjs";
import { until } from "./until.mjs";

/** @typedef {"before" | "current"} Release */
/** @typedef {"strong" | "eventual"} Consistency */
/** @typedef {import("./sign-in.mjs").Site} Site */
/** @typedef {(site: Site) => Record<string, any>} Describe fields of a site's document */

/**
 * @typedef {object} Scene
 * @property {TwoReleases} releases
 * @property {Site} site
 * @property {() => Visitor} newVisitor
 * @property {<T>(change: () => Promise<T>) => Promise<T>} kept makes a change, and waits until other locations
 *   see it
 */

const ADMIN_TOKEN = "operators-know-this-token";

/** Authorisation for the admin API. */
export const ADMIN = { authorization: `Bearer ${ADMIN_TOKEN}` };

/** Key of the session API for every site's chat server. */
export const ORIGIN_KEY = "servers-know-this-key";

/** Maximum number of sites, more than any suite opens. */
const MOST_SITES = 200;

const VARS = {
  ADMIN_TOKEN,
  TELEMETRY_EVERY: "200",
  ...Object.fromEntries(
    Array.from({ length: MOST_SITES }, (_, at) => [`SITE${at}__ORIGIN_KEY`, ORIGIN_KEY]),
  ),
};

/** The release of each location: the release before gets the first request by default. */
const PLACES = /** @type {const} */ (["before", "current"]);

export class TwoReleases {
  front;
  sites;
  #folders;

  /**
   * @param {Front} front
   * @param {Sites} sites
   * @param {Record<Release, string>} folders
   */
  constructor(front, sites, folders) {
    this.front = front;
    this.sites = sites;
    this.#folders = folders;
  }

  /**
   * @param {{ after: (fn: () => Promise<void> | void) => void }} t
   * @param {Release} objects the release that runs the objects
   */
  static async start(t, objects) {
    const folders = { before: releaseBefore(t), current: CURRENT };
    const front = Front.make(t);
    const builds = { places: PLACES.map((release) => folders[release]), objects: folders[objects] };
    const sites = await Sites.start(t, { vars: VARS, lags: PLACES.map(() => 0), builds, front });
    return new TwoReleases(front, sites, folders);
  }

  get vestibule() {
    return this.sites.vestibule;
  }

  /** Moves the objects to that release. @param {Release} release */
  async moveObjects(release) {
    const places = PLACES.map((place) => this.#folders[place]);
    await this.vestibule.deploy({ places, objects: this.#folders[release] });
  }

  /** Makes one release serve everything. @param {Release} release */
  async serveAlone(release) {
    const folder = this.#folders[release];
    await this.vestibule.deploy({ places: PLACES.map(() => folder), objects: folder });
  }

  /** Sends the next request to that release. @param {Release} release */
  next(release) {
    this.front.turn = PLACES.indexOf(release);
  }

  /**
   * Acts, and asserts that both releases took part, that no request failed by a fault of ours, and that neither release
   * found unreadable data.
   * @param {() => Promise<void>} act
   */
  async soundly(act) {
    const { front, vestibule } = this;
    const [passed, logged] = [front.passed.length, vestibule.logs.length];
    await act();
    const mine = front.passed.slice(passed);
    assert.deepEqual(
      mine.filter(({ status }) => status >= 500),
      [],
      "answers that are our fault",
    );
    const served = new Set(mine.map(({ to }) => to));
    assert.equal(served.size, PLACES.length, "both releases served requests");
    const wrong = vestibule.logs.slice(logged).filter(({ level }) => level === "error");
    assert.deepEqual(wrong, [], "what was logged as an error");
  }
}

/**
 * Opens a separate site.
 * @param {import("node:test").TestContext} t
 * @param {TwoReleases} releases
 * @param {Consistency} consistency
 * @param {Describe} describe
 * @returns {Promise<Scene>}
 */
export async function open(t, releases, consistency, describe) {
  const site = await releases.sites.open(
    t,
    (site) => {
      const { session, ...document } = describe(site);
      return { session: { cache: "1s", consistency, ...session }, ...document };
    },
    chatServer,
  );
  const { kv } = releases.vestibule;
  const records = `s:${site.id}:`;
  const writes = () =>
    kv.operations.filter(({ op, key }) => op === "put" && key.startsWith(records)).length;
  /** @type {Scene["kept"]} */
  const kept = async (change) => {
    const before = writes();
    const result = await change();
    // With KV alone other locations see it once KV has it.
    if (consistency === "eventual") {
      await until(() => writes() > before, { what: "the change in the namespace" });
    }
    return result;
  };
  return { releases, site, newVisitor: () => new Visitor(site.url), kept };
}

/**
 * Responds as a chat server: with the headers of the query, and with the visitor's session headers in the body.
 * @param {import("./origin.mjs").Message} request
 * @param {import("./origin.mjs").Reply} reply
 */
export function chatServer({ url = "/", headers, socket }, reply) {
  const { searchParams } = new URL(url, "http://origin");
  for (const [name, value] of searchParams) reply.setHeader(name, value);
  const sessionHeader = (/** @type {string} */ name) => String(headers[`x-session-${name}`] ?? "");
  reply.setHeader("content-type", "application/json");
  reply.end(
    JSON.stringify({
      id: sessionHeader("id"),
      state: sessionHeader("state"),
      user: sessionHeader("user"),
      groups: sessionHeader("groups"),
      data: JSON.parse(sessionHeader("data") || "{}"),
      token: headers["x-access-token"] ?? "",
      cookie: headers.cookie ?? "",
      port: socket.localPort,
    }),
  );
}

/** A visitor with a browser whose requests alternate between the releases. */
export class Visitor {
  browser = new Browser();
  #url;

  /** @param {string} url the site */
  constructor(url) {
    this.#url = url;
  }

  /** Returns another browser with a copy of this one's session cookie. */
  copy() {
    const copy = new Visitor(this.#url);
    copy.browser.plant(this.#url, "vestibule-session", this.browser.sessionOf(this.#url));
    return copy;
  }

  /**
   * Sends one request to the chat server.
   * @param {Record<string, unknown>} [controls] headers of its response, without their `x-session-`
   */
  async visit(controls = {}) {
    const query = new URLSearchParams(
      Object.entries(controls).map(([name, value]) => [
        name === "set-cookie" ? name : `x-session-${name}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    );
    const answer = await this.browser.fetchJson(`${this.#url}/?${query}`);
    assert.equal(answer.status, 200, `${answer.status} ${answer.body}`);
    return answer.json();
  }

  /** Returns whether it is admitted. */
  async isIn() {
    const { status } = await this.browser.fetchJson(this.#url);
    return status === 200;
  }

  /**
   * Calls a reserved path.
   * @param {string} path
   * @param {{ method?: string, headers?: Record<string, string>, json?: unknown }} [init]
   */
  call(path, init = {}) {
    return this.browser.fetchJson(new URL(`/_session/${path}`, this.#url), init);
  }

  /** Waits until neither release admits it any more. */
  async untilOut() {
    const isOut = async () => {
      const seen = [await this.copy().isIn(), await this.copy().isIn()];
      return !seen.includes(true);
    };
    await until(isOut, { what: "the end of the session in both releases" });
  }
}
