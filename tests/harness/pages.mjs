/** Reads the project's Markdown pages, and their links, anchors and tables. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../..");

/** Folders with Markdown that is foreign, or made by a build. */
const SKIPPED = new Set(["node_modules", "target", "build", ".git", ".wrangler", "opentelemetry"]);

/**
 * Returns every file below a folder of the repository, as paths from its root.
 * @param {string} folder
 * @returns {string[]}
 */
export function filesBelow(folder) {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true })
    .filter(({ name }) => !SKIPPED.has(name))
    .flatMap((entry) => {
      const name = path.posix.join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(name) : [name];
    });
}

/** Returns every Markdown page. */
export function pages() {
  return filesBelow(".").filter((name) => name.endsWith(".md"));
}

/** Tells whether a page is in Chinese, by its name: `README.zh-CN.md`, `docs/guide/zh/…`. @param {string} page */
export function isChinese(page) {
  return /\.zh-CN\.md$|(?:^|\/)zh\//.test(page);
}

/** @param {string} file @returns {string} */
export function read(file) {
  return readFileSync(path.join(ROOT, file), "utf8");
}

/** Returns a page without its blocks of code. @param {string} text */
export function withoutBlocks(text) {
  return text.replaceAll(/^([ \t]*)```[\s\S]*?^\1```[ \t]*$/gm, "");
}

/** Returns a page without code, quotations, recorded tables and targets of links. @param {string} text */
export function proseOf(text) {
  return withoutBlocks(text)
    .replaceAll(/<!--[\s\S]*?-->(?:[\s\S]*?<!-- end -->)?/g, "")
    .replaceAll(/`[^`\n]*`/g, "code")
    .replaceAll(/"[^"\n]*"/g, "quotation")
    .replaceAll(/\]\([^)]*\)/g, "]");
}

/**
 * Returns the sentences of a text, English or Chinese. A cell of a table and an item of a list are sentences too.
 * @param {string} text
 */
export function sentencesOf(text) {
  return text
    .split(/\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) ?)/)
    .flatMap((block) => (block.startsWith("|") ? block.split(/[|\n]/) : [block]))
    .flatMap((block) => block.replaceAll(/\s+/g, " ").split(/(?<=[.!?;:])\s+|(?<=[。！？；：])/))
    .map((sentence) => sentence.trim());
}

/**
 * Returns the targets of a page's links and images.
 * @param {string} text
 * @returns {string[]}
 */
export function linksOf(text) {
  const prose = withoutBlocks(text).replaceAll(/`[^`\n]*`/g, "");
  return Array.from(prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g), ([, to]) => to);
}

/**
 * Returns the anchors of a page's headings, as on GitHub.
 * @param {string} text
 * @returns {Set<string>}
 */
export function anchorsOf(text) {
  const anchors = new Set();
  for (const [, heading] of withoutBlocks(text).matchAll(/^#{1,6}\s+(.+?)\s*$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/**
 * Returns the rows of a page's tables, heads and rules left out.
 * @param {string} text
 * @returns {string[][]}
 */
export function rowsOf(text) {
  const lines = withoutBlocks(text).split("\n");
  const isRow = (/** @type {string | undefined} */ line) => line?.startsWith("|") ?? false;
  return lines
    .filter((line, at) => isRow(line) && !isRule(line) && !isRule(lines[at + 1] ?? ""))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** @param {string} line */
function isRule(line) {
  return /^\|[\s:|-]+\|$/.test(line);
}

/**
 * Returns the blocks of code of a page, without the page's indentation.
 * @param {string} page
 * @returns {{ file: string, line: number, language: string, text: string }[]}
 */
export function blocksOf(page) {
  const text = read(page);
  const fence = /^([ \t]*)```(\S*)[^\n]*\n([\s\S]*?)^\1```[ \t]*$/gm;
  return Array.from(text.matchAll(fence), ({ index, 1: indent, 2: language, 3: body }) => ({
    file: page,
    line: text.slice(0, index).split("\n").length,
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** Returns the code in a cell. @param {string} cell */
export function codeIn(cell) {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code);
}
