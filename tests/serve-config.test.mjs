/** Compares what `npm run serve` gives the Worker with wrangler.toml. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COMPATIBILITY, OBJECTS } from "../serve/config.mjs";

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
