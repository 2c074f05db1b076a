/** Tests `npm run tenants` with the development server's real namespace and table. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "..");

const NAMESPACE =
  '\n[[kv_namespaces]]\nbinding = "TENANTS"\nid = "00000000000000000000000000000001"\n';
const DATABASE =
  '\n[[d1_databases]]\nbinding = "TENANTS_DB"\ndatabase_name = "tenants"\ndatabase_id = "00000000-0000-0000-0000-000000000000"\n';

/**
 * Creates a deployment's settings with a store for documents, in a separate folder.
 * @param {import("node:test").TestContext} t
 * @param {string} binding
 * @param {string} [variable] a line of its variables
 */
function commandLine(t, binding, variable = "") {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenants-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = path.join(folder, "wrangler.toml");
  const settings = readFileSync(path.join(ROOT, "wrangler.toml"), "utf8");
  writeFileSync(config, settings.replace("[vars]\n", `[vars]\n${variable}\n`) + binding);
  const file = (/** @type {string} */ name, /** @type {any} */ content) => {
    const isBytes = Buffer.isBuffer(content);
    writeFileSync(path.join(folder, name), isBytes ? content : JSON.stringify(content));
    return path.join(folder, name);
  };
  const tenants = async (/** @type {string[]} */ ...args) => {
    const all = [path.join(ROOT, "scripts/tenants.mjs"), ...args, "--config", config];
    const program = promisify(execFile)(process.execPath, [...all, "--persist-to", folder]);
    const { stdout, code } = await program.then(
      ({ stdout }) => ({ stdout, code: 0 }),
      (error) => ({ stdout: error.stdout + error.stderr, code: error.code }),
    );
    return { text: stdout, code };
  };
  return { folder, config, file, tenants };
}

test("npm run tenants checks, stores, lists, compares, explains and deletes documents", async (t) => {
  const { folder, file, tenants } = commandLine(t, NAMESPACE);
  const origins = [{ url: "http://a" }];
  const good = file("good.json", { id: "acme", hosts: ["*.acme.example"], origins });
  const bad = file("bad.json", { id: "acme", hosts: ["x y"], origins, colour: "red" });

  const refused = await tenants("put", good, bad);
  assert.equal(refused.code, 1);
  assert.match(refused.text, /hosts\[0\]: ".*" is not a host; use one such as/);
  assert.match(refused.text, /colour: is not known/);
  assert.equal((await tenants("list")).text, "");

  assert.equal((await tenants("put", good)).code, 0);
  assert.match((await tenants("list")).text, /^acme +\*\.acme\.example\n$/);
  const other = file("other.json", { id: "other", hosts: ["*.acme.example"], origins });
  assert.match((await tenants("put", other)).text, /\*\.acme\.example belongs to acme/);
  const longer = { id: "acme", hosts: ["acme.example"], origins, session: { idle: "1h" } };
  assert.match((await tenants("diff", file("new.json", longer))).text, /\+ +"idle": "1h"/);
  assert.equal((await tenants("put", path.join(folder, "new.json"))).code, 0);
  const explained = await tenants("explain", "acme.example:443", "/x");
  assert.match(explained.text, /host +acme\.example, by acme\.example/);
  assert.match(explained.text, /tenant +session\.idle = "1h"/);
  assert.match(explained.text, /deployment +session\.absolute = "7d"/);
  assert.match(
    (await tenants("explain", "a.acme.example", "/")).text,
    /No tenant has the host a\.acme\.example: requests get 421/,
  );
  assert.equal(JSON.parse((await tenants("schema")).text).properties.id.type, "string");
  assert.equal((await tenants("delete", "acme")).code, 0);
  assert.equal((await tenants("list")).text, "");
});

test("npm run tenants explains which of the tenants on one host a path and a header select", async (t) => {
  const variable = 'TENANT_BY = "path,header:X-Plan"';
  const { file, tenants } = commandLine(t, NAMESPACE, variable);
  const origins = [{ url: "http://a" }];
  for (const [id, host] of Object.entries({
    front: "chat.example",
    acme: "chat.example/acme;gold",
  })) {
    const { text, code } = await tenants("put", file(`${id}.json`, { id, hosts: [host], origins }));
    assert.equal(code, 0, text);
  }
  for (const [host, at, tenant] of [
    ["chat.example;gold", "/acme/x", "acme"],
    ["chat.example", "/acme/x", "front"],
    ["chat.example;gold", "/x", "front"],
  ]) {
    const { text } = await tenants("explain", host, at);
    assert.match(text, new RegExp(`^tenant +${tenant}$`, "m"), `${host} ${at}`);
  }
  const { text } = await tenants("explain", "chat.example;gold", "/acme");
  assert.match(text, /host +chat\.example, by chat\.example\/acme;gold/);
});

