/** A request's times, in milliseconds since 1970. A Worker's clock stands still while it computes. */
/** @import { Durations, TraceStage } from "../types.js" */

export class RequestTrace {
  /** What was waited for. @type {TraceStage[]} */
  stages = [];
  /** When it was sent to an origin, and when that answered or was given up; 0 if not. */
  sent = 0;
  answered = 0;
  gaveUp = 0;
  /** How long origins were waited for that did not answer. */
  wasted = 0;
  ended = 0;
  status = 0;
  /** How it is reported, the labels it is counted under, the members of its log line. */
  flags = "";
  labels = "";
  members = "";

  /** @param {number} begun @param {string} scheme */
  constructor(begun, scheme) {
    this.begun = begun;
    this.scheme = scheme;
  }

  /** The origin does not answer. */
  giveUp() {
    this.gaveUp = Date.now();
    this.answered = 0;
    this.wasted += Math.max(this.gaveUp - this.sent, 0);
  }

  /** A stage has ended. @param {string} name @param {number} begun @param {string} result */
  passed(name, begun, result) {
    // What is done once the origin has answered is written back.
    const stage = this.answered > 0 ? "write-back" : name;
    this.stages.push({ name: stage, begun, ended: Date.now(), result });
  }

  /** How long the origin that answered, all origins, and everything else took. @returns {Durations} */
  durations() {
    const answerMs = this.answered > 0 ? Math.max(this.answered - this.sent, 0) : -1;
    const originMs = this.sent === 0 ? -1 : this.wasted + Math.max(answerMs, 0);
    const edgeMs = Math.max(this.ended - this.begun - Math.max(originMs, 0), 0);
    return { edgeMs, originMs, answerMs };
  }

  /** `Server-Timing` (https://www.w3.org/TR/server-timing/). @param {Durations} durations */
  toServerTiming({ edgeMs, originMs }) {
    const times = new Map([["edge", edgeMs]]);
    if (originMs >= 0) times.set("origin", originMs);
    for (const { name, begun, ended } of this.stages) {
      times.set(name, (times.get(name) ?? 0) + ended - begun);
    }
    return [...times].map(([name, ms]) => `${name};dur=${ms}`).join(", ");
  }
}
