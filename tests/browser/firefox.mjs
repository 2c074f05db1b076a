/** Runs Debian's Firefox, unpatched, over WebDriver BiDi: the protocol that Firefox itself serves. */
import { after } from "node:test";
import puppeteer from "puppeteer-core";
import { findFirefox } from "../../scripts/browsers.mjs";

/** One browser for all tabs: starting it takes seconds. @type {Promise<import("puppeteer-core").Browser> | undefined} */
let browser;

after(async () => (await browser)?.close());

/** @implements {Tab} */
class FirefoxTab {
  #page;

  /** @param {import("puppeteer-core").Page} page */
  constructor(page) {
    this.#page = page;
  }

  /** @param {string} url */
  goto(url) {
    return this.#page.goto(url);
  }

  reload() {
    return this.#page.reload();
  }

  /**
   * @param {string} xpath
   * @param {string} text
   */
  fill(xpath, text) {
    return this.#page.locator(`::-p-xpath(${xpath})`).fill(text);
  }

  /** @param {string} xpath */
  click(xpath) {
    return this.#page.locator(`::-p-xpath(${xpath})`).click();
  }

  /** @param {string} expression */
  evaluate(expression) {
    return this.#page.evaluate(expression);
  }

  cookies() {
    return this.#page.browserContext().cookies();
  }
}

/** @typedef {import("./tab.mjs").Tab} Tab */

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @returns {Promise<Tab>}
 */
export async function openFirefox(t) {
  browser ??= puppeteer.launch({ browser: "firefox", executablePath: findFirefox() });
  const context = await (await browser).createBrowserContext();
  t.after(() => context.close());
  return new FirefoxTab(await context.newPage());
}
