/** The kit's examples, each in a real Python process before the real Worker. */
import { copyFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { freePorts } from "../harness/ports.mjs";
import { blockIn } from "./mounted.mjs";
import { openServers, openVestibule, Server } from "./processes.mjs";
import { ensureKit, KIT, PYTHON } from "./venv.mjs";

const EXAMPLES = path.join(KIT, "examples");

const ENV = {
  GRADIO_ANALYTICS_ENABLED: "False",
  CHAINLIT_AUTH_SECRET: "shared-by-the-replicas-under-test-only",
  PYTHONUNBUFFERED: "1",
};

/** @param {number} port @returns {string[]} */
export function fastapi(port) {
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  return ["uvicorn", "--app-dir", EXAMPLES, "fastapi_app:app", ...address];
}

/** @param {number} port @param {string} [app] @returns {string[]} */
export function chainlit(port, app = path.join(EXAMPLES, "chainlit_app.py")) {
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  return ["chainlit", "run", app, "--headless", ...address];
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

/**
 * Starts the Worker and the same example in each of the processes.
 * @param {import("node:test").TestContext} t
 * @param {(port: number) => string[]} example
 * @param {string[]} names of the processes
 * @param {import("./processes.mjs").Options} [options]
 */
export async function openKit(t, example, names, options) {
  await ensureKit();
  const command = (/** @type {number} */ port) => [PYTHON, "-m", ...example(port)];
  return openServers(t, names, command, { ...options, env: { ...ENV, ...options?.env } });
}

/**
 * Starts the Worker, and the kit's supervisor with workers that mount the Chainlit example in FastAPI, as
 * docs/guide/several-processes.md describes.
 * @param {import("node:test").TestContext} t
 * @param {number} count of the workers
 * @param {string} [app] the Chainlit application
 */
export async function openWorkers(t, count, app = path.join(EXAMPLES, "chainlit_app.py")) {
  await ensureKit();
  const first = await freePorts(count);
  const ports = Array.from({ length: count }, (_, at) => first + at);
  const names = ports.map((_, at) => `app-${at + 1}`);
  const { vestibule, settings } = await openVestibule(t, names, ports);
  const serve = ["-m", "vestibule_session.serve", "main:app"];
  const options = ["--workers", String(count), "--port", String(first)];
  const command = [PYTHON, ...serve, ...options, "--", "--log-level", "warning"];
  const workers = new Server("workers", first, command, { ...settings, ...ENV }, (folder) => {
    writeFileSync(path.join(folder, "main.py"), blockIn("python"));
    copyFileSync(app, path.join(folder, "chat.py"));
  });
  t.after(() => workers.stop());
  for (const port of ports) await workers.answers(port);
  return { vestibule, workers };
}
