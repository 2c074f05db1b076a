/** Tests the KV service of `npm run serve` by real bindings of workerd, over each of its stores. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { NAMESPACE, workerdProgram } from "../serve/config.mjs";
import { RedisStore } from "../serve/kv/redis.mjs";
import { serveKv } from "../serve/kv/service.mjs";
import { SqliteStore } from "../serve/kv/sqlite.mjs";
import { freePort } from "./harness/ports.mjs";
import { Redis, redisMissing } from "./harness/redis.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("../serve/kv/service.mjs").Store} Store */

/** Calls the methods of its bindings by name. */
const WORKER = `export default {
  async fetch(request, env) {
    const { binding, method, args } = await request.json();
    try {
      return Response.json({ result: (await env[binding][method](...args)) ?? null });
    } catch (error) {
      return Response.json({ error: error.message });
    }
  },
};`;

/** The stores, each made in a folder of the test. */
const STORES = [
  {
    name: "SQLite",
    skip: /** @type {string | false} */ (false),
    /** @param {import("node:test").TestContext} _ @param {string} folder @returns {Promise<Store>} */
    make: async (_, folder) => new SqliteStore(path.join(folder, "kv.sqlite")),
  },
  {
    name: "Redis",
    skip: redisMissing,
    /** @param {import("node:test").TestContext} t @returns {Promise<Store>} */
    make: async (t) => new RedisStore((await Redis.start(t)).url, ["ONE", "TWO"]).open(),
  },
];

/** @param {import("node:test").TestContext} t */
function temporary(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-kv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Starts a Worker with the bindings ONE and TWO.
 * @param {import("node:test").TestContext} t
 * @param {(t: import("node:test").TestContext, folder: string) => Promise<Store>} make
 */
async function bindings(t, make) {
  const folder = temporary(t);
  const socket = path.join(folder, "kv.sock");
  /** @type {Error[]} */
  const failures = [];
  const store = await make(t, folder);
  const kv = await serveKv(store, socket, (error) => failures.push(error));
  t.after(() => kv.close());
  const port = await freePort();
  const service = (/** @type {string} */ name) =>
    `(name = "${name}", external = (address = "unix:${socket}", http = (injectRequestHeaders = [(name = "${NAMESPACE}", value = "${name}")])))`;
  writeFileSync(path.join(folder, "worker.js"), WORKER);
  writeFileSync(
    path.join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), ${service("ONE")}, ${service("TWO")}],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  bindings = [(name = "ONE", kvNamespace = "ONE"), (name = "TWO", kvNamespace = "TWO")],
  compatibilityDate = "2026-11-01",
);`,
  );
  const child = spawn(workerdProgram(), ["serve", path.join(folder, "config.capnp")], {
    stdio: "ignore",
  });
  t.after(async () => {
    const gone = once(child, "exit");
    if (child.kill("SIGKILL")) await gone;
  });
  /** @param {string} binding @param {string} method @param {unknown[]} args */
  const ask = async (binding, method, ...args) => {
    const body = JSON.stringify({ binding, method, args });
    const answer = await fetch(`http://127.0.0.1:${port}`, { method: "POST", body });
    return /** @type {{ result: any, error?: string }} */ (await answer.json());
  };
  await until(() => ask("ONE", "get", "a").catch(() => null), { what: "the Worker answering" });
  /** @param {string} method @param {unknown[]} args */
  const one = async (method, ...args) => {
    const { result, error } = await ask("ONE", method, ...args);
    assert.equal(error, undefined);
    return result;
  };
  return { ask, one, store, failures };
}

