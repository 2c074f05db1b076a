/** Simulates visitors of a chat server, with one conversation after the other until they are stopped. */
import { setTimeout as pause } from "node:timers/promises";
import { Browser } from "../tests/harness/browser.mjs";

const VISITORS = 20;

/** Number of messages in a conversation, and the pause after each in milliseconds. */
const MESSAGES = 8;
const PAUSE = 800;

/**
 * @typedef {object} Outcome
 * @property {number} conversations
 * @property {number} lost percent of them that the server forgot
 * @property {number} failed percent of requests
 * @property {number} average milliseconds of successful ones
 * @property {number} p99
 */

export class Visitors {
  #url;
  #goesOn = true;
  /** @type {number[]} */
  #times = [];
  #failed = 0;
  #conversations = 0;
  #lost = 0;
  #visits;

  /** @param {string} url */
  constructor(url) {
    this.#url = url;
    this.#visits = Array.from({ length: VISITORS }, (_, nth) => this.#visit(nth));
  }

  /** @returns {Promise<Outcome>} */
  async leave() {
    this.#goesOn = false;
    await Promise.all(this.#visits);
    const times = this.#times.sort((a, b) => a - b);
    return {
      conversations: this.#conversations,
      lost: (100 * this.#lost) / this.#conversations,
      failed: (100 * this.#failed) / (times.length + this.#failed),
      average: times.reduce((sum, time) => sum + time, 0) / times.length,
      p99: times[Math.floor(times.length * 0.99)],
    };
  }

  /** Visitors begin one after the other, so that conversations do not all end at once. @param {number} nth */
  async #visit(nth) {
    await pause((nth * PAUSE * MESSAGES) / VISITORS);
    while (this.#goesOn) {
      const isLost = await this.#converse();
      this.#conversations += 1;
      this.#lost += Number(isLost);
    }
  }

  /** @returns {Promise<boolean>} whether the server forgot something */
  async #converse() {
    const browser = new Browser(this.#url);
    let sent = 0;
    let isLost = false;
    for (let message = 0; message < MESSAGES && this.#goesOn; message += 1) {
      const begun = performance.now();
      const response = await browser.fetch("/say").catch(() => undefined);
      if (response?.status === 200) {
        const { count } = await response.json();
        this.#times.push(performance.now() - begun);
        isLost ||= count < sent + 1;
        sent = count;
      } else {
        await response?.text();
        this.#failed += 1;
      }
      await pause(PAUSE);
    }
    return isLost;
  }
}
