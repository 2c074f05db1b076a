/** Checks the accessibility of a page with axe: WCAG 2.2 AA and best practices. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/**
 * @param {import("playwright-core").Page} page
 * @param {string} what it is, to be told where something is found
 */
export async function isAccessible(page, what) {
  // A page's content security policy does not apply to the debugger.
  await page.evaluate(AXE);
  const found = await page.evaluate(
    `axe.run(document, { iframes: false, runOnly: ${JSON.stringify(RULES)} })`,
  );
  const { violations } = /** @type {{ violations: any[] }} */ (found);
  const received = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.target).join(", ")}`,
  );
  assert.deepEqual(received, [], what);
}