for (const { name, skip, make } of STORES) {
  test(`${name}: values, metadata and namespaces are kept apart`, { skip }, async (t) => {
    const { ask, one } = await bindings(t, make);
    assert.equal(await one("get", "missing"), null);
    const key = "t:ä/?&=%2F 🎉";
    await one("put", key, "Zoë 🎉");
    assert.equal(await one("get", key), "Zoë 🎉");
    assert.equal((await ask("TWO", "get", key)).result, null);
    await one("put", key, "", { metadata: { name: "Zoë 🎉" } });
    const found = await one("getWithMetadata", key);
    assert.deepEqual([found.value, found.metadata], ["", { name: "Zoë 🎉" }]);
    await one("put", key, "again");
    assert.equal((await one("getWithMetadata", key)).metadata, null, "metadata is replaced, too");
    await one("delete", key);
    await one("delete", key);
    assert.equal(await one("get", key), null);
  });

  test(`${name}: lists are in the order of bytes, by prefix, page by page`, { skip }, async (t) => {
    const { one } = await bindings(t, make);
    const names = ["a", "u:1", "u:10", "u:2", "u:Z", "u:z", "u:ä", "u:ｚ", "u:🎉", "v"];
    for (const key of names.toReversed()) await one("put", key, key, { metadata: { key } });
    /** @type {string[]} */
    const listed = [];
    let cursor;
    let pages = 0;
    do {
      const page = await one("list", { prefix: "u:", limit: 3, cursor });
      for (const { name: key, metadata } of page.keys) {
        assert.deepEqual(metadata, { key });
        listed.push(key);
      }
      assert.equal(page.list_complete, page.cursor === undefined);
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined);
    assert.deepEqual(listed, names.slice(1, -1));
    assert.equal(pages, 3);
    const all = await one("list");
    assert.deepEqual(
      all.keys.map((/** @type {{ name: string }} */ key) => key.name),
      names,
    );
    assert.deepEqual((await one("list", { prefix: "w" })).keys, []);
  });

  test(`${name}: the limits of Workers KV hold`, { skip }, async (t) => {
    const { ask, one } = await bindings(t, make);
    const refused = async (/** @type {unknown[]} */ ...args) =>
      (await ask("ONE", "put", ...args)).error ?? "";
    assert.match(await refused("k".repeat(513), "v"), /414/);
    assert.match(await refused("k", "v", { metadata: "m".repeat(1024) }), /413/);
    assert.match(await refused("k", "v", { expirationTtl: 59 }), /400/);
    assert.match(await refused("k", "v", { expiration: Math.floor(Date.now() / 1000) }), /400/);
    assert.equal(await one("get", "k"), null, "nothing was stored");
    await one("put", "k".repeat(512), "v", { expirationTtl: 60 });
    const { keys } = await one("list");
    const left = keys[0].expiration - Date.now() / 1000;
    assert.ok(left > 30 && left <= 60, `expires in ${left} s`);
    const large = "v".repeat(25 * 1024 * 1024);
    await one("put", "large", large);
    assert.equal((await one("get", "large")).length, large.length);
    assert.match(await refused("large", `${large}v`), /413/);
  });

  test(`${name}: what has expired is neither read nor listed`, { skip }, async (t) => {
    const { one, store } = await bindings(t, make);
    const value = Buffer.from("v");
    const put = (/** @type {string} */ key, /** @type {number | null} */ expires) =>
      store.put("ONE", key, { value, metadata: "", expires });
    await put("gone", Date.now() + 300);
    await put("stays", null);
    await put("longer", Date.now() + 300);
    await put("longer", Date.now() + 3_600_000);
    await until(async () => (await one("get", "gone")) === null, { what: "the end of the value" });
    const { keys } = await one("list");
    assert.deepEqual(
      keys.map((/** @type {{ name: string }} */ key) => key.name),
      ["longer", "stays"],
    );
    assert.equal(await one("get", "longer"), "v");
  });
}

test("SQLite: acknowledged writes are in the file, and a newer file's format is refused", async (t) => {
  const folder = temporary(t);
  const file = path.join(folder, "kv.sqlite");
  const store = new SqliteStore(file);
  const writes = Array.from({ length: 100 }, (_, at) =>
    store.put("ONE", `k${at}`, { value: Buffer.from("v"), metadata: "", expires: null }),
  );
  await Promise.all(writes);
  const other = new DatabaseSync(file, { readOnly: true });
  const { count } = /** @type {any} */ (other.prepare("SELECT count(*) count FROM entries").get());
  assert.equal(count, 100);
  other.close();
  await store.close();
  const newer = new DatabaseSync(file);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  assert.throws(() => new SqliteStore(file), /written by a newer release/);
});

test("Redis: an outage is an error of the platform, and ends with the outage", {
  skip: redisMissing,
}, async (t) => {
  const redis = await Redis.start(t);
  const made = await new RedisStore(redis.url, ["ONE"]).open();
  const { ask, one, failures } = await bindings(t, async () => made);
  await one("put", "k", "v");
  await redis.stop();
  assert.match((await ask("ONE", "get", "k")).error ?? "", /503/);
  assert.match((await ask("ONE", "put", "k", "w")).error ?? "", /503/);
  assert.ok(failures.length >= 2);
  await redis.run();
  const read = async () => (await ask("ONE", "get", "k")).result === "v";
  await until(read, { what: "the value after the outage" });
});

test("Redis: settings with which it loses sessions are named", {
  skip: redisMissing,
}, async (t) => {
  const careless = ["--maxmemory-policy", "allkeys-lru", "--appendonly", "no"];
  const store = await new RedisStore((await Redis.start(t, careless)).url, []).open();
  t.after(() => store.close());
  const [policy, disk] = await store.warnings();
  assert.match(policy, /allkeys-lru/);
  assert.match(disk, /appendonly yes/);
});
