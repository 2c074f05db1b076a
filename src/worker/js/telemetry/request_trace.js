/** Records a request's times, in milliseconds since 1970. A Worker's clock does not advance while it computes. */
/** @import { Durations, TraceStage } from "../types.js" */

export class RequestTrace {
  /** Stages that the request waited for. @type {TraceStage[]} */
  stages = [];
  /** Times at which it was sent to an origin, and at which that answered or was given up; 0 if not. */
  sent = 0;
  answered = 0;
  gaveUp = 0;
  /** Time spent waiting for origins that did not answer. */
  wasted = 0;
  ended = 0;
  status = 0;
  /** Flags of its reporting, labels of its count, members of its log line. */
  flags = "";
  labels = "";
  members = "";

  /** @param {number} begun @param {string} scheme */
  constructor(begun, scheme) {
    this.begun = begun;
    this.scheme = scheme;
  }

  /** Records that the origin does not answer. */
  giveUp() {
    this.gaveUp = Date.now();
    this.answered = 0;
    this.wasted += Math.max(this.gaveUp - this.sent, 0);
  }

  /** Records the end of a stage. @type {import("../types.js").Passed} */
  passed(name, begun, result, parent) {
    // Stages after the origin's response are write-backs.
    const stage = this.answered > 0 && name !== "serialise" ? "write-back" : name;
    this.stages.push({ name: stage, begun, ended: Date.now(), result, parent });
  }

  /** Returns the durations of the origin that answered, of all origins, and of everything else. @returns {Durations} */
  durations() {
    const answerMs = this.answered > 0 ? Math.max(this.answered - this.sent, 0) : -1;
    const originMs = this.sent === 0 ? -1 : this.wasted + Math.max(answerMs, 0);
    const edgeMs = Math.max(this.ended - this.begun - Math.max(originMs, 0), 0);
    return { edgeMs, originMs, answerMs };
  }

  /** Formats `Server-Timing` (https://www.w3.org/TR/server-timing/). @param {Durations} durations */
  toServerTiming({ edgeMs, originMs }) {
    const times = new Map([["edge", edgeMs]]);
    if (originMs >= 0) times.set("origin", originMs);
    for (const { name, begun, ended } of this.stages) {
      times.set(name, (times.get(name) ?? 0) + ended - begun);
    }
    return [...times].map(([name, ms]) => `${name};dur=${ms}`).join(", ");
  }
}
