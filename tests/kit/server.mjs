/** The kit's examples, each in a real Python process before the real Worker. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { ensureKit, KIT, PYTHON } from "./venv.mjs";

export const ORIGIN_KEY = "an-origin-key-of-32-characters!!";

/** Starting Python takes seconds, more with all cores busy. */
const PATIENCE_MS = 90_000;

const EXAMPLES = path.join(KIT, "examples");

/** @param {number} port @returns {string[]} */
export function fastapi(port) {
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  return ["uvicorn", "--app-dir", EXAMPLES, "fastapi_app:app", ...address];
}

/** @param {number} port @returns {string[]} */
export function chainlit(port) {
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  return ["chainlit", "run", path.join(EXAMPLES, "chainlit_app.py"), "--headless", ...address];
}

/** @param {number} port @returns {string[]} */
export function gradio(port) {
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  return ["uvicorn", "--app-dir", EXAMPLES, "gradio_app:app", ...address];
}

/** @param {number} port @returns {string[]} */
export function streamlit(port) {
  const settings = {
    "server.address": "127.0.0.1",
    "server.port": port,
    "server.headless": true,
    "browser.serverAddress": "127.0.0.1",
    "browser.gatherUsageStats": false,
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  return ["streamlit", "run", path.join(EXAMPLES, "streamlit_app.py"), ...args];
}

class PythonServer {
  #folder = mkdtempSync(path.join(tmpdir(), "kit-"));
  #child;
  /** Everything it printed. */
  printed = "";

  /**
   * @param {string} name
   * @param {number} port
   * @param {string[]} module a module of Python, and its arguments
   * @param {Record<string, string>} env
   */
  constructor(name, port, module, env) {
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    const own = { CHAINLIT_APP_ROOT: this.#folder, PYTHONUNBUFFERED: "1" };
    this.#child = spawn(PYTHON, ["-m", ...module], {
      cwd: this.#folder,
      env: { ...process.env, ...own, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        this.printed += chunk;
      });
    }
  }

  /** Waits until it answers anything. */
  async answers() {
    const answered = async () => {
      if (this.#child.exitCode !== null) throw new Error(`${this.name} ended: ${this.printed}`);
      return fetch(this.url).then(
        () => true,
        () => false,
      );
    };
    await until(answered, { within: PATIENCE_MS, what: `${this.name} answering` });
  }

  /** As a crash would. */
  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async stop() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Starts the Worker and the same example in each of the processes. They learn the Worker's address, and it theirs.
 * @param {import("node:test").TestContext} t
 * @param {(port: number) => string[]} example
 * @param {string[]} names of the processes
 * @param {{ verify?: "proof" | "assertion", vars?: Record<string, string> }} [options]
 */
export async function openKit(t, example, names, { verify = "proof", vars = {} } = {}) {
  await ensureKit();
  const ports = await Promise.all(names.map(() => freePort()));
  const origins = names.map((name, at) => `${name}=http://127.0.0.1:${ports[at]}`);
  const required = { ORIGIN_KEY, [verify.toUpperCase()]: "true" };
  const vestibule = await Vestibule.start(t, { origins, vars: { ...required, ...vars } });
  const env = {
    GRADIO_ANALYTICS_ENABLED: "False",
    CHAINLIT_AUTH_SECRET: "shared-by-the-replicas-under-test-only",
    VESTIBULE_ORIGIN_KEY: ORIGIN_KEY,
    VESTIBULE_URL: vestibule.url,
    VESTIBULE_VERIFY: verify,
  };
  const servers = names.map((name, at) => {
    const server = new PythonServer(name, ports[at], example(ports[at]), env);
    t.after(() => server.stop());
    return server;
  });
  await Promise.all(servers.map((server) => server.answers()));
  return { vestibule, servers };
}
