/**
 * The Durable Object that gathers what isolates know about a tenant's origins. What is told and
 * answered is in `route/shared.rs`. All but the drains is in memory only: it is told anew in seconds.
 */
import { DurableObject } from "cloudflare:workers";

/** How long what an isolate told counts, in milliseconds. */
const COUNTS = 10_000;

/** How long what an origin said of its readiness counts, in milliseconds. */
const CHECK_COUNTS = 150_000;

/** @typedef {{ at: number, underWay: number, reported: number | null, ejectedUntil: number }} Told */

export class PoolObject extends DurableObject {
  /** @type {Map<string, Map<string, Told>>} origin → isolate → what it told */
  #told = new Map();
  /** @type {Map<string, { at: number, isReady: boolean }>} */
  #checked = new Map();

  /**
   * @param {string} _tenant
   * @param {string} text
   * @returns {Promise<Uint8Array>}
   */
  async call(_tenant, text) {
    const command = JSON.parse(text);
    const now = Date.now();
    if (command.do === "gather") this.#gather(command, now);
    if (command.do === "drain") this.#drain(command.origin, command.drained);
    if (command.do === "checked") {
      this.#checked.set(command.origin, { at: now, isReady: command.ready });
    }
    const answer = { origins: this.#summary(command.isolate, now), drained: this.#drained() };
    return new TextEncoder().encode(JSON.stringify(answer));
  }

  /**
   * @param {{ isolate: string, origins: [string, number, number | null, number][] }} command
   * @param {number} now
   */
  #gather({ isolate, origins }, now) {
    for (const [origin, underWay, reported, ejectedUntil] of origins) {
      const isolates = this.#told.get(origin) ?? new Map();
      isolates.set(isolate, { at: now, underWay, reported, ejectedUntil });
      for (const [other, { at }] of isolates) if (now - at > COUNTS) isolates.delete(other);
      this.#told.set(origin, isolates);
    }
  }

  /**
   * For an isolate: what all others have under way, the last report, and until when the origin is
   * passed over by more than half of those that know it, or because it is not ready.
   * @param {string | undefined} isolate
   * @param {number} now
   */
  #summary(isolate, now) {
    const names = new Set([...this.#told.keys(), ...this.#checked.keys()]);
    return [...names].map((origin) => {
      const told = [...(this.#told.get(origin) ?? [])].filter(([, { at }]) => now - at <= COUNTS);
      const others = told.filter(([name]) => name !== isolate);
      const underWay = others.reduce((sum, [, one]) => sum + one.underWay, 0);
      const reports = told.filter(([, one]) => one.reported !== null);
      reports.sort(([, a], [, b]) => b.at - a.at);
      const away = told.filter(([, one]) => one.ejectedUntil > now);
      const mostAgree = away.length * 2 > told.length;
      const until = mostAgree ? Math.max(...away.map(([, one]) => one.ejectedUntil)) : 0;
      const check = this.#checked.get(origin);
      const isNotReady = check && !check.isReady && now - check.at < CHECK_COUNTS;
      const ejectedUntil = isNotReady ? Math.max(until, check.at + CHECK_COUNTS) : until;
      return [origin, underWay, reports[0]?.[1].reported ?? null, ejectedUntil];
    });
  }

  /** @returns {string[]} */
  #drained() {
    return this.ctx.storage.kv.get("drained") ?? [];
  }

  /**
   * @param {string} origin
   * @param {boolean} drained
   */
  #drain(origin, drained) {
    const others = this.#drained().filter((name) => name !== origin);
    this.ctx.storage.kv.put("drained", drained ? [...others, origin] : others);
  }
}
