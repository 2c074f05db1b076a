/** Vestibule accepts every configuration that a page shows: variables, and documents of tenants. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { blocksOf, pages } from "./harness/pages.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN_TOKEN = "an-admin-token-for-tests";

/** What a document needs where a page shows only a part of it. */
const REST = { id: "shown", hosts: ["shown.example"], origins: [{ url: "https://chat.example" }] };

const KEYS = Object.keys(JSON.parse(readFileSync("www/tenant.schema.json", "utf8")).properties);

const blocks = pages().flatMap(blocksOf);

test("variables of every block of wrangler.toml", async (t) => {
  const shown = blocks.filter(
    ({ language, text }) => language === "toml" && /^\[vars\]$/m.test(text),
  );
  assert.ok(shown.length > 0);
  for (const { file, line, text } of shown) {
    const vars = Object.fromEntries(
      Array.from(text.matchAll(/^([A-Z_]+) *= *"([^"]*)"/gm), ([, name, value]) => [name, value]),
    );
    const bound = text.matchAll(/^\[\[services\]\]\nbinding = "(\w+)"/gm);
    const services = Object.fromEntries(Array.from(bound, ([, name]) => [name, 9]));
    const { url } = await Vestibule.start(t, { origins: ["https://chat.example"], services, vars });
    const response = await fetch(`${url}/_session/healthz`);
    assert.equal(response.status, 200, `${file}:${line}: ${await response.text()}`);
  }
});

test("every document of a tenant, or part of one", async (t) => {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const documents = blocks.flatMap(documentsOf);
  assert.ok(documents.length > 10, `${documents.length}`);
  const vars = { ADMIN_TOKEN, ...Object.fromEntries(documents.flatMap(secretsOf)) };
  const { url } = await Vestibule.start(t, { tenants, origins: [], vars });
  for (const { file, line, document } of documents) {
    const response = await fetch(`${url}/_session/admin/tenants/validate`, {
      method: "POST",
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify(document),
    });
    assert.deepEqual(await response.json(), { faults: [] }, `${file}:${line}`);
  }
});

/**
 * Returns what a block shows of a tenant's document: all of one, or some of its members.
 * @param {ReturnType<typeof blocksOf>[number]} block
 */
function documentsOf({ file, line, language, text }) {
  if (language !== "json") return [];
  const whole = text.startsWith("{") ? text : `{${text}}`;
  const document = /** @type {Record<string, unknown>} */ (parsed(whole));
  const names = Object.keys(document);
  if (names.length === 0 || names.some((name) => !KEYS.includes(name))) return [];
  return [{ file, line, document: { ...REST, ...document } }];
}

/**
 * Returns the secrets of the Worker that a document names, each with a value.
 * @param {ReturnType<typeof documentsOf>[number]} shown
 */
function secretsOf({ document }) {
  const names = JSON.stringify(document).matchAll(/"secret:(\w+)"/g);
  const prefix = document.id.toUpperCase().replaceAll("-", "_");
  return Array.from(names, ([, name]) => [`${prefix}__${name}`, "a secret for tests"]);
}

/** Returns an object for what is JSON, and an empty one for records and lines of logs with `…` in them. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
