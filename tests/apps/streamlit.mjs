/** Runs a real Streamlit process. */
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { commandOf, ensureVenv } from "../harness/venv.mjs";
import { startApp } from "./python-app.mjs";
import { HOST } from "./site.mjs";

const APPLICATION = {
  name: "streamlit",
  title: "Streamlit",
  requirements: path.join(import.meta.dirname, "requirements.txt"),
};

/** Starting Python takes seconds, more with all cores busy. */
const PATIENCE_MS = 90_000;

export function ensureStreamlit() {
  return ensureVenv(APPLICATION);
}

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @returns {Promise<string>} where it is
 */
export async function startStreamlit(t) {
  await ensureStreamlit();
  const port = await freePort();
  const settings = {
    "server.address": "127.0.0.1",
    "server.port": port,
    "server.headless": true,
    "server.trustedUserHeaders": JSON.stringify({ "X-Session-Name": "name" }),
    "browser.serverAddress": HOST,
    "browser.gatherUsageStats": false,
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const url = `http://127.0.0.1:${port}`;
  await startApp(t, {
    title: "Streamlit",
    command: commandOf(APPLICATION),
    args: ["run", path.join(import.meta.dirname, "app.py"), ...args],
    health: `${url}/_stcore/health`,
    patience: PATIENCE_MS,
  });
  return url;
}
