/** Runs a real nginx or Caddy for a test, with a certificate of its own. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { findProxy, MISSING } from "../../scripts/tls-proxies.mjs";
import { until } from "./until.mjs";

/** @typedef {import("../../scripts/tls-proxies.mjs").Proxy} Proxy */

/** Returns a reason to skip tests of a proxy; false if it is there. @param {Proxy} name */
export function proxyMissing(name) {
  return findProxy(name) ? false : MISSING;
}

/** Address of the client, another one than the proxy's. */
export const CLIENT = "127.0.0.2";

/** Host of the certificate. */
export const HOST = "chat.example.com";

/**
 * Makes a folder with a certificate; it is deleted after the test.
 * @param {{ after: (fn: () => void) => void }} t
 */
export function withCertificate(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-proxy-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = { certificate: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-days", "2", "-subj", `/CN=${HOST}`, "-addext", `subjectAltName=DNS:${HOST}`],
    ...["-keyout", files.key, "-out", files.certificate],
  ]);
  if (made.status !== 0) throw new Error(String(made.stderr));
  return { folder, ...files };
}

/**
 * Starts a proxy that is stopped after the test, and waits until it listens.
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {Proxy} name
 * @param {string} folder
 * @param {string} text its configuration
 * @param {number} port
 */
export async function startProxy(t, name, folder, text, port) {
  const file = path.join(folder, "configuration");
  writeFileSync(file, text);
  const args =
    name === "nginx"
      ? ["-p", folder, "-c", file, "-e", path.join(folder, "error.log"), "-g", "daemon off;"]
      : ["run", "--config", file, "--adapter", "caddyfile"];
  const env = { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const child = spawn(findProxy(name) ?? name, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part) => {
      said += part;
    });
  }
  t.after(async () => {
    if (child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill(name === "nginx" ? "SIGQUIT" : "SIGTERM");
    await gone;
  });
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`);
      return (await ask(port, "/").catch(() => null)) !== null;
    },
    { what: `${name} (${said})` },
  );
}

/**
 * Sends a request by https, without a check of the certificate.
 * @param {number} port
 * @param {string} at
 * @param {Record<string, string>} [headers]
 * @returns {Promise<{ status: number, headers: import("node:http").IncomingHttpHeaders, body: string }>}
 */
export function ask(port, at, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { port, path: at, headers: { host: HOST, ...headers }, servername: HOST };
    const sent = request(
      { ...options, host: "127.0.0.1", localAddress: CLIENT, rejectUnauthorized: false },
      async (response) => {
        let body = "";
        for await (const part of response.setEncoding("utf8")) body += part;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      },
    );
    sent.on("error", reject).end();
  });
}
