/** The kit's examples, each in a real Python process before the real Worker. */
import path from "node:path";
import { openServers } from "./processes.mjs";
import { ensureKit, KIT, PYTHON } from "./venv.mjs";

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

/**
 * Starts the Worker and the same example in each of the processes.
 * @param {import("node:test").TestContext} t
 * @param {(port: number) => string[]} example
 * @param {string[]} names of the processes
 * @param {import("./processes.mjs").Options} [options]
 */
export async function openKit(t, example, names, options) {
  await ensureKit();
  const env = {
    GRADIO_ANALYTICS_ENABLED: "False",
    CHAINLIT_AUTH_SECRET: "shared-by-the-replicas-under-test-only",
    PYTHONUNBUFFERED: "1",
  };
  const command = (/** @type {number} */ port) => [PYTHON, "-m", ...example(port)];
  return openServers(t, names, command, { ...options, env });
}
