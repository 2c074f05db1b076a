/** Simulates signed-in users of a server, who sign in again when it has forgotten them. */
import { setTimeout as pause } from "node:timers/promises";
import { Browser } from "../tests/harness/browser.mjs";

const USERS = 20;

/** Pause after each answer, in milliseconds. */
const PAUSE = 800;

/** Pause before a request that failed is repeated, in milliseconds. */
const AGAIN = 250;

/** Most requests for one message. Who got no answer then gives up. */
const MAX_TRIES = 20;

/**
 * @typedef {object} Wait
 * @property {number} messages
 * @property {number} thrownOut percent of messages for which the user had to sign in again
 * @property {number} users percent of users to whom that happened
 * @property {number} failed percent of requests for messages
 * @property {number} average milliseconds from sending a message to its answer, with sign-ins and repetitions
 * @property {number} p99
 */

export class Users {
  #url;
  #goesOn = true;
  #users;
  #seen = nothing();

  /** @param {string} url */
  constructor(url) {
    this.#url = url;
    this.#users = Array.from({ length: USERS }, (_, nth) => this.#use(nth));
  }

  /** Number of messages since the last `take`. */
  get messages() {
    return this.#seen.times.length;
  }

  /** Returns what happened since the last call. @returns {Wait} */
  take() {
    const { times, thrownOut, users, requests, failed } = this.#seen;
    this.#seen = nothing();
    times.sort((a, b) => a - b);
    return {
      messages: times.length,
      thrownOut: (100 * thrownOut) / times.length,
      users: (100 * users.size) / USERS,
      failed: (100 * failed) / requests,
      average: times.reduce((sum, time) => sum + time, 0) / times.length,
      p99: times[Math.floor(times.length * 0.99)],
    };
  }

  /** Waits until all have left. */
  async leave() {
    this.#goesOn = false;
    await Promise.all(this.#users);
  }

  /** Users begin one after the other. The first sign-in of each does not count. @param {number} nth */
  async #use(nth) {
    await pause((nth * PAUSE) / USERS);
    const browser = new Browser(this.#url);
    await this.#signIn(browser, nth);
    while (this.#goesOn) {
      await this.#say(browser, nth);
      await pause(PAUSE);
    }
  }

  /** Sends a message until it is answered. @param {Browser} browser @param {number} nth */
  async #say(browser, nth) {
    const begun = performance.now();
    let isThrownOut = false;
    for (let request = 0; this.#goesOn && request < MAX_TRIES; request += 1) {
      const response = await send(browser, "/say", { text: "hello" });
      this.#seen.requests += 1;
      if (response?.status === 200) break;
      if (response?.status === 401) {
        isThrownOut = true;
        await this.#signIn(browser, nth);
      } else {
        this.#seen.failed += 1;
        await pause(AGAIN);
      }
    }
    this.#seen.times.push(performance.now() - begun);
    if (!isThrownOut) return;
    this.#seen.thrownOut += 1;
    this.#seen.users.add(nth);
  }

  /** Opens the form and sends it, as a browser that knows the password. @param {Browser} browser @param {number} nth */
  async #signIn(browser, nth) {
    const credentials = { user: `user-${nth}`, password: "correct horse battery staple" };
    for (let attempt = 0; this.#goesOn && attempt < MAX_TRIES; attempt += 1) {
      await send(browser, "/sign-in");
      const response = await send(browser, "/sign-in", credentials);
      if (response?.status === 200) return;
      await pause(AGAIN);
    }
  }
}

function nothing() {
  return {
    /** @type {number[]} */
    times: [],
    thrownOut: 0,
    /** @type {Set<number>} */
    users: new Set(),
    requests: 0,
    failed: 0,
  };
}

/**
 * @param {Browser} browser
 * @param {string} path
 * @param {object} [body] sent with POST
 */
async function send(browser, path, body) {
  const options = body && { method: "POST", body: JSON.stringify(body) };
  const response = await browser.fetch(path, options).catch(() => undefined);
  await response?.text();
  return response;
}
