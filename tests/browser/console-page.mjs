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
 * A busy machine may miss a deadline of storage, and the console asks again. So a 503 counts until the same request succeeds.
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
  page.on("response", (response) => {
    if (!response.ok()) return;
    const isOver = (/** @type {string} */ one) =>
      one.includes("status of 503") && one.endsWith(` ${response.url()}`);
    const left = complaints.filter((one) => !isOver(one));
    complaints.splice(0, complaints.length, ...left);
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

/**
 * Selects everything in the editor, and copies it or pastes over it, as a person does by keyboard: the editor draws only
 * the lines in view, and the browser itself would insert typed lines with inline styles, which the policy forbids. It is
 * one step within the page, because a dialog that opens between two would take the second key.
 * @param {Page} page
 * @param {"copy" | "paste"} type
 * @param {string} [text]
 */
function ofWholeDocument(page, type, text = "") {
  return editor(page).evaluate(
    (element, [type, text]) => {
      const options = { bubbles: true, cancelable: true };
      const isMac = navigator.platform.startsWith("Mac");
      const control = { key: "a", code: "KeyA", keyCode: 65, ctrlKey: !isMac, metaKey: isMac };
      element.dispatchEvent(new KeyboardEvent("keydown", { ...options, ...control }));
      const clipboardData = new DataTransfer();
      if (type === "paste") clipboardData.setData("text/plain", text);
      element.dispatchEvent(new ClipboardEvent(type, { ...options, clipboardData }));
      return clipboardData.getData("text/plain");
    },
    [type, text],
  );
}

/** Reads the text in the editor. @param {Page} page */
export async function documentText(page) {
  await editor(page).focus();
  return ofWholeDocument(page, "copy");
}

/**
 * Replaces the text in the editor.
 * @param {Page} page
 * @param {string} text
 */
export async function typeDocument(page, text) {
  await editor(page).click();
  await ofWholeDocument(page, "paste", text);
}
