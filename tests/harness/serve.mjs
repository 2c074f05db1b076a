/** Runs `serve/main.mjs`, as a service does, and looks at it from outside. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { NODE, ROOT } from "../../scripts/setup.mjs";
import { Origin } from "./origin.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

const MAIN = path.join(ROOT, "serve/main.mjs");

/** Makes a stop quick: it waits for the report of the counts. */
const QUICK = { VESTIBULE_TELEMETRY_EVERY: "500" };

/** Maximum time to start, on a machine whose cores are busy. */
const PATIENCE_MS = 60_000;

/** Returns a folder that is deleted when the test ends. @param {{ after: (fn: () => void) => void }} t */
export function dataFolder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-data-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a server that keeps what a query says in the session. @param {import("node:test").TestContext} t */
export function chatServer(t) {
  return Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
}

export class Serve {
  port = 0;
  /** Its messages for operators. */
  said = "";
  /** Log lines of the Worker. */
  logged = "";
  #args;
  #env;
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;

  /** @param {string[]} args @param {Record<string, string>} env */
  constructor(args, env) {
    this.#args = args;
    this.#env = env;
  }

  /**
   * Starts one that is killed when the test ends, and waits until it serves.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {string[]} args without the port
   * @param {Record<string, string>} [env]
   */
  static async start(t, args, env = {}) {
    const serve = new Serve(args, env);
    serve.port = await freePort();
    t.after(async () => void (await serve.end("SIGKILL")));
    await serve.run();
    return serve;
  }

  /**
   * Runs it to its end.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {string[]} args
   * @param {Record<string, string>} [env]
   */
  static async toEnd(t, args, env = {}) {
    const serve = new Serve(args, env);
    t.after(async () => void (await serve.end("SIGKILL")));
    serve.#spawn(args);
    return { code: await serve.ended(), said: serve.said, shown: serve.logged };
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it in a new process. @param {string[]} [args] instead of those before */
  async run(args = this.#args) {
    this.#args = args;
    this.said = "";
    const child = this.#spawn([...args, "--port", String(this.port)]);
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`it ended: ${this.said}`);
        return this.said.includes("Serving http");
      },
      { within: PATIENCE_MS, what: `the service (${this.said})` },
    );
  }

  /** @param {string[]} args */
  #spawn(args) {
    const child = spawn(NODE, [MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...QUICK, ...this.#env },
    });
    child.stdout.setEncoding("utf8").on("data", (text) => {
      this.logged += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.said += text;
    });
    this.#process = child;
    return child;
  }

  /** Sends a signal. @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#process?.kill(signal);
  }

  /** Waits for its end. @returns {Promise<number | NodeJS.Signals | null>} exit code, or the signal that ended it */
  async ended() {
    const child = this.#process;
    if (!child) return null;
    if (child.exitCode === null && child.signalCode === null) await once(child, "close");
    return child.exitCode ?? child.signalCode;
  }

  /** Ends it. @param {NodeJS.Signals} signal */
  async end(signal) {
    this.signal(signal);
    return this.ended();
  }

  /** Returns the process id of its runtime. @param {string} data its data folder */
  static runtimeIn(data) {
    return Number(readFileSync(path.join(data, "runtime.pid"), "utf8"));
  }
}
