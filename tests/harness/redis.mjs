/** Runs a real Redis for a test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { findRedis, MISSING } from "../../scripts/redis.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

/** Reason to skip tests that need it; false if it is there. */
export const redisMissing = findRedis() ? false : MISSING;

export class Redis {
  port = 0;
  #folder = mkdtempSync(path.join(tmpdir(), "vestibule-redis-"));
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;

  /**
   * Starts one that is stopped when the test ends.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {string[]} [settings]
   */
  static async start(t, settings = ["--appendonly", "yes"]) {
    const redis = new Redis();
    redis.port = await freePort();
    t.after(async () => {
      await redis.stop();
      rmSync(redis.#folder, { recursive: true, force: true });
    });
    await redis.run(settings);
    return redis;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  /** Starts it, with what it had stored. @param {string[]} [settings] */
  async run(settings = ["--appendonly", "yes"]) {
    const found = findRedis();
    if (!found) throw new Error(MISSING);
    const options = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder];
    const child = spawn(found.program, [...options, "--save", "", ...settings], {
      stdio: "ignore",
      env: { ...process.env, ...found.env },
    });
    this.#process = child;
    await until(
      async () => {
        if (child.exitCode !== null) throw new Error("Redis ended");
        return (await this.ask("PING").catch(() => "")).includes("PONG");
      },
      { what: "Redis answering" },
    );
  }

  async stop() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }

  /** Sends one command of plain words. @param {string} command @returns {Promise<string>} the raw answer */
  ask(command) {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, "127.0.0.1", () => socket.write(`${command}\r\n`));
      socket.setEncoding("utf8");
      socket.once("data", (answer) => {
        socket.destroy();
        resolve(String(answer));
      });
      socket.once("error", reject);
    });
  }
}
