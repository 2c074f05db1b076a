/** Runs an application from PyPI until it answers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { until } from "../harness/until.mjs";

/** @typedef {{ after: (fn: () => Promise<void>) => void }} Test */

/**
 * @param {Test} t
 * @param {object} application
 * @param {string} application.title
 * @param {string} application.command
 * @param {string[]} application.args
 * @param {Record<string, string>} [application.env]
 * @param {string} application.health URL that answers 200 once it runs
 * @param {number} application.patience maximum time to start, in milliseconds
 */
export async function startApp(t, { title, command, args, env, health, patience }) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
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
  const answers = async () => {
    if (child.exitCode !== null) throw new Error(`${title} ended: ${printed}`);
    return fetch(health).then(
      (response) => response.ok,
      () => false,
    );
  };
  await until(answers, { within: patience, what: `${title} answering` });
}
