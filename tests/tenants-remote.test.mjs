/** Tests `npm run tenants -- --remote` with the harness's Cloudflare API, and `--remote URL` with a running Worker. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { CloudflareApi } from "./harness/cloudflare-api.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");

const NAMESPACE =
  '\n[[kv_namespaces]]\nbinding = "TENANTS"\nid = "00000000000000000000000000000001"\n';
const DATABASE =
  '\n[[d1_databases]]\nbinding = "TENANTS_DB"\ndatabase_name = "tenants"\ndatabase_id = "00000000-0000-0000-0000-000000000000"\n';

const ORIGINS = [{ url: "http://a" }];

const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";

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

test("--remote finds a namespace that the deployment created without an id", async (t) => {
  const { api, file, tenants } = await commandLine(t, '\n[[kv_namespaces]]\nbinding = "TENANTS"\n');
  writeFileSync(file, JSON.stringify({ id: "acme", origins: ORIGINS }));
  const early = await tenants("put", file);
  assert.equal(early.code, 1);
  assert.match(early.text, /has not created the namespace TENANTS yet\. Run npm run deploy first/);
  api.deployed.set("vestibule", [
    { name: "TENANTS", type: "kv_namespace", namespace_id: api.idOf(7) },
  ]);
  const { text, code } = await tenants("put", file);
  assert.equal(code, 0, text);
  assert.deepEqual([...api.values.keys()], ["tenant:acme"]);
});

test("--remote explains that Cloudflare refuses the token", async (t) => {
  const { api, tenants } = await commandLine(t, NAMESPACE);
  api.refuses = true;
  const { text, code } = await tenants("list");
  assert.equal(code, 1);
  assert.match(text, /Cloudflare's API refused: .*wrangler login, or set CLOUDFLARE_API_TOKEN/);
  assert.doesNotMatch(text, /^\s+at /m);
});

/**
 * Runs the command line over the admin API of a running Worker.
 * @param {import("node:test").TestContext} t
 */
async function overApi(t) {
  const kv = new KvServer();
  t.after(() => kv.stop());
  const vestibule = await Vestibule.start(t, { tenants: kv, origins: [], vars: { ADMIN_TOKEN } });
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-remote-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (/** @type {string} */ name, /** @type {unknown} */ document) => {
    writeFileSync(path.join(folder, name), JSON.stringify(document));
    return path.join(folder, name);
  };
  /** @param {string} token @param {string[]} args @returns {Promise<{ text: string, code: number }>} */
  const asked = (token, ...args) =>
    new Promise((resolve) => {
      const url = `http://127.0.0.1:${vestibule.port}`;
      const all = [path.join(ROOT, "scripts/tenants.mjs"), ...args, "--remote", url];
      const env = { ...process.env, ADMIN_TOKEN: token };
      const child = execFile(process.execPath, all, { env }, (_, stdout, stderr) => {
        resolve({ text: stdout + stderr, code: child.exitCode ?? -1 });
      });
    });
  const tenants = (/** @type {string[]} */ ...args) => asked(ADMIN_TOKEN, ...args);
  return { kv, file, asked, tenants };
}

test("--remote URL validates, stores, lists, compares, explains and deletes by the admin API", async (t) => {
  const { kv, file, tenants } = await overApi(t);
  const good = { id: "acme", hosts: ["acme.example"], origins: ORIGINS };
  const bad = await tenants("put", file("bad.json", { ...good, colour: "red" }));
  assert.equal(bad.code, 1);
  assert.match(bad.text, /bad\.json:\n {2}colour: is not known/);
  assert.equal(kv.stored.size, 0);

  const put = await tenants("put", file("good.json", good));
  assert.equal(put.code, 0, put.text);
  assert.match(put.text, /acme is good\.\nacme: stored/);
  assert.equal(String(kv.stored.get("host:acme.example")?.value), "acme");
  assert.match((await tenants("list")).text, /^acme +acme\.example\n$/);
  assert.deepEqual(JSON.parse((await tenants("get", "acme")).text), good);
  const changed = file("new.json", { ...good, session: { idle: "1h" } });
  assert.match((await tenants("diff", changed)).text, /\+ +"idle": "1h"/);
  const explained = JSON.parse((await tenants("explain", "acme.example", "/x")).text);
  assert.equal(explained.tenant.id, "acme");
  assert.match((await tenants("asset", "list", "acme")).text, /stores no files/);

  const gone = await tenants("delete", "acme");
  assert.equal(gone.code, 0, gone.text);
  assert.equal((await tenants("list")).text, "");
  const missing = await tenants("get", "acme");
  assert.deepEqual([missing.code, missing.text.trim()], [1, "There is no tenant acme."]);
});

test("--remote URL explains a wrong token", async (t) => {
  const { asked } = await overApi(t);
  const { text, code } = await asked("a-wrong-token-of-32-characters!!", "list");
  assert.equal(code, 1);
  assert.match(text, /refused the token: .*\nSet ADMIN_TOKEN/);
  assert.doesNotMatch(text, /a-wrong-token|^\s+at /m);
});
