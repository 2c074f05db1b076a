/**
 * Runs common proxies without an edge: nginx and HAProxy, each with its own configuration in its own
 * folder; it uses no system configuration and leaves nothing behind.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../tests/harness/ports.mjs";
import { answering, ended, startNginx } from "./processes.mjs";
import { COOKIE } from "./session-service.mjs";

/** @typedef {{ name: string, does: string, url: string, cookie: string, stop: () => Promise<void> }} Front */

/** @param {number} originPort @returns {Promise<Front>} */
export async function nginx(originPort) {
  const server = `location / { ${PROXIED} proxy_pass http://origin; }`;
  const front = await proxy(originPort, originPort, server);
  return { ...front, name: "nginx", does: "forwards; knows no session", cookie: "" };
}

/** @param {number} originPort @returns {Promise<Front>} */
export async function nginxWithSessions(originPort) {
  const port = await freePort();
  const file = path.join(import.meta.dirname, "session-service.mjs");
  const service = spawn(process.execPath, [file, String(port)], { stdio: "inherit" });
  await answering(port, "the session service");
  const names = ["id", "user", "data"];
  const server = `
    location / {
      auth_request /session;
      ${names.map((name) => `auth_request_set $session_${name} $upstream_http_x_session_${name};`).join(" ")}
      ${names.map((name) => `proxy_set_header X-Session-${name} $session_${name};`).join(" ")}
      ${PROXIED} proxy_pass http://origin;
    }
    location = /session {
      internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
      ${PROXIED} proxy_pass http://sessions;
    }`;
  const front = await proxy(originPort, port, server);
  return {
    ...front,
    name: "nginx, auth_request",
    does: "asks a session service in Node beside each request: HMAC, a session in its memory, 3 headers; lost when it restarts",
    cookie: COOKIE,
    stop: async () => {
      await front.stop();
      await ended(service);
    },
  };
}

/** @param {number} originPort @returns {Promise<Front>} */
export async function haproxy(originPort) {
  const front = await startHaproxy(`  balance roundrobin
  cookie SERVERID insert indirect nocache
  server a 127.0.0.1:${originPort} cookie a
  server b 127.0.0.1:${originPort} cookie b
`);
  return {
    ...front,
    name: "HAProxy, sticky cookie",
    does: "keeps a visitor with one of two servers by a cookie; knows no session",
    cookie: "SERVERID=b",
  };
}

/**
 * Starts HAProxy for servers that come and go: it skips a server that does not respond, and sends an unanswered
 * request to the next one.
 * @param {number[]} ports
 * @param {boolean} isSticky a visitor stays with a server as long as that is up
 */
export function balancer(ports, isSticky) {
  const cookie = isSticky ? "cookie SERVERID insert indirect nocache" : "";
  const servers = ports.map(
    (port, at) =>
      `  server s${at} 127.0.0.1:${port} check inter 250ms fall 1 rise 1 ${isSticky ? `cookie s${at}` : ""}`,
  );
  return startHaproxy(`  balance roundrobin
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response
  ${cookie}
${servers.join("\n")}
`);
}

/** @param {string} backend how it chooses, and among which servers */
async function startHaproxy(backend) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-haproxy-"));
  const port = await freePort();
  const file = path.join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  default_backend servers
backend servers
${backend}`,
  );
  const child = spawn("haproxy", ["-db", "-q", "-f", file], { stdio: "inherit" });
  await answering(port, "HAProxy");
  return {
    url: `http://127.0.0.1:${port}/`,
    stop: () => ended(child, folder),
  };
}

/** Connections are kept alive, as by a Worker. */
const PROXIED = 'proxy_http_version 1.1; proxy_set_header Connection "";';

/**
 * @param {number} originPort
 * @param {number} sessionsPort
 * @param {string} server
 */
async function proxy(originPort, sessionsPort, server) {
  const { port, stop } = await startNginx(
    (
      port,
    ) => `upstream origin { server 127.0.0.1:${originPort}; keepalive 64; keepalive_requests 1000000; }
  upstream sessions { server 127.0.0.1:${sessionsPort}; keepalive 64; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port}; ${server} }`,
  );
  return { url: `http://127.0.0.1:${port}/`, stop };
}
