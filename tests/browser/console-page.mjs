/** Opens the console in a browser, and collects errors and violations of its policy. */
import { openPage } from "./chromium.mjs";

/** @typedef {import("playwright-core").Page} Page */

export const TOKEN = "an-admin-token-for-the-console-tests";

/** Counts reach the API with the next batch of telemetry; a machine may be busy. */
export const PATIENCE = { timeout: 15_000 };

/** Makes batches frequent, so that tests get figures soon. */
export const SOON = { ADMIN_TOKEN: TOKEN, TELEMETRY_EVERY: "250" };

/**
 * Browsers log responses with an error status, which a signed-out visitor gets. A frame without
 * scripts may not take the focus, as intended.
 */
const USUAL = /status of 40[13]|Blocked autofocusing/;

/**
 * @param {import("node:test").TestContext} t
 * @param {import("playwright-core").BrowserContextOptions} [options]
 * @param {RegExp} [expected] further errors that are allowed
 */
export async function consolePage(t, options, expected = /^$/) {
  const page = await openPage(t, options);
  return { page, complaints: await watch(page, expected) };
}

/**
 * @param {Page} page
 * @param {RegExp} [expected]
 */
export async function watch(page, expected = /^$/) {
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    if (USUAL.test(text) || expected.test(text)) return;
    complaints.push(`${message.type()}: ${text} ${message.location().url}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
      console.error("forbidden:", violatedDirective, blockedURI),
    );
  });
  return complaints;
}

/**
 * @param {{ url: string }} site
 * @param {string} page
 */
export function address({ url }, page) {
  return `${url}/_session/console/#/${page}`;
}

/**
 * @param {Page} page
 * @param {string} [token]
 */
export async function signIn(page, token = TOKEN) {
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await menu(page).waitFor();
}

/** @param {Page} page */
export function menu(page) {
  return page.getByRole("navigation", { name: "Pages", exact: true });
}

/**
 * Returns the page's own heading.
 * @param {Page} page
 * @param {string} name
 */
export function title(page, name) {
  return page.getByRole("heading", { name, level: 1, exact: true });
}

/** Returns the editor of a tenant's document. @param {Page} page */
export function editor(page) {
  return page.getByRole("textbox", { name: "Document, as JSON" });
}

/** Reads the text in the editor as a person copies it: the editor draws only the lines in view. @param {Page} page */
export async function documentText(page) {
  await editor(page).focus();
  await page.keyboard.press("ControlOrMeta+a");
  return editor(page).evaluate((element) => {
    const clipboardData = new DataTransfer();
    const options = { clipboardData, bubbles: true, cancelable: true };
    element.dispatchEvent(new ClipboardEvent("copy", options));
    return clipboardData.getData("text/plain");
  });
}

/**
 * Replaces the text in the editor by pasting. The browser itself would insert typed lines with inline styles, which the
 * policy forbids, before the editor draws them.
 * @param {Page} page
 * @param {string} text
 */
export async function typeDocument(page, text) {
  await editor(page).click();
  await page.keyboard.press("ControlOrMeta+a");
  await editor(page).evaluate((element, pasted) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", pasted);
    const options = { clipboardData, bubbles: true, cancelable: true };
    element.dispatchEvent(new ClipboardEvent("paste", options));
  }, text);
}
