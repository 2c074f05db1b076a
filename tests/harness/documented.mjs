/** Reads the blocks of code in README and docs/. */
import assert from "node:assert/strict";
import { blocksOf, isChinese, pages } from "./pages.mjs";

/** Languages of blocks with commands, with or without their output. */
const COMMANDS = new Set(["sh", "bash", "shell", "console"]);

/** @typedef {ReturnType<typeof blocksOf>[number]} Block */

/** Tells whether a block has commands. @param {Block} block */
export function isCommand({ language }) {
  return COMMANDS.has(language);
}

/**
 * Returns the pages whose commands are run: README and docs/. Chinese pages repeat these commands, as
 * `tests/chinese.test.mjs` checks.
 */
export function documentedPages() {
  return pages().filter((page) => !isChinese(page) && /^(?:docs\/.+|[^/]+)$/.test(page));
}

/** Blocks of all pages, and those with commands that no test has run yet. */
export class Documented {
  #blocks = documentedPages().flatMap(blocksOf);
  /** @type {Set<Block>} */
  #left = new Set(this.#blocks.filter(isCommand));

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
