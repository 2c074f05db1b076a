/** A person chats with real Chainlit in a real browser, through Vestibule, across two processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { openPage, picture } from "./chromium.mjs";

/** Answers stream within a second; a page of this size may take a while to load on a busy machine. */
const PATIENCE = { timeout: 30_000 };

/**
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function say(page, text) {
  const input = page.locator("#chat-input");
  const send = page.locator("#chat-submit:not([disabled])");
  // The page draws its input anew once it is connected, and what was typed before is gone.
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
  const answer = page.getByText(new RegExp(`\\w+ heard message \\d+: ${text}$`));
  await answer.waitFor(PATIENCE);
  return String(await answer.textContent()).trim();
}

test("chat, reload, chat again; lose the server, and chat on with the other", async (t) => {
  const [left, right] = await startChainlit(t, ["left", "right"]);
  const vestibule = await Vestibule.start(t, {
    origins: [`left=${left.url}`, `right=${right.url}`],
  });
  const page = await openPage(t);

  await page.goto(vestibule.url);
  const first = await say(page, "hello");
  const [home] = first.split(" ");
  assert.equal(first, `${home} heard message 1: hello`);
  await picture(page, "chainlit-chat");

  await page.reload();
  assert.match(await say(page, "back"), new RegExp(`^${home} heard message 1: back$`));
  await picture(page, "chainlit-reloaded");

  const [gone, other] = home === "left" ? [left, right] : [right, left];
  await gone.kill();
  assert.match(
    await say(page, "still there"),
    new RegExp(`^${other.name} heard message \\d+: still there$`),
  );
  await picture(page, "chainlit-moved");
});
