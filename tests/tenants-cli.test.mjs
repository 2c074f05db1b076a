/** `npm run tenants`, before the development server's real namespace. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "..");

test("on the command line documents are checked, stored, listed, compared, explained and deleted", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-tenants-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = path.join(folder, "wrangler.toml");
  const binding =
    '\n[[kv_namespaces]]\nbinding = "TENANTS"\nid = "00000000000000000000000000000001"\n';
  writeFileSync(config, readFileSync(path.join(ROOT, "wrangler.toml"), "utf8") + binding);
  const file = (/** @type {string} */ name, /** @type {any} */ document) => {
    writeFileSync(path.join(folder, name), JSON.stringify(document));
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
  const origins = [{ url: "http://a" }];
  const good = file("good.json", { id: "acme", hosts: ["*.acme.example"], origins });
  const bad = file("bad.json", { id: "acme", hosts: ["x y"], origins, colour: "red" });

  const refused = await tenants("put", good, bad);
  assert.equal(refused.code, 1);
  assert.match(refused.text, /hosts\[0\]: use a host/);
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
  assert.match((await tenants("explain", "a.acme.example", "/")).text, /nobody's: 421/);
  assert.equal(JSON.parse((await tenants("schema")).text).properties.id.type, "string");
  assert.equal((await tenants("delete", "acme")).code, 0);
  assert.equal((await tenants("list")).text, "");
});
