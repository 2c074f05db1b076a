/** Runs servers of the benchmark in separate processes: waits until they respond, and ends them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";

/**
 * Starts nginx with its own configuration; it uses nothing of the system's and leaves nothing behind.
 * @param {(port: number) => string} http nginx's http block for that port
 */
export async function startNginx(http) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-nginx-"));
  const port = await freePort();
  const file = path.join(folder, "nginx.conf");
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  ${http(port)}
}
`,
  );
  const child = spawn("nginx", ["-c", file, "-p", folder], { stdio: "inherit" });
  await answering(port, "nginx");
  return { port, stop: () => ended(child, folder) };
}

/**
 * @param {number} port
 * @param {string} what
 */
export function answering(port, what) {
  const ask = () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
  return until(ask, { what });
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {string} [folder] folder to delete afterwards
 */
export async function ended(child, folder) {
  if (child.exitCode === null) {
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }
  if (folder) rmSync(folder, { recursive: true, force: true });
}
