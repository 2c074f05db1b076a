/** Runs a real Gradio process. */
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { commandOf, ensureVenv } from "../harness/venv.mjs";
import { startApp } from "./python-app.mjs";

const APPLICATION = {
  name: "gradio",
  title: "Gradio",
  requirements: path.join(import.meta.dirname, "gradio.txt"),
};

/** Starting Python takes seconds, more with all cores busy. */
const PATIENCE_MS = 120_000;

export function ensureGradio() {
  return ensureVenv(APPLICATION);
}

/**
 * @param {import("./python-app.mjs").Test} t
 * @returns {Promise<string>} its address
 */
export async function startGradio(t) {
  await ensureGradio();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await startApp(t, {
    title: "Gradio",
    command: commandOf(APPLICATION, "python"),
    args: [path.join(import.meta.dirname, "gradio_app.py")],
    env: {
      GRADIO_SERVER_NAME: "127.0.0.1",
      GRADIO_SERVER_PORT: String(port),
      GRADIO_ANALYTICS_ENABLED: "False",
    },
    health: `${url}/gradio_api/startup-events`,
    patience: PATIENCE_MS,
  });
  return url;
}
