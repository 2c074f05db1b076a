/** Compares what `npm run serve` gives the Worker with wrangler.toml, and tests what it does with its files. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { COMPATIBILITY, OBJECTS } from "../serve/config.mjs";
import { removeEmptyObjects } from "../serve/object-files.mjs";
import { dataFolder } from "./harness/serve.mjs";

const toml = readFileSync("wrangler.toml", "utf8");

test("date and flags of the runtime are those of wrangler.toml", () => {
  const [, date] = toml.match(/^compatibility_date = "(.+)"$/m) ?? [];
  const [, flags] = toml.match(/^compatibility_flags = (\[.+\])$/m) ?? [];
  assert.match(COMPATIBILITY, new RegExp(`compatibilityDate = "${date}"`));
  assert.ok(COMPATIBILITY.includes(`compatibilityFlags = ${flags}`));
});

test("the Durable Objects are those of wrangler.toml", () => {
  const bound = [...toml.matchAll(/^name = "(\w+_OBJECTS)"\nclass_name = "(\w+)"$/gm)];
  assert.deepEqual(
    bound.map(([, binding, name]) => [binding, name]),
    OBJECTS.map(([binding, name]) => [binding, name]),
  );
});

test("the runtime is the one of wrangler", () => {
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const wrangler = JSON.parse(readFileSync("node_modules/wrangler/package.json", "utf8"));
  assert.equal(dependencies.workerd, wrangler.dependencies.workerd);
});

test("files of objects without data are removed, and no others", (t) => {
  const folder = dataFolder(t);
  mkdirSync(path.join(folder, "session"));
  const named = (/** @type {string} */ letter) =>
    path.join(folder, "session", `${letter.repeat(64)}.sqlite`);
  const make = (/** @type {string} */ letter, /** @type {string} */ statements) => {
    const database = new DatabaseSync(named(letter));
    database.exec(`PRAGMA journal_mode = WAL; CREATE TABLE t (x); ${statements}`);
    database.close();
  };
  make("a", "DROP TABLE t; VACUUM");
  make("b", "");
  make("c", "INSERT INTO t VALUES (1)");
  make("d", "DROP TABLE t; VACUUM");
  writeFileSync(`${named("d")}-wal`, "what is not in the main file yet");
  writeFileSync(named("e"), Buffer.alloc(4_096));
  make("f", "DROP TABLE t; VACUUM");
  writeFileSync(`${named("f")}-wal`, "");
  const other = path.join(folder, "session/metadata.sqlite");
  writeFileSync(other, readFileSync(named("f")));
  removeEmptyObjects(folder);
  const left = [..."abcdef"].filter((letter) => existsSync(named(letter)));
  assert.deepEqual(left, ["b", "c", "d", "e"]);
  assert.ok(existsSync(other));
});
