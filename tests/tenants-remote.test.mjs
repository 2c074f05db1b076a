/** Tests `npm run tenants -- --remote` with the real wrangler and the harness's Cloudflare API. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { CloudflareApi } from "./harness/cloudflare-api.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");

const NAMESPACE =
  '\n[[kv_namespaces]]\nbinding = "TENANTS"\nid = "00000000000000000000000000000001"\n';
const DATABASE =
  '\n[[d1_databases]]\nbinding = "TENANTS_DB"\ndatabase_name = "tenants"\ndatabase_id = "00000000-0000-0000-0000-000000000000"\n';

const ORIGINS = [{ url: "http://a" }];

/**
 * Runs the command line over a deployment with a store for documents.
 * @param {import("node:test").TestContext} t
 * @param {string} binding
 */
async function commandLine(t, binding) {
  const api = await CloudflareApi.start(t);
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-remote-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = path.join(folder, "wrangler.toml");
  writeFileSync(config, readFileSync(path.join(ROOT, "wrangler.toml"), "utf8") + binding);
  const file = path.join(folder, "acme.json");
  /** @param {string[]} args @returns {Promise<{ text: string, code: number }>} */
  const tenants = (...args) =>
    new Promise((resolve) => {
      const all = [path.join(ROOT, "scripts/tenants.mjs"), ...args, "--remote", "--config", config];
      const env = { ...process.env, ...api.env };
      const child = execFile(process.execPath, all, { env }, (_, stdout, stderr) => {
        resolve({ text: stdout + stderr, code: child.exitCode ?? -1 });
      });
    });
  return { api, file, tenants };
}

test("--remote stores, reads, lists and deletes documents in the deployment's namespace", async (t) => {
  const { api, file, tenants } = await commandLine(t, NAMESPACE);
  const text = JSON.stringify({ id: "acme", hosts: ["acme.example"], origins: ORIGINS });
  writeFileSync(file, text);
  const stored = await tenants("put", file);
  assert.deepEqual([stored.code, stored.text.includes("acme: stored")], [0, true], stored.text);
  assert.deepEqual(Object.fromEntries(api.values), {
    "tenant:acme": text,
    "host:acme.example": "acme",
  });
  assert.match((await tenants("list")).text, /^acme +acme\.example$/m);
  api.values.set("asset:acme:logo.svg", "{}");
  const deleted = await tenants("delete", "acme");
  assert.equal(deleted.code, 0, deleted.text);
  assert.equal(api.values.size, 0);
  assert.match((await tenants("get", "acme")).text, /There is no tenant acme/);
});

test("--remote stores documents in the deployment's table and reads them from it", async (t) => {
  const { api, file, tenants } = await commandLine(t, DATABASE);
  const text = JSON.stringify({ id: "acme", origins: ORIGINS, env: { A: "it's; -- \n" } });
  writeFileSync(file, text);
  assert.match((await tenants("put", file)).text, /The database has no table yet/);
  api.database.exec("CREATE TABLE tenants (key TEXT PRIMARY KEY, value TEXT NOT NULL)");
  const stored = await tenants("put", file);
  assert.equal(stored.code, 0, stored.text);
  const rows = api.database.prepare("SELECT key, value FROM tenants").all();
  assert.deepEqual(
    rows.map(({ key, value }) => [key, value]),
    [["tenant:acme", text]],
  );
  assert.deepEqual(JSON.parse((await tenants("get", "acme")).text), JSON.parse(text));
});
