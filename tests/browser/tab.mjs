/** What a person does in a tab, in the same words for every browser. */
import { until } from "../harness/until.mjs";

/**
 * @typedef {object} TabCookie
 * @property {string} name
 * @property {boolean} [httpOnly]
 * @property {string} [sameSite]
 */

/**
 * A tab whose cookies, storage and connections are shared with no other. Each browser has a class for it.
 * @typedef {object} Tab
 * @property {(url: string) => Promise<unknown>} goto
 * @property {() => Promise<unknown>} reload
 * @property {(field: string, text: string) => Promise<unknown>} fill types into the field that an XPath finds
 * @property {(button: string) => Promise<unknown>} click clicks what an XPath finds
 * @property {(expression: string) => Promise<any>} evaluate evaluates JavaScript in the page; the value must be JSON
 * @property {() => Promise<TabCookie[]>} cookies those of the page
 */

/** Time for a page on a busy machine, in milliseconds. */
const PATIENCE = 30_000;

/**
 * Types into the field with this label, as soon as it takes input.
 * @param {Tab} tab
 * @param {string} label
 * @param {string} text
 */
export async function fill(tab, label, text) {
  const named = `//label[normalize-space()="${label}"]`;
  const field = `//input[@id=${named}/@for] | ${named}//input`;
  const found = `document.evaluate(${JSON.stringify(field)}, document, null, 9, null).singleNodeValue`;
  await becomes(tab, `${found}?.disabled === false`, `the field "${label}" taking input`);
  await tab.fill(field, text);
}

/**
 * Clicks the button with this name.
 * @param {Tab} tab
 * @param {string} name
 */
export function press(tab, name) {
  return tab.click(`//button[normalize-space()="${name}"]`);
}

/**
 * Waits for a text on the page.
 * @param {Tab} tab
 * @param {string} text
 */
export function shows(tab, text) {
  const shown = `document.body.innerText.includes(${JSON.stringify(text)})`;
  return becomes(tab, shown, `the page showing "${text}"`);
}

/**
 * Waits for an expression, and returns its value. While a page is replaced by the next, it has none.
 * @param {Tab} tab
 * @param {string} expression
 * @param {string} what
 */
export function becomes(tab, expression, what) {
  return until(() => tab.evaluate(expression).catch(() => undefined), { within: PATIENCE, what });
}
