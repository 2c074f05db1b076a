/** A program that a test starts: what it prints is kept, and it is gone when the test is over. */
import { spawn } from "node:child_process";
import { once } from "node:events";

export class Program {
  /** Everything it printed. */
  printed = "";
  #child;
  #file;

  /**
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {string} file
   * @param {string[]} args
   */
  constructor(t, file, args) {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    t.after(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        this.printed += chunk;
      });
    }
    this.#child = child;
    this.#file = file;
  }

  /** Throws if it has ended: whoever waits for it waits in vain. */
  checkRunning() {
    if (this.#child.exitCode !== null) throw new Error(`${this.#file} ended: ${this.printed}`);
  }
}
