/**
 * The Chinese pages are Chinese, are typeset and short-sentenced as such, and show no command and no
 * setting that the English pages, which other tests compare with the code, do not have.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { documentedPages, isCommand } from "./harness/documented.mjs";
import {
  blocksOf,
  codeIn,
  isChinese,
  linksOf,
  pages,
  proseOf,
  read,
  rowsOf,
  sentencesOf,
  withoutBlocks,
} from "./harness/pages.mjs";

/** Maximum length of a sentence: a Chinese character counts as one, and so does a word or a piece of code. */
const MAX_LENGTH = 60;

/** Maximum number of English words in a row: names and quoted messages are shorter than this. */
const MAX_ENGLISH = 8;

/** Half-width punctuation or brackets directly beside a Chinese character. */
const HALF_WIDTH = /\p{Script=Han}[,;:?!()]|[,;:?!()]\p{Script=Han}|\p{Script=Han}\.(?=\s|$)/gu;

/** What is named like a setting: variables of other programs, methods, and a tenant's own secrets (`ACME__NAME`). */
const FOREIGN =
  /^(?:CHAINLIT_|VESTIBULE_|OPENDAL_|CONSOLE_(?:WEB|API)_URL|(?:APP|SERVICE)_(?:API|WEB)_URL|FILES_URL|SECRET_KEY|SESSION_STORE|NAME|GET|POST|PUT|PATCH|DELETE|HEAD|[A-Z]+__)/;

const chinese = pages().filter(isChinese);

test("there are Chinese pages, and each is linked with an English one", () => {
  assert.ok(chinese.includes("README.zh-CN.md") && chinese.includes("docs/guide/zh/README.md"));
  assert.ok(linksOf(read("README.md")).includes("README.zh-CN.md"));
  assert.ok(linksOf(read("README.zh-CN.md")).includes("README.md"));
});

test("README has the same headings, blocks and tables in both languages", () => {
  const shape = (/** @type {string} */ page) => ({
    headings: read(page).match(/^#+ /gm),
    blocks: blocksOf(page).map(({ text }) => text),
    rows: rowsOf(read(page)).map((row) => row.length),
  });
  assert.deepEqual(shape("README.zh-CN.md"), shape("README.md"));
});

for (const page of chinese) {
  const text = proseOf(read(page)).replaceAll(/“[^”\n]*”/g, "引文");

  test(`${page} is Chinese, in sentences of at most ${MAX_LENGTH} characters`, () => {
    const sentences = sentencesOf(text);
    assert.deepEqual(sentences.filter(isEnglish), []);
    assert.deepEqual(
      sentences.filter((sentence) => lengthOf(sentence) > MAX_LENGTH),
      [],
    );
  });

  test(`${page} uses full-width punctuation`, () => {
    assert.deepEqual(
      Array.from(text.matchAll(HALF_WIDTH), ({ index }) => text.slice(index - 10, index + 10)),
      [],
    );
  });

  test(`every command of ${page} is one of an English page, which a test runs`, () => {
    const run = new Set(documentedPages().flatMap(blocksOf).filter(isCommand).map(withoutComments));
    const others = blocksOf(page)
      .filter(isCommand)
      .filter((block) => !run.has(withoutComments(block)));
    assert.deepEqual(others, []);
  });

  test(`every setting that ${page} names is in the reference`, () => {
    const known = codeOf("docs/reference/settings.md");
    assert.deepEqual(
      settingsIn(page).filter((name) => !known.has(name) && !FOREIGN.test(name)),
      [],
    );
  });

  test(`every key of a document in ${page} is in the reference`, () => {
    const known = codeOf("docs/reference/tenant-document.md");
    const keys = blocksOf(page)
      .filter(({ language }) => language === "json")
      .flatMap(({ text: json }) => keysOf(JSON.parse(json.startsWith("{") ? json : `{${json}}`)));
    assert.deepEqual(
      keys.filter((key) => !known.has(key)),
      [],
    );
  });
}

test("English, half-width punctuation and long sentences are noticed", () => {
  assert.equal(isEnglish("This sentence was left as it was in the English page."), true);
  assert.equal(isEnglish("见 Cloudflare 的 Durable Objects 和 Workers KV 的说明"), false);
  assert.equal("你好,世界(再见)".match(HALF_WIDTH)?.length, 3);
  assert.equal(lengthOf("两个 Chainlit 进程"), 5);
  assert.deepEqual(keysOf({ login: { methods: { oidc: [{ issuer: "x" }] } }, env: { A: "b" } }), [
    "login.methods.oidc[].issuer",
    "env",
  ]);
});

/** Tells whether a sentence was left untranslated. @param {string} sentence */
function isEnglish(sentence) {
  const runs = sentence.match(/[A-Za-z][\w'-]*(?:[ ,]+[A-Za-z][\w'-]*)*/g) ?? [];
  return runs.some((run) => run.split(/[ ,]+/).length > MAX_ENGLISH);
}

/** @param {string} sentence */
function lengthOf(sentence) {
  return sentence.match(/\p{Script=Han}|[A-Za-z0-9][\w.'-]*/gu)?.length ?? 0;
}

/** Returns commands without their comments, which are translated. @param {{ text: string }} block */
function withoutComments({ text }) {
  return text.replaceAll(/\s+# .*$/gm, "");
}

/** Returns what the tables of a page name as code. @param {string} page */
function codeOf(page) {
  return new Set(
    rowsOf(read(page))
      .flatMap((row) => row.flatMap(codeIn))
      .flatMap(namesIn),
  );
}

/** Returns a setting or key, also of what is written with a value or several words. @param {string} code */
function namesIn(code) {
  return [code, ...(code.match(/^[\w<>.[\]]+/) ?? [])];
}

/** Returns the variables and secrets that a page names in its text or sets in its blocks. @param {string} page */
function settingsIn(page) {
  const inText = codeIn(withoutBlocks(read(page))).flatMap(
    (code) => code.match(/^[A-Z][A-Z0-9_]+(?=$|=)/) ?? [],
  );
  const inBlocks = blocksOf(page)
    .filter(({ language }) => language === "toml")
    .flatMap(({ text }) => Array.from(text.matchAll(/^(\w+) *=/gm), ([, name]) => name));
  return [...inText, ...inBlocks];
}

/**
 * Returns the paths of a document's values, as the reference writes them.
 * @param {unknown} value
 * @param {string} [at]
 * @returns {string[]}
 */
function keysOf(value, at = "") {
  if (["env", "assets", "headers"].includes(at)) return [at];
  if (Array.isArray(value) && value.some((one) => typeof one === "object"))
    return value.flatMap((one) => keysOf(one, `${at}[]`));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [at];
  return Object.entries(value).flatMap(([key, one]) => keysOf(one, at ? `${at}.${key}` : key));
}
