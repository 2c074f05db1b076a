/** Reads the blocks of code in README and docs/. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Languages of blocks with commands, with or without their output. */
const COMMANDS = new Set(["sh", "bash", "shell", "console"]);

/**
 * @typedef {object} Block
 * @property {string} file
 * @property {number} line its first line
 * @property {string} language
 * @property {string} text without the page's indentation
 */

/** Returns README and the pages of docs/. */
function pages() {
  const docs = readdirSync(path.join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  const top = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
  return [...top, ...docs.filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
}

/** @param {string} file @returns {Block[]} */
function blocksOf(file) {
  const text = readFileSync(path.join(ROOT, file), "utf8");
  const fence = /^([ \t]*)```(\S*)[^\n]*\n([\s\S]*?)^\1```[ \t]*$/gm;
  return [...text.matchAll(fence)].map(([, indent, language, body, ...rest]) => ({
    file,
    line: text.slice(0, Number(rest.at(-2))).split("\n").length,
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** Blocks of all pages, and those with commands that no test has run yet. */
export class Documented {
  #blocks = pages().flatMap(blocksOf);
  /** @type {Set<Block>} */
  #left = new Set(this.#blocks.filter(({ language }) => COMMANDS.has(language)));

  /**
   * Returns the one block of a page that contains this text.
   * @param {string} file
   * @param {string} part
   * @returns {Block}
   */
  block(file, part) {
    const found = this.#blocks.filter((block) => block.file === file && block.text.includes(part));
    assert.equal(found.length, 1, `${file} has ${found.length} blocks with ${part}`);
    this.#left.delete(found[0]);
    return found[0];
  }

  /** Returns the places of blocks with commands that no test has run. */
  get left() {
    return [...this.#left].map(({ file, line }) => `${file}:${line}`);
  }
}

/**
 * Returns a console block's commands, each with the lines it prints.
 * @param {Block} block
 * @returns {{ command: string, prints: string[] }[]}
 */
export function steps({ text }) {
  /** @type {{ command: string, prints: string[] }[]} */
  const found = [];
  for (const line of text.trimEnd().split("\n")) {
    const last = found.at(-1);
    if (line.startsWith("$ ")) found.push({ command: line.slice(2), prints: [] });
    else if (line.startsWith("> ") && last) last.command += `\n${line.slice(2)}`;
    else last?.prints.push(line);
  }
  return found;
}

/**
 * Asserts that all lines were printed. Numbers may differ; `…` matches any text.
 * @param {string} printed
 * @param {string[]} lines
 */
export function assertPrinted(printed, lines) {
  for (const line of lines.filter((one) => one.trim() !== "")) {
    const escaped = line.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pattern = escaped.replaceAll(/\d+/g, "\\d+").replaceAll("…", ".*");
    assert.match(printed, new RegExp(`^${pattern}\\s*$`, "m"));
  }
}
