/** Chainlit's page, as people use it. */
import { until } from "../harness/until.mjs";

/** Answers stream within a second; a page of this size may take a while to load on a busy machine. */
export const PATIENCE = { timeout: 30_000 };

/**
 * Says something, and waits for the whole answer.
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export async function say(page, text) {
  // One in the background is drawn seldom.
  await page.bringToFront();
  const input = page.locator("#chat-input");
  const send = page.locator("#chat-submit:not([disabled])");
  // The page draws its input again once it is connected, and what was typed before is gone.
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
  await send.click();
  const answer = page.getByText(new RegExp(`\\w+ heard message \\d+.*: ${text}( \\(.*\\))?$`));
  await answer.waitFor(PATIENCE);
  return String(await answer.textContent()).trim();
}

/**
 * Puts a file beside what is said next.
 * @param {import("playwright-core").Page} page
 * @param {{ name: string, mimeType: string, buffer: Buffer }} file
 */
export async function attach(page, file) {
  const done = page.waitForResponse((response) => response.url().includes("/project/file"));
  await page.locator("#upload-button-input").setInputFiles(file);
  return (await done).status();
}

/**
 * Whom Chainlit takes the browser for: what it tells its own page.
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
