/** Ends what a test or an experiment has started, the last first. */
export class Ends {
  /** @type {(() => unknown)[]} */
  #ends = [];

  /** @param {() => unknown} end */
  add(end) {
    this.#ends.push(end);
  }

  /** Calls all of them, also after one that fails; then throws its error. */
  async run() {
    /** @type {unknown[]} */
    const faults = [];
    for (let end = this.#ends.pop(); end; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 1) throw new AggregateError(faults, "several things did not end");
    if (faults.length === 1) throw faults[0];
  }
}
