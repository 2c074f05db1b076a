/** Passwords as the Worker hashes and checks them. */
import assert from "node:assert/strict";
import { argon2Sync } from "node:crypto";
import { test } from "node:test";
import { loadEdge } from "./harness/edge-module.mjs";

const passwords = await loadEdge(`export * from "./passwords.js"`);
const { hashPassword, verifyPassword, DECOY } = passwords;

/** From the tests of the reference implementation: "password", with the salt "somesalt". */
const KNOWN =
  "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const CHEAP =
  "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

test("a password matches what is stored of it, and no other does", () => {
  const stored = hashPassword("correct horse");
  assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(verifyPassword("correct horse", stored), true);
  assert.equal(verifyPassword("correct horse ", stored), false);
  assert.equal(verifyPassword("", stored), false);
  assert.notEqual(hashPassword("correct horse"), stored);
});

test("what other programs have hashed is understood, and they would hash the same", () => {
  assert.equal(verifyPassword("password", KNOWN), true);
  assert.equal(verifyPassword("Password", KNOWN), false);
  assert.equal(verifyPassword("password", CHEAP), true);
  const [salt, hash] = hashPassword("Zoë's").split("$").slice(4);
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

test("an accent may be composed or not", () => {
  const stored = hashPassword("Zoe\u0308 was here");
  assert.equal(verifyPassword("Zo\u00eb was here", stored), true);
  assert.equal(verifyPassword("Zoe was here", stored), false);
});

test("with anything but a PHC string that we can afford, no password is right", () => {
  const [salt, hash] = CHEAP.split("$").slice(4);
  const phc = (/** @type {string} */ cost, s = salt, h = hash) =>
    `$argon2id$v=19$${cost}$${s}$${h}`;
  assert.equal(verifyPassword("password", phc("m=256,t=2,p=1")), true);
  for (const bad of [
    "",
    "password",
    ` ${CHEAP}`,
    `${CHEAP}\n`,
    `${CHEAP}=`,
    CHEAP.replace("argon2id", "argon2i"),
    CHEAP.replace("v=19", "v=16"),
    CHEAP.replace("v=19$", ""),
    phc("m=65537,t=2,p=1"),
    phc("m=4294967552,t=2,p=1"),
    phc("m=7,t=2,p=1"),
    phc("m=256,t=11,p=1"),
    phc("m=256,t=0,p=1"),
    phc("m=256,t=2,p=2"),
    phc("m=0256,t=2,p=1"),
    phc("m=256,t=2,p=1,keyid=AA"),
    phc("t=2,m=256,p=1"),
    phc("m=256,t=2,p=1", "c2hvcnRlcg"),
    phc("m=256,t=2,p=1", "A".repeat(66)),
    phc("m=256,t=2,p=1", "c29tZXNhbHR"),
    phc("m=256,t=2,p=1", "c29tZXNhb-Q"),
    phc("m=256,t=2,p=1", salt, hash.slice(0, 42)),
    phc("m=256,t=2,p=1", salt, `${hash.slice(0, -1)}5`),
    phc("m=256,t=2,p=1", salt, `${hash}AAAA`),
    phc("m=256,t=2,p=1", salt, ""),
  ]) {
    assert.equal(verifyPassword("password", bad), false, bad);
  }
});

test("a password has at most 1024 bytes", () => {
  const stored = hashPassword("x".repeat(1024));
  assert.equal(verifyPassword("x".repeat(1024), stored), true);
  assert.equal(verifyPassword("x".repeat(1025), stored), false);
  assert.throws(() => hashPassword("\u20ac".repeat(342)), /too long/);
});

test("the core is answered whether a password is right, and what is to be stored of a new one", () => {
  const made = passwords.make(JSON.stringify({ key: "new", password: "correct horse" }));
  assert.equal(made.kind, "found");
  assert.equal(made.key, "new");
  const hash = new TextDecoder().decode(made.bytes);
  const checked = (/** @type {object} */ order) => {
    const { kind, key, bytes, asked } = passwords.check(JSON.stringify({ key: "k", ...order }));
    assert.deepEqual([kind, key], ["found", "k"]);
    assert.ok(Math.abs(Date.now() - asked) < 10_000);
    return new TextDecoder().decode(bytes);
  };
  assert.equal(checked({ password: "correct horse", hash }), "1");
  assert.equal(checked({ password: "wrong horse", hash }), "0");
  assert.equal(checked({ password: "correct horse", hash: null }), "0");
  assert.equal(checked({ password: "correct horse", hash: DECOY }), "0");
  assert.equal(checked({ password: "correct horse", hash: "nonsense" }), "0");
});

test("what fails is logged without the password", (t) => {
  const warned = t.mock.method(console, "warn", () => {});
  const secret = "hunter2!";
  assert.equal(passwords.check(`{"key":"k","password":"${secret}`).kind, "unavailable");
  assert.equal(passwords.check(JSON.stringify({ key: "k", hash: DECOY })).kind, "unavailable");
  const long = JSON.stringify({ key: "k", password: secret.repeat(200) });
  const { kind, key } = passwords.make(long);
  assert.deepEqual([kind, key], ["unavailable", "k"]);
  const lines = warned.mock.calls.map(({ arguments: [line] }) => String(line));
  assert.equal(lines.length, 3);
  assert.ok(lines.every((line) => !line.includes("hunter")));
});

test("one instance does all the work, and the next password is hashed after one that trapped", async (t) => {
  const wasm = WebAssembly;
  let instances = 0;
  let isBroken = true;
  class Counted extends wasm.Instance {
    /** @type {any} */
    exports;
    /**
     * @param {WebAssembly.Module} module
     * @param {WebAssembly.Imports} [imports] the core's; the hash has none
     */
    constructor(module, imports) {
      super(module, imports);
      const own = super.exports;
      if (imports) {
        this.exports = own;
        return;
      }
      instances += 1;
      const trap = () => {
        throw new wasm.RuntimeError("unreachable");
      };
      this.exports = { ...own, hash: isBroken ? trap : own.hash };
    }
  }
  t.mock.method(console, "warn", () => {});
  t.mock.property(WebAssembly, "Instance", Counted);
  const fresh = await loadEdge(`export * from "./passwords.js"; export const its = "own";`);
  const order = JSON.stringify({ key: "k", password: "password", hash: CHEAP });
  assert.equal(fresh.check(order).kind, "unavailable");
  isBroken = false;
  assert.equal(fresh.check(order).kind, "found");
  assert.equal(fresh.check(order).kind, "found");
  assert.equal(instances, 2);
});
