/** Runs real Chainlit processes, each with its own memory and application folder. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { until } from "../harness/until.mjs";
import { CHAINLIT, ensureChainlit } from "./venv.mjs";

/** Replicas of one application share the secret that signs its tokens. */
const AUTH_SECRET = "shared-by-the-replicas-under-test-only";

/** Starting Python and importing Chainlit takes seconds, more with all cores busy. */
const PATIENCE_MS = 90_000;

export class ChainlitProcess {
  #folder = mkdtempSync(path.join(tmpdir(), "chainlit-"));
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  #printed = "";
  port = 0;

  /**
   * @param {string} name
   * @param {string} [settings] its config.toml; by default its own
   */
  constructor(name, settings) {
    this.name = name;
    copyFileSync(path.join(import.meta.dirname, "app.py"), path.join(this.#folder, "app.py"));
    if (!settings) return;
    mkdirSync(path.join(this.#folder, ".chainlit"));
    writeFileSync(path.join(this.#folder, ".chainlit/config.toml"), settings);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    this.port ||= await freePort();
    const env = {
      ...process.env,
      CHAINLIT_APP_ROOT: this.#folder,
      CHAINLIT_AUTH_SECRET: AUTH_SECRET,
      HEADER_LOG: this.#headerLog,
      PROCESS_NAME: this.name,
    };
    const args = ["run", "app.py", "-h", "--port", String(this.port), "--host", "127.0.0.1"];
    const child = spawn(CHAINLIT, args, {
      cwd: this.#folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        this.#printed += chunk;
      });
    }
    const answers = async () => {
      if (child.exitCode !== null) throw new Error(`Chainlit ended: ${this.#printed}`);
      return fetch(`${this.url}/auth/config`).then(
        (response) => response.ok,
        () => false,
      );
    };
    await until(answers, { within: PATIENCE_MS, what: "Chainlit answering" });
  }

  /** Kills the process like a crash. */
  async kill() {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async stop() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Returns the headers of every sign-in that this process received. @returns {Record<string, string>[]} */
  signIns() {
    if (!existsSync(this.#headerLog)) return [];
    const lines = readFileSync(this.#headerLog, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line).headers);
  }

  get #headerLog() {
    return path.join(this.#folder, "headers.jsonl");
  }
}

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {string[]} names
 * @param {string} [settings]
 */
export async function startChainlit(t, names, settings) {
  await ensureChainlit();
  const processes = names.map((name) => new ChainlitProcess(name, settings));
  for (const one of processes) t.after(() => one.stop());
  await Promise.all(processes.map((one) => one.start()));
  return processes;
}
