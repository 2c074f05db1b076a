/** Runs workerd: starts it, asks whether the Worker answers, starts it again after a crash, and stops it gracefully. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as send } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { SETTING, workerdProgram } from "./config.mjs";
import { Failure } from "./exit.mjs";

/** Maximum time for the Worker to answer after its start, in milliseconds. */
const PATIENCE_MS = 30_000;

/** A runtime that ran as long as this ended by another cause than the one before, in milliseconds. */
const LONG_MS = 60_000;

/** Number of crashes in a row after which the cause does not pass by itself. */
const MAX_CRASHES = 5;

/** Delay of the first new start, doubled with each crash in a row, in milliseconds. */
const FIRST_PAUSE_MS = 250;

/** Maximum time for the runtime of a killed process to end, and the interval between two looks, in milliseconds. */
const LEFTOVER_MS = 5_000;
const LOOK_MS = 50;

/** File descriptor of the first socket in the runtime. */
const FIRST_FD = 3;

/** Variables of the system that the runtime may use. */
const KEPT = ["SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"];

export class Runtime {
  #config;
  #control;
  #pidFile;
  #env;
  #print;
  #sockets;
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  #isStopping = false;
  #crashes = 0;

  /**
   * @param {object} options
   * @param {string} options.config file of its configuration
   * @param {string} options.control path of its control socket
   * @param {string} options.pidFile
   * @param {Record<string, string>} options.settings
   * @param {Record<string, import("./listener.mjs").Listener>} options.sockets by their names in the configuration
   * @param {(line: string) => void} options.print what this process has to say
   */
  constructor({ config, control, pidFile, settings, sockets, print }) {
    this.#sockets = sockets;
    this.#config = config;
    this.#control = control;
    this.#pidFile = pidFile;
    this.#print = print;
    const named = Object.entries(settings).map(([name, value]) => [SETTING + name, value]);
    const kept = KEPT.map((name) => [name, process.env[name]]).filter(([, value]) => value);
    this.#env = Object.fromEntries([...named, ...kept]);
  }

  /**
   * Starts it, and waits until the Worker answers.
   * @param {string} path of the Worker's health
   */
  async start(path) {
    // A stale socket of a crashed runtime would be in the way.
    rmSync(this.#control, { force: true });
    const named = Object.entries(this.#sockets);
    const numbered = named.flatMap(([name], at) => ["--socket-fd", `${name}=${FIRST_FD + at}`]);
    const args = ["serve", ...numbered, this.#config];
    const stdio = ["ignore", "inherit", "inherit", ...named.map(([, { fd }]) => fd)];
    const options = { env: this.#env, detached: true, stdio: /** @type {any} */ (stdio) };
    // Its own group: Ctrl-C reaches this process only, which stops it gracefully.
    const child = diesWithParent()
      ? spawn("setpriv", ["--pdeathsig", "KILL", workerdProgram(), ...args], options)
      : spawn(workerdProgram(), args, options);
    this.#child = child;
    writeFileSync(this.#pidFile, String(child.pid));
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      if (hasEnded(child))
        throw new Failure("software", "The runtime did not start; its messages are above.");
      const answer = await this.#ask("GET", path).catch(() => null);
      if (answer?.status === 200) return;
      if (answer) throw new Failure("configuration", problemOf(answer));
      if (Date.now() > deadline)
        throw new Failure("software", "The Worker did not answer in time.");
      await pause(LOOK_MS);
    }
  }

  /**
   * Starts it again whenever it crashes. Resolves once it is stopped; rejects if it crashes again and again.
   * @param {string} path of the Worker's health
   */
  async keepRunning(path) {
    for (;;) {
      const child = /** @type {import("node:child_process").ChildProcess} */ (this.#child);
      const began = Date.now();
      if (!hasEnded(child)) await once(child, "exit");
      if (this.#isStopping) return;
      this.#crashes = Date.now() - began > LONG_MS ? 1 : this.#crashes + 1;
      const how = child.signalCode ?? `exit code ${child.exitCode}`;
      if (this.#crashes >= MAX_CRASHES)
        throw new Failure(
          "software",
          `The runtime ended ${MAX_CRASHES} times in a row, last by ${how}.`,
        );
      this.#print(`The runtime ended by ${how}. It starts again.`);
      await pause(FIRST_PAUSE_MS * 2 ** (this.#crashes - 1));
      if (this.#isStopping) return;
      await this.start(path).catch((error) => this.#print(error.message));
    }
  }

  /** Runs the schedule of every minute: health checks of origins. */
  async tick() {
    await this.#ask("POST", "/scheduled").catch(() => {});
  }

  /**
   * Stops it: no new connections, then the end of what is open, at most after this time.
   * @param {number} graceMs
   * @returns {Promise<boolean>} whether everything ended by itself
   */
  async stop(graceMs) {
    this.#isStopping = true;
    const child = this.#child;
    if (!child || hasEnded(child)) return true;
    const ended = once(child, "exit");
    // The runtime waits for requests, and this one is answered once no background work is left.
    const idle = this.#ask("POST", "/idle").catch(() => {});
    await Promise.race([this.#sent, idle, ended]);
    child.kill("SIGTERM");
    for (const socket of Object.values(this.#sockets)) socket.refuse();
    const inTime = await Promise.race([
      ended.then(() => true),
      pause(graceMs, false, { ref: false }),
    ]);
    this.kill();
    await ended;
    rmSync(this.#pidFile, { force: true });
    return inTime;
  }

  /** Ends it at once. */
  kill() {
    this.#isStopping = true;
    if (this.#child && !hasEnded(this.#child)) this.#child.kill("SIGKILL");
  }

  /** @type {Promise<void>} */
  #sent = Promise.resolve();

  /**
   * Sends a request to the control socket.
   * @param {string} method
   * @param {string} path
   * @returns {Promise<{ status: number, body: string }>}
   */
  #ask(method, path) {
    return new Promise((resolve, reject) => {
      const options = {
        socketPath: this.#control,
        method,
        path,
        headers: { host: "control" },
        agent: false,
      };
      const request = send(options, async (response) => {
        let body = "";
        try {
          for await (const chunk of response.setEncoding("utf8")) body += chunk;
          resolve({ status: response.statusCode ?? 0, body });
        } catch (error) {
          reject(error);
        }
      });
      this.#sent = new Promise((sent) => request.once("finish", () => setTimeout(sent, LOOK_MS)));
      request.on("error", reject).end();
    });
  }
}

/** @param {import("node:child_process").ChildProcess} child */
function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Returns whether a program here starts others so that they end with this process, also when it is killed. */
function diesWithParent() {
  return process.platform === "linux" && spawnSync("setpriv", ["--version"]).status === 0;
}

/** Returns what the Worker says of its settings. @param {{ status: number, body: string }} answer */
function problemOf({ status, body }) {
  try {
    return JSON.parse(body).detail ?? body;
  } catch {
    return `The Worker answered ${status}: ${body}`;
  }
}

/**
 * Ends the runtime of a process that was killed: it would hold the port and the objects.
 * @param {string} file with its process id
 */
export async function endLeftover(file) {
  const isLeft = () => {
    try {
      const pid = Number(readFileSync(file, "utf8"));
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return command.startsWith(workerdProgram()) && process.kill(pid, "SIGKILL");
    } catch {
      return false;
    }
  };
  for (let waited = 0; isLeft() && waited < LEFTOVER_MS; waited += LOOK_MS) await pause(LOOK_MS);
}
