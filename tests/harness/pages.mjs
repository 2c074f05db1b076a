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

/** @param {string} file @returns {string} */
export function read(file) {
  return readFileSync(path.join(ROOT, file), "utf8");
}

/** Returns a page without its blocks of code. @param {string} text */
export function withoutBlocks(text) {
  return text.replaceAll(/^([ \t]*)```[\s\S]*?^\1```[ \t]*$/gm, "");
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

/** Returns the code in a cell. @param {string} cell */
export function codeIn(cell) {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code);
}
