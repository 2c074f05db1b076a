/** Runs a real Streamlit process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { until } from "../harness/until.mjs";
import { commandOf, ensureVenv } from "../harness/venv.mjs";
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
  const child = spawn(
    commandOf(APPLICATION),
    ["run", path.join(import.meta.dirname, "app.py"), ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      printed += chunk;
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => {
    if (child.exitCode !== null) throw new Error(`Streamlit ended: ${printed}`);
    return fetch(`${url}/_stcore/health`).then(
      (response) => response.ok,
      () => false,
    );
  };
  await until(answers, { within: PATIENCE_MS, what: "Streamlit answering" });
  return url;
}
