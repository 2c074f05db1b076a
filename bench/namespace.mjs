/** Runs a namespace with many sessions outside of workerd: `tools/namespace`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "../scripts/run.mjs";
import { ROOT } from "../scripts/setup.mjs";
import { DATA } from "./session.mjs";

const PROGRAM = path.join(ROOT, "target/release/namespace");

/** Keeps freed memory: packing a record allocates and frees, and returning memory to the kernel is slow. */
const KEEP_MEMORY = {
  MALLOC_MMAP_THRESHOLD_: "33554432",
  MALLOC_TRIM_THRESHOLD_: "536870912",
  MALLOC_TOP_PAD_: "67108864",
};

/** The keys of every variant. */
export const KEYS = "A".repeat(43);

/**
 * @typedef {object} Namespace
 * @property {string} address host and port
 * @property {string} cookies the file of its visitors' cookies, a line each
 * @property {() => void} stop
 */

export function buildNamespace() {
  const args = ["build", "--quiet", "--release", "--locked", "--package", "namespace"];
  return run("cargo", args, { cwd: ROOT });
}

/**
 * @param {{ sessions: number, tenants?: number, guests?: boolean }} options tenants are named `t0`, `t1`, …
 *   and share the sessions in turn; guests are not stored
 * @returns {Promise<Namespace>}
 */
export async function startNamespace({ sessions, tenants = 0, guests = false }) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-namespace-"));
  const cookies = path.join(folder, "cookies");
  const data = guests ? null : DATA;
  const child = spawn(PROGRAM, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...KEEP_MEMORY },
  });
  child.stdin.end(JSON.stringify({ keys: KEYS, tenants, sessions, data, cookies }));
  const [port] = await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error("the namespace did not start"))),
  ]);
  return {
    address: `127.0.0.1:${Number(port)}`,
    cookies,
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
