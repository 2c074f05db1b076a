/** Sites of a Worker with planted faults; see `src/worker/fault_injection.rs`. */
import assert from "node:assert/strict";
import { buildPlanted } from "../../scripts/build.mjs";
import { Mood } from "./mood.mjs";
import { Sites } from "./sign-in.mjs";
import { Visitor } from "./two-releases.mjs";
import { until } from "./until.mjs";

/** @typedef {"panic" | "memory" | "throw"} Fault */

/** Each fault, and its name in test titles. */
export const FAULTS = /** @type {[Fault, string][]} */ ([
  ["panic", "a panic"],
  ["memory", "exhausted memory"],
  ["throw", "an exception thrown by a binding"],
]);

/** Key of the session API for the chat server of the first site. */
export const ORIGIN_KEY = "servers-know-this-key";

/** @typedef {{ visitor: Visitor, id: string }} Recorded a visitor with a stored session, and its public name */

export class Planted {
  /**
   * @param {Sites} sites
   * @param {Mood} mood
   * @param {string} build its folder
   */
  constructor(sites, mood, build) {
    this.sites = sites;
    this.mood = mood;
    this.build = build;
  }

  /**
   * @param {{ after: (fn: () => Promise<void> | void) => void }} t
   * @param {Record<string, string>} [vars] more variables
   */
  static async start(t, vars = {}) {
    const build = await buildPlanted();
    const mood = new Mood();
    const sites = await Sites.start(t, {
      mood,
      builds: { places: [build], objects: build },
      vars: { SITE0__ORIGIN_KEY: ORIGIN_KEY, ...vars },
    });
    return new Planted(sites, mood, build);
  }

  get kv() {
    return this.sites.vestibule.kv;
  }

  /** Waits until another instance has died. @param {number} before number of deaths before */
  async death(before) {
    await until(() => this.deaths > before, { what: "the death of the instance" });
    assert.equal(this.deaths, before + 1, "it died once");
  }

  /** Returns the number of instances that died. */
  get deaths() {
    return this.sites.vestibule.logged("trapped").length;
  }

  /**
   * Creates a session with a stored record.
   * @param {string} url the site
   * @returns {Promise<Recorded>}
   */
  async recorded(url) {
    const visitor = new Visitor(url);
    const { id } = await visitor.visit({ patch: { kept: true } });
    return { visitor, id };
  }

  /**
   * Sends a guest's request that kills the site's instance.
   * @param {string} url
   * @param {Fault} fault
   */
  async hit(url, fault) {
    const before = this.deaths;
    const answer = await new Visitor(url).browser.fetchJson(`${url}/planted-admit-${fault}`);
    assert.deepEqual([answer.status, answer.code], [500, "internal"]);
    await this.death(before);
  }

  /**
   * Makes a new instance, which has no session cached, serve that site.
   * @param {string} url
   * @param {Fault} fault that kills the instance before
   */
  async cold(url, fault) {
    await this.hit(url, fault);
    await new Visitor(url).visit();
  }
}

/**
 * Returns a URL for which the chat server changes the session.
 * @param {string} url the site
 * @param {unknown} patch
 */
export function changing(url, patch) {
  return `${url}/?${new URLSearchParams({ "x-session-patch": JSON.stringify(patch) })}`;
}
