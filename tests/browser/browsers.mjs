/** Runs a scenario in every browser, side by side: Chromium, Firefox and WebKit. */
import {
  FIREFOX_MISSING,
  findFirefox,
  findWebKit,
  WEBKIT_MISSING,
} from "../../scripts/browsers.mjs";
import { openPage } from "./chromium.mjs";
import { openFirefox } from "./firefox.mjs";
import { openWebKit } from "./webkit.mjs";

/** @typedef {import("./tab.mjs").Tab} Tab */
/** @typedef {import("node:test").TestContext} TestContext */

/** @type {{ name: string, open: (t: TestContext) => Promise<Tab>, skip: string | false }[]} */
const BROWSERS = [
  { name: "Chromium", open: openChromium, skip: false },
  { name: "Firefox", open: openFirefox, skip: !findFirefox() && FIREFOX_MISSING },
  { name: "WebKit", open: openWebKit, skip: !findWebKit() && WEBKIT_MISSING },
];

/** Options of a test whose parts run side by side: most of the time a browser waits. */
export const SIDE_BY_SIDE = { concurrency: true };

/**
 * Returns a test of a scenario, with a part for each browser.
 * @param {(t: TestContext, tab: Tab) => Promise<void>} scenario
 */
export function inEveryBrowser(scenario) {
  return async (/** @type {TestContext} */ t) => {
    const parts = BROWSERS.map(({ name, open, skip }) =>
      t.test(name, { skip }, async (t) => scenario(t, await open(t))),
    );
    await Promise.all(parts);
  };
}

/**
 * @param {TestContext} t
 * @returns {Promise<Tab>}
 */
async function openChromium(t) {
  const page = await openPage(t);
  const found = (/** @type {string} */ xpath) => page.locator(`xpath=${xpath}`);
  return {
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
    fill: (field, text) => found(field).fill(text),
    click: (button) => found(button).click(),
    evaluate: (expression) => page.evaluate(expression),
    cookies: () => page.context().cookies(page.url()),
  };
}
