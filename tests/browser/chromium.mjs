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

/** Blocks cookies of other sites' frames and requests, as browsers do by default. */
export const NO_THIRD_PARTY_COOKIES = "--test-third-party-cookie-phaseout";

/**
 * One browser for all pages with the same further argument: starting it takes longer than most tests.
 * @type {Map<string, Promise<import("playwright-core").Browser>>}
 */
const browsers = new Map();

after(async () => {
  for (const browser of browsers.values()) await (await browser).close();
});

/** @param {string} argument */
function launched(argument) {
  const args = argument ? [...ARGS, argument] : ARGS;
  const browser =
    browsers.get(argument) ?? chromium.launch({ executablePath: findChromium(), args });
  browsers.set(argument, browser);
  return browser;
}

/**
 * Opens a page that shares no cookie, storage, cache or connection with any other.
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {import("playwright-core").BrowserContextOptions} [options]
 * @param {string} [argument] a further argument of the browser
 */
export async function openPage(t, options = {}, argument = "") {
  const viewport = { width: 1280, height: 860 };
  const context = await (await launched(argument)).newContext({ viewport, ...options });
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
