/** Tests the module that hashes passwords, as the command line and the Worker run it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { argon2Sync } from "node:crypto";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { openPasswords } from "../scripts/passwords.mjs";
import { enrol } from "./harness/accounts.mjs";
import { Browser, Sites } from "./harness/sign-in.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");
const BUILD = path.join(ROOT, "build");

const passwords = await openPasswords();

/** From the tests of the reference implementation: "password", with the salt "somesalt". */
const KNOWN =
  "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const CHEAP =
  "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

test("a password matches its own hash, and no other password does", () => {
  const stored = passwords.hash("correct horse");
  assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(passwords.verify("correct horse", stored), true);
  assert.equal(passwords.verify("correct horse ", stored), false);
  assert.equal(passwords.verify("", stored), false);
  assert.notEqual(passwords.hash("correct horse"), stored);
});

test("hashes of other programs are verified, and ours equal theirs", () => {
  assert.equal(passwords.verify("password", KNOWN), true);
  assert.equal(passwords.verify("Password", KNOWN), false);
  assert.equal(passwords.verify("password", CHEAP), true);
  assert.deepEqual(passwords.cost(CHEAP), { memory: 256, passes: 2 });
  const [salt, hash] = passwords.hash("Zoë's").split("$").slice(4);
  const expected = argon2Sync("argon2id", {
    message: "Zo\u00eb's",
    nonce: Buffer.from(salt, "base64"),
    parallelism: 1,
    tagLength: 32,
    memory: 19_456,
    passes: 2,
  });
  assert.equal(hash, expected.toString("base64").replace("=", ""));
});

test("a password with an accent matches in composed and decomposed form", () => {
  const stored = passwords.hash("Zoe\u0308 was here");
  assert.equal(passwords.verify("Zo\u00eb was here", stored), true);
  assert.equal(passwords.verify("Zoe was here", stored), false);
});

test("no password matches an invalid or too expensive PHC string", () => {
  // `tools/argon2/src/password.rs` tests more invalid ones.
  for (const bad of [
    "",
    "password",
    "x".repeat(1_000),
    ` ${CHEAP}`,
    `${CHEAP}\n`,
    CHEAP.replace("argon2id", "argon2i"),
    CHEAP.replace("m=256", "m=65537"),
    CHEAP.replace("t=2", "t=11"),
  ]) {
    assert.equal(passwords.verify("password", bad), false, bad);
    assert.equal(passwords.cost(bad), null, bad);
  }
});

test("a password has at most 1024 bytes", () => {
  const stored = passwords.hash("x".repeat(1024));
  assert.equal(passwords.verify("x".repeat(1024), stored), true);
  assert.equal(passwords.verify("x".repeat(1025), stored), false);
  assert.throws(() => passwords.hash("\u20ac".repeat(342)), /too long/);
});

/** Replaces the module: traps on a password that begins with T, and accepts the second one that it checks. */
const FAULTY = `(module
  (memory (export "memory") 1)
  (global $checked (mut i32) (i32.const 0))
  (func (export "password") (result i32) (i32.const 0))
  (func (export "salt") (result i32) (i32.const 1024))
  (func (export "stored") (result i32) (i32.const 2048))
  (func (export "memory_for") (param i32) (result i32) (i32.const 8))
  (func (export "check") (param i32 i32) (result i32)
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 84)) (then (unreachable)))
    (global.set $checked (i32.add (global.get $checked) (i32.const 1)))
    (i32.eq (global.get $checked) (i32.const 2))))`;

test("one instance checks all passwords, and is replaced after a trap", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-argon2-"));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(BUILD, folder, { recursive: true });
  writeFileSync(path.join(folder, "faulty.wat"), FAULTY);
  const assembler = path.join(ROOT, "node_modules/.bin/wasm-as");
  execFileSync(assembler, ["faulty.wat", "-o", "argon2.wasm"], { cwd: folder });
  rmSync(path.join(folder, "faulty.wat"));

  const sites = await Sites.start(t, { builds: { places: [folder], objects: BUILD } });
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { password: true } },
  }));
  enrol(sites, site.id, { user: "alice", password: CHEAP });
  const attempt = async (/** @type {string} */ password) => {
    const json = { username: "alice", password };
    const url = `${site.url}/_session/login`;
    return (await new Browser().fetchJson(url, { method: "POST", json })).status;
  };
  assert.equal(await attempt("first"), 401);
  assert.equal(await attempt("Trap, it says"), 503);
  // The trapped instance would have accepted this one.
  assert.equal(await attempt("first of the next"), 401);
  assert.equal(await attempt("second of the next"), 200);

  const [reported, ...more] = sites.vestibule.logged("password_not_checked");
  assert.match(reported.detail, /^argon2: .*unreachable/);
  assert.deepEqual(more, []);
  assert.ok(!sites.vestibule.printed.includes("it says"));
});
