/** Checks that every link of every Markdown page resolves, and that docs/README.md lists all pages. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  anchorsOf,
  filesBelow,
  linksOf,
  pages,
  ROOT,
  read,
  withoutBlocks,
} from "./harness/pages.mjs";

/** Folders whose files cite pages of docs/. */
const CITING = ["bench", "benches", "scripts", "src", "tests", "tools", "www"];

/** Files made by a build or a first run, which a clean checkout does not have. */
const MADE = /^(?:build|target|doors|bench\/peers\/node_modules)\//;

for (const page of pages()) {
  test(`every link of ${page} resolves`, () => {
    const broken = linksOf(read(page)).filter((link) => !resolves(page, link));
    assert.deepEqual(broken, []);
  });

  test(`every file that ${page} names exists`, () => {
    const named = withoutBlocks(read(page)).matchAll(
      /`((?:\.ci|\.github|bench|benches|build|docs|fuzz|scripts|src|tests|tools|www)\/[\w./-]*)`/g,
    );
    const missing = Array.from(named, ([, file]) => file).filter(
      (file) => !MADE.test(file) && !existsSync(path.join(ROOT, file)),
    );
    assert.deepEqual(missing, []);
  });
}

test("every page of docs/ that a source file cites exists", () => {
  const missing = CITING.flatMap(filesBelow)
    .filter((file) => /\.(?:rs|m?js|jsx|html|css|toml|yml)$/.test(file))
    .flatMap((file) =>
      Array.from(
        read(file).matchAll(/\bdocs\/[\w/.-]+\.(?:md|svg|json|yml)\b/g),
        ([page]) => `${file}: ${page}`,
      ),
    )
    .filter((citation) => !existsSync(path.join(ROOT, citation.split(": ")[1])));
  assert.deepEqual(missing, []);
});

test("docs/README.md links to every page of docs/", () => {
  const linked = linksOf(read("docs/README.md")).map((link) => path.posix.join("docs", link));
  const others = pages().filter((page) => page.startsWith("docs/") && page !== "docs/README.md");
  assert.deepEqual(
    others.filter((page) => !linked.includes(page)),
    [],
  );
});

test("every test that docs/operate/asvs.md names exists", () => {
  const cells = read("docs/operate/asvs.md").matchAll(
    /`([\w/.-]+\.(?:rs|mjs))`: ((?:(?:"[^"]+"|`[^`/]+`)(?:, )?)+)/g,
  );
  const missing = [];
  for (const [, file, names] of cells) {
    const text = read(file);
    for (const [, title, name] of names.matchAll(/"([^"]+)"|`([^`]+)`/g)) {
      if (!(name ? text.includes(`fn ${name}(`) : isTitle(title, text)))
        missing.push(`${file}: ${title ?? name}`);
    }
  }
  assert.deepEqual(missing, []);
});

test("README has at most 120 lines", () => {
  assert.ok(read("README.md").trimEnd().split("\n").length <= 120);
});

test("a broken link is detected, and anchors match GitHub's", () => {
  assert.equal(resolves("docs/README.md", "nowhere.md"), false);
  assert.equal(resolves("README.md", "docs/README.md#nowhere"), false);
  assert.equal(resolves("docs/README.md", "../README.md"), true);
  const text = "# A page\n\n## A tenant's `own` logo, and style\n\n## Again\n\n## Again\n";
  const anchors = ["a-page", "a-tenants-own-logo-and-style", "again", "again-1"];
  assert.deepEqual([...anchorsOf(text)], anchors);
});

/**
 * Returns whether a link of a page leads to a file, and to its heading if it names one. Other sites are not checked.
 * @param {string} page
 * @param {string} link
 */
function resolves(page, link) {
  if (/^[a-z]+:/.test(link)) return true;
  const [file, anchor] = link.split("#");
  const target = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
  if (!existsSync(path.join(ROOT, target))) return false;
  return anchor === undefined || !target.endsWith(".md") || anchorsOf(read(target)).has(anchor);
}

/**
 * Returns whether a file has a test of this title, in which … matches any text.
 * @param {string} title
 * @param {string} text
 */
function isTitle(title, text) {
  const parts = title.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  // A test that runs once per consistency has that at the end of its title.
  const suffix = "(?: ?\\(?\\$\\{\\w+\\}\\)?)?";
  return new RegExp(`["\`]${parts.join("[^\\n]*")}${suffix}["\`]`).test(text);
}
