/**
 * One request on its way, as far as it is told of: when what was done. A Worker's clock stands still while it
 * computes, so only what waits takes time here.
 */

/** A stage that waited: its name, when it began and ended, what came of it. */
/** @typedef {{ name: string, begun: number, ended: number, result: string }} Stage */

export class Journey {
  /** @type {Stage[]} */
  stages = [];
  /** When it was sent to an origin, when that answered or was given up; 0 if not. */
  sent = 0;
  answered = 0;
  gaveUp = 0;
  /** How long origins were waited for that did not answer, in milliseconds. */
  inVain = 0;
  ended = 0;
  status = 0;
  /** What is to be done about telling it, the labels it is counted under, the members of its log line. */
  flags = "";
  labels = "";
  members = "";

  /**
   * @param {number} begun in milliseconds since 1970
   * @param {string} scheme
   */
  constructor(begun, scheme) {
    this.begun = begun;
    this.scheme = scheme;
  }

  /** An origin was asked, and does not answer. */
  giveUp() {
    this.gaveUp = Date.now();
    this.answered = 0;
    this.inVain += Math.max(this.gaveUp - this.sent, 0);
  }

  /** How long the origin that answered took, in milliseconds; less than nothing if none did. */
  get answerMs() {
    return this.answered > 0 ? Math.max(this.answered - this.sent, 0) : -1;
  }

  /** How long origins took, in milliseconds; less than nothing if none was asked. */
  get originMs() {
    return this.sent === 0 ? -1 : this.inVain + Math.max(this.answerMs, 0);
  }

  /** How long everything else took, in milliseconds. */
  get edgeMs() {
    return Math.max(this.ended - this.begun - Math.max(this.originMs, 0), 0);
  }

  /**
   * Takes note of a stage that has ended.
   * @param {string} name
   * @param {number} begun
   * @param {string} result
   */
  passed(name, begun, result) {
    // What is done once the origin has answered is written back.
    const stage = this.answered > 0 ? "write-back" : name;
    this.stages.push({ name: stage, begun, ended: Date.now(), result });
  }

  /** For a trace: see `telemetry/otlp.rs`. */
  toText() {
    const { status, begun, ended, sent, scheme } = this;
    const waited = this.answered || this.gaveUp;
    const origin = waited > 0 ? `${sent}\t${waited}` : "\t";
    const lines = [
      `j\t${status}\t${begun}\t${ended}\t${origin}\t${scheme}\t${this.answered ? "ok" : "error"}`,
      `m\t${this.members}`,
      ...this.stages.map(
        ({ name, begun, ended, result }) => `s\t${name}\t${begun}\t${ended}\t${result}`,
      ),
    ];
    return lines.join("\n");
  }

  /** `Server-Timing` (https://www.w3.org/TR/server-timing/): what of the answer's time went where. */
  toServerTiming() {
    const times = new Map([["edge", this.edgeMs]]);
    if (this.originMs >= 0) times.set("origin", this.originMs);
    for (const { name, begun, ended } of this.stages) {
      times.set(name, (times.get(name) ?? 0) + ended - begun);
    }
    return [...times].map(([name, ms]) => `${name};dur=${ms}`).join(", ");
  }
}
