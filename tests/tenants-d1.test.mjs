/** Tests tenants in a D1 table, under the real development server. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { freshKey } from "./harness/workerd.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");
const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
const TOKEN = "an-admin-token-for-tests";
const ENV = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/** Returns the project's settings with a database, for a separate folder. @param {string} folder */
function configuration(folder) {
  const own = readFileSync(path.join(ROOT, "wrangler.toml"), "utf8")
    .replace('main = "build/index.js"', `main = "${ROOT}/build/index.js"`)
    .replace('base_dir = "build"', `base_dir = "${ROOT}/build"`)
    .replace(/\[build\]\n(.+\n)+/, "");
  const database =
    '\n[[d1_databases]]\nbinding = "TENANTS_DB"\ndatabase_name = "tenants"\ndatabase_id = "00000000-0000-0000-0000-000000000000"\n';
  const file = path.join(folder, "wrangler.toml");
  writeFileSync(file, own + database);
  return file;
}

test("the admin API stores tenants in a D1 table, serves them from it, and deletes them", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-d1-"));
  const config = configuration(folder);
  const state = ["--config", config, "--persist-to", path.join(folder, "state")];
  const logo = JSON.stringify({ type: "image/svg+xml", base64: btoa("<svg/>") });
  const table = `CREATE TABLE tenants (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO tenants VALUES ('asset:acme:logo', '${logo}')`;
  const made = spawnSync(
    process.execPath,
    [WRANGLER, "d1", "execute", "tenants", "--local", "--command", table, ...state],
    { encoding: "utf8", env: ENV },
  );
  assert.equal(made.status, 0, made.stderr);

  const origin = await Origin.start(t, (_, reply) => reply.end("acme's server"));
  const port = await freePort();
  const settings = [`SESSION_KEYS:${freshKey()}`, `ADMIN_TOKEN:${TOKEN}`].flatMap((one) => [
    "--var",
    one,
  ]);
  const child = spawn(
    process.execPath,
    [
      WRANGLER,
      "dev",
      "--port",
      String(port),
      "--inspector-port",
      String(await freePort()),
      ...state,
      ...settings,
    ],
    { env: ENV, detached: true, stdio: "ignore" },
  );
  t.after(async () => {
    const gone = once(child, "exit");
    if (child.pid && child.exitCode === null) {
      process.kill(-child.pid, "SIGTERM");
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = (/** @type {string} */ host) => send(port, { host });
  await until(async () => (await ask("acme.localhost")).status === 421, {
    within: 60_000,
    what: "the server",
  });

  const administer = (/** @type {string} */ method, /** @type {string} */ route, body = "") =>
    send(port, {
      method,
      target: `/_session/admin/tenants${route}`,
      host: "localhost",
      lines: [
        `Authorization: Bearer ${TOKEN}`,
        "Content-Type: application/json",
        `Content-Length: ${Buffer.byteLength(body)}`,
      ],
      body,
    });
  const acme = JSON.stringify({
    id: "acme",
    hosts: ["acme.localhost"],
    origins: [{ url: origin.url }],
    assets: { "/logo": "kv:logo" },
  });
  assert.equal((await administer("PUT", "/acme", acme)).status, 204);
  assert.deepEqual(JSON.parse((await administer("GET", "")).body), { tenants: ["acme"] });
  assert.equal((await administer("GET", "/acme")).body, acme);
  await until(async () => (await ask("acme.localhost")).body === "acme's server", {
    what: "the tenant",
  });
  const shown = await send(port, { host: "acme.localhost", target: "/logo" });
  assert.equal(shown.body, "<svg/>", "a file from the table");
  const refused = await administer("PUT", "/b", acme.replace('"acme"', '"b"'));
  assert.equal(refused.status, 422);
  assert.match(refused.body, /belongs to acme/);
  assert.equal((await administer("DELETE", "/acme")).status, 204);
  assert.deepEqual(JSON.parse((await administer("GET", "")).body), { tenants: [] });
  await until(async () => (await ask("acme.localhost")).status === 421, {
    within: 30_000,
    what: "the end",
  });
});
