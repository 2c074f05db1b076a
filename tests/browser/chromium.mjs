/** A real browser, and where its pictures go. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/chromium.mjs";

const ARTIFACTS = path.resolve(import.meta.dirname, "../../target/test-artifacts");

/** Nothing here needs the network, and a sandbox needs rights a test machine may not give. */
const ARGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--no-sandbox",
];

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openPage(t, options = {}) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ARGS });
  t.after(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  return context.newPage();
}

/**
 * Keeps a picture of the page for people to look at.
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function picture(page, name) {
  mkdirSync(ARTIFACTS, { recursive: true });
  await page.screenshot({ path: path.join(ARTIFACTS, `${name}.png`), fullPage: true });
}
