/** Runs a program for a test: keeps its output, and ends it after the test. */
import { spawn } from "node:child_process";
import { once } from "node:events";

export class Program {
  /** Its whole output. */
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

  /** Throws if it has ended, because waiting for it would be futile. */
  checkRunning() {
    if (this.#child.exitCode !== null) throw new Error(`${this.#file} ended: ${this.printed}`);
  }
}
