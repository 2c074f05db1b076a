/** The Python kit's client of the admin API, against the running Worker. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { Browser } from "../harness/browser.mjs";
import { ADMIN_TOKEN, openSite, PASSWORD, TENANT, TENANT_TOKEN } from "../openapi/site.mjs";
import { ensureKit, PYTHON } from "./venv.mjs";

const CALLS = path.join(import.meta.dirname, "admin_calls.py");

for (const [what, name] of [
  ["accounts are made, changed, listed and deleted", "users"],
  ["sessions are listed, viewed without secrets, explained and ended", "sessions"],
  ["a server is drained and undrained", "origins"],
  ["figures, metrics and log lines are read", "telemetry"],
  ["a document is stored over the version that was read, and found in the history", "tenants"],
  ["errors differ by what to do", "errors"],
]) {
  test(`Python's admin client: ${what}`, async (t) => {
    await ensureKit();
    const { vestibule, origin } = await openSite(t);
    const browser = new Browser(vestibule.url);
    await browser.fetch("/_session/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "ada", password: PASSWORD }),
    });
    const data = { "x-session-patch": '{"n":1,"api_key":"s3"}' };
    await browser.fetch(`/?${new URLSearchParams(data)}`);
    const args = [name, vestibule.url, ADMIN_TOKEN, TENANT, TENANT_TOKEN, origin.url];
    const child = spawn(PYTHON, [CALLS, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        printed += chunk;
      });
    }
    const [code] = await once(child, "close");
    assert.equal(code, 0, printed);
  });
}
