/** Uses Chainlit's page like a person. */
import { until } from "../harness/until.mjs";

/** Answers stream within a second; a page of this size may take a while to load on a busy machine. */
export const PATIENCE = { timeout: 30_000 };

/**
 * Types a message, and waits until it can be sent: the page is signed in and connected. Before, it navigates to and fro.
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export async function typeMessage(page, text) {
  // The browser draws a background page rarely.
  await page.bringToFront();
  const input = page.locator("#chat-input");
  const send = page.locator("#chat-submit:not([disabled])");
  // Once connected, the page redraws its input and loses the text typed before.
  const ready = async () => {
    if (String(await input.textContent()).trim() !== text) {
      await input.click();
      await page.keyboard.press("ControlOrMeta+a");
      await page.keyboard.type(text);
    }
    return (await send.count()) > 0;
  };
  await input.waitFor(PATIENCE);
  await until(ready, { within: PATIENCE.timeout, what: "the page being ready to send" });
  return send;
}

/**
 * Sends a message, and waits for the whole response.
 * @param {import("playwright-core").Page} page
 * @param {string} text
 * @param {RegExp} [expected] the response
 */
export async function sendMessage(
  page,
  text,
  expected = new RegExp(`\\w+ heard message \\d+.*: ${text}( \\(.*\\))?$`),
) {
  const send = await typeMessage(page, text);
  await send.click();
  const answer = page.getByText(expected);
  await answer.waitFor(PATIENCE);
  return String(await answer.textContent()).trim();
}

/**
 * Attaches a file to the next message.
 * @param {import("playwright-core").Page} page
 * @param {{ name: string, mimeType: string, buffer: Buffer }} file
 */
export async function attach(page, file) {
  const done = page.waitForResponse((response) => response.url().includes("/project/file"));
  await page.locator("#upload-button-input").setInputFiles(file);
  return (await done).status();
}

/**
 * Returns the user that Chainlit reports to its own page.
 * @param {import("playwright-core").Page} page
 * @returns {Promise<{ status: number, user: string | undefined, tenant: string | undefined }>}
 */
export async function chainlitUser(page) {
  return page.evaluate(async () => {
    const response = await fetch("/user", { headers: { accept: "application/json" } });
    const body = response.ok ? await response.json() : {};
    return { status: response.status, user: body.identifier, tenant: body.metadata?.tenant };
  });
}
