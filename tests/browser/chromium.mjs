/** Runs a real browser, and stores its screenshots. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after } from "node:test";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/browsers.mjs";

const ARTIFACTS = path.resolve(import.meta.dirname, "../../target/test-artifacts");

/** Options: the tests need no network, and a sandbox needs rights that a test machine may lack. */
const ARGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--no-sandbox",
];

/** One browser for all pages: starting it takes longer than most tests. @type {Promise<import("playwright-core").Browser> | undefined} */
let browser;

after(async () => (await browser)?.close());

/**
 * Opens a page that shares no cookie, storage, cache or connection with any other.
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openPage(t, options = {}) {
  browser ??= chromium.launch({ executablePath: findChromium(), args: ARGS });
  const viewport = { width: 1280, height: 860 };
  const context = await (await browser).newContext({ viewport, ...options });
  t.after(() => context.close());
  return context.newPage();
}

/**
 * Stores a screenshot of the page.
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function picture(page, name) {
  mkdirSync(ARTIFACTS, { recursive: true });
  await page.screenshot({ path: path.join(ARTIFACTS, `${name}.png`), fullPage: true });
}