test("npm run tenants lists the secrets that a document needs", async (t) => {
  const { file, tenants } = commandLine(t, NAMESPACE);
  const provider = {
    issuer: "https://id.example",
    client_id: "chat",
    client_secret: "secret:OIDC",
  };
  const document = {
    id: "acme-east",
    hosts: ["acme.example"],
    origins: [{ url: "http://a" }],
    login: { mode: "required", methods: { oidc: [provider] } },
    env: { KEY: "secret:API_KEY", AGAIN: "secret:API_KEY" },
  };
  const { text, code } = await tenants("put", file("acme.json", document));
  assert.equal(code, 0, text);
  const needed = [...text.matchAll(/needs the secret (\S+): npx wrangler secret put \1$/gm)];
  assert.deepEqual(needed.map(([, name]) => name).sort(), [
    "ACME_EAST__API_KEY",
    "ACME_EAST__OIDC",
  ]);
});

test("npm run tenants stores and lists files, and deletes them with their tenant", async (t) => {
  const { file, tenants } = commandLine(t, NAMESPACE);
  const logo = file("logo.svg", Buffer.from("<svg/>"));
  const page = file("page.html", Buffer.from("<p>"));
  const large = file("large.png", Buffer.alloc(5 * 1024 * 1024 + 1));
  for (const [args, received] of /** @type {[string[], RegExp][]} */ ([
    [["asset", "put", "acme", "page", page], /use a file that ends with .*\.svg/],
    [["asset", "put", "acme", "large", large], /larger than 5 MiB/],
    [["asset", "put", "acme", "a:b", logo], /A name must have/],
    [["asset", "get"], /asset put TENANT NAME FILE/],
  ])) {
    const { text, code } = await tenants(...args);
    assert.equal(code, 1, text);
    assert.match(text, received);
  }
  assert.match((await tenants("asset", "put", "acme", "logo.svg", logo)).text, /image\/svg\+xml/);
  assert.equal((await tenants("asset", "list", "acme")).text, "kv:logo.svg\n");
  assert.equal((await tenants("asset", "list", "other")).text, "");
  assert.match((await tenants("asset", "delete", "acme", "logo")).text, /has no kv:logo\./);
  assert.equal((await tenants("asset", "delete", "acme", "logo.svg")).code, 0);

  await tenants("asset", "put", "acme", "logo.svg", logo);
  const origins = [{ url: "http://a" }];
  await tenants("put", file("acme.json", { id: "acme", origins }));
  assert.equal((await tenants("delete", "acme")).code, 0);
  assert.equal((await tenants("asset", "list", "acme")).text, "");
});

test("npm run tenants stores documents and files of any length in a D1 table", async (t) => {
  const { folder, config, file, tenants } = commandLine(t, DATABASE);
  const wrangler = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
  const execute = (/** @type {string} */ command) => {
    const args = [wrangler, "d1", "execute", "TENANTS_DB", "--local", "--json", "--yes"];
    const place = ["--config", config, "--persist-to", folder, "--command", command];
    const { stdout, status } = spawnSync(process.execPath, [...args, ...place], {
      encoding: "utf8",
      maxBuffer: 16 * 1024 * 1024,
    });
    assert.equal(status, 0, stdout);
    return JSON.parse(stdout.slice(stdout.indexOf("[")))[0].results;
  };
  execute("CREATE TABLE tenants (key TEXT PRIMARY KEY, value TEXT NOT NULL)");
  const origins = [{ url: "http://a" }];
  const document = { id: "acme", hosts: ["acme.example"], origins, env: { A: "it's; -- \n" } };
  assert.equal((await tenants("put", file("acme.json", document))).code, 0);
  assert.deepEqual(JSON.parse((await tenants("get", "acme")).text), document);
  assert.match((await tenants("list")).text, /^acme +acme\.example\n$/);

  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251));
  assert.equal((await tenants("asset", "put", "acme", "font", file("a.woff2", bytes))).code, 0);
  const [{ value }] = execute("SELECT value FROM tenants WHERE key = 'asset:acme:font'");
  assert.deepEqual(JSON.parse(value), { type: "font/woff2", base64: bytes.toString("base64") });
  assert.equal((await tenants("asset", "list", "acme")).text, "kv:font\n");
  assert.equal((await tenants("delete", "acme")).code, 0);
  assert.deepEqual(execute("SELECT key FROM tenants"), []);
});
