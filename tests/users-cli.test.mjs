/** Tests `npm run users` with the development server's real storage. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { openPasswords } from "../scripts/passwords.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");
const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
const passwords = await openPasswords();

const KV = (/** @type {string} */ name, /** @type {number} */ id) =>
  `\n[[kv_namespaces]]\nbinding = "${name}"\nid = "0000000000000000000000000000000${id}"\n`;
const D1 =
  '\n[[d1_databases]]\nbinding = "TENANTS_DB"\ndatabase_name = "tenants"\ndatabase_id = "00000000-0000-0000-0000-000000000000"\n';

/**
 * Runs the command line, and wrangler's, over a deployment with these bindings.
 * @param {{ after: (fn: () => void) => void }} t
 * @param {string} bindings
 */
function deployment(t, bindings) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-users-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = path.join(folder, "wrangler.toml");
  writeFileSync(config, readFileSync(path.join(ROOT, "wrangler.toml"), "utf8") + bindings);
  const state = ["--config", config, "--persist-to", folder];
  return {
    /** @param {string} line @param {string} [input] standard input */
    async users(line, input = "") {
      const args = [path.join(ROOT, "scripts/users.mjs"), ...line.split(" "), ...state];
      const child = spawn(process.execPath, args, { stdio: "pipe" });
      let text = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (chunk) => {
          text += chunk;
        });
      }
      // A command that is refused before the password reads no input.
      child.stdin.on("error", () => {}).end(input);
      const [code] = await once(child, "close");
      return { text, code };
    },
    /** @param {string[]} args */
    wrangler(...args) {
      const all = [WRANGLER, ...args, "--local", ...state];
      const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      return stdout;
    },
  };
}

test("npm run users adds, lists, shows, disables, enables and deletes users, and replaces passwords", async (t) => {
  const { users, wrangler } = deployment(t, KV("TENANTS", 1));
  const read = (/** @type {string} */ key) =>
    JSON.parse(wrangler("kv", "key", "get", key, "--text", "--binding", "TENANTS"));

  const more = "--email zoe@acme.example --name Zoë --groups editors,,staff";
  const added = await users(`add acme ZoE\u0308 ${more}`, "correct horse\n");
  assert.deepEqual(added, { text: "zoë: added.\n", code: 0 });
  const { password, changed, ...account } = read("user:acme:zo\u00eb");
  assert.deepEqual(account, {
    user: "zoë",
    email: "zoe@acme.example",
    name: "Zoë",
    groups: ["editors", "staff"],
  });
  assert.ok(Math.abs(Date.now() / 1000 - changed) < 60);
  assert.equal(passwords.verify("correct horse", password), true);

  const again = await users("add acme zoë", "another horse\n");
  assert.equal(again.code, 1);
  assert.match(again.text, /zoë has an account already/);
  assert.equal((await users("list acme")).text, "zoë\n");
  assert.equal((await users("list other")).text, "");

  assert.equal((await users("disable acme zoë")).text, "zoë: disabled.\n");
  assert.equal(read("user:acme:zoë").disabled, true);
  const { text } = await users("show acme zoë");
  assert.deepEqual(
    { ...JSON.parse(text), changed },
    { ...account, disabled: true, changed, password: "argon2id, 19456 KiB, 2 passes" },
  );
  assert.equal((await users("password acme zoë", "battery staple")).code, 0);
  assert.equal((await users("enable acme zoë")).code, 0);
  const renewed = read("user:acme:zoë");
  assert.equal("disabled" in renewed, false);
  assert.equal(passwords.verify("battery staple", renewed.password), true);

  assert.equal((await users("delete acme zoë")).text, "zoë: deleted.\n");
  assert.equal((await users("list acme")).text, "");
  const gone = await users("password acme zoë", "battery staple");
  assert.match(gone.text, /There is no user zoë/);
  assert.equal(gone.code, 1);
});

test("npm run users stores accounts in the namespace USERS if there is one", async (t) => {
  const { users, wrangler } = deployment(t, KV("TENANTS", 1) + KV("USERS", 2));
  assert.equal((await users("add default ada", "correct horse\r\n")).code, 0);
  const text = wrangler("kv", "key", "get", "user:default:ada", "--text", "--binding", "USERS");
  assert.equal(passwords.verify("correct horse", JSON.parse(text).password), true);
});

test("npm run users stores accounts in the table of the tenant documents", async (t) => {
  const { users, wrangler } = deployment(t, D1);
  const missing = await users("list acme");
  assert.match(missing.text, /no table yet.*CREATE TABLE tenants/);
  const table = "CREATE TABLE tenants (key TEXT PRIMARY KEY, value TEXT NOT NULL)";
  wrangler("d1", "execute", "TENANTS_DB", "--command", table);
  const added = await users("add acme o'neill;-- --groups a';DROP", "correct horse");
  assert.deepEqual(added, { text: "o'neill;--: added.\n", code: 0 });
  assert.deepEqual(JSON.parse((await users("show acme o'neill;--")).text).groups, ["a';DROP"]);
  assert.equal((await users("delete acme o'neill;--")).code, 0);
  assert.equal((await users("list acme")).text, "");
});

test("npm run users rejects an invalid account before storing anything", async (t) => {
  const { users } = deployment(t, "");
  for (const [line, input, message] of /** @type {[string, string, RegExp][]} */ ([
    ["add", "", /TENANT is missing: add TENANT NAME/],
    ["add Acme ada", "", /Name the tenant/],
    ["add acme", "", /NAME is missing: add TENANT NAME/],
    ["add acme a:b", "", /Name the user/],
    ["add acme a\u0007b", "", /Name the user/],
    [`add acme ${"ä".repeat(65)}`, "", /Name the user/],
    ["add acme ada correct-horse", "", /Only options follow/],
    ["change acme ada", "", /Use one of: add, password/],
    ["add acme ada", "correct horse", /The namespace USERS is not bound/],
  ])) {
    const { text, code } = await users(line, input);
    assert.equal(code, 1, line);
    assert.match(text, message);
    assert.doesNotMatch(text, /correct/);
  }
});

test("a password has at least 8 characters, at most 1024 bytes, and is one line of UTF-8", async (t) => {
  const { users } = deployment(t, KV("USERS", 2));
  for (const [input, message] of /** @type {[string, RegExp][]} */ ([
    ["seven77\n", /at least 8 characters/],
    ["ä".repeat(513), /at most 1024 bytes/],
    ["two lines\nof text\n", /one line/],
  ])) {
    const { text, code } = await users("add default ada", input);
    assert.equal(code, 1);
    assert.match(text, message);
  }
  assert.equal((await users("list default")).text, "");
});
