/** Shows a chat with real Chainlit in a real browser, through Vestibule, across two processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { PATIENCE, sendMessage } from "./chainlit-page.mjs";
import { openPage, picture } from "./chromium.mjs";

test("a visitor chats on after a reload, and with the other server after the first dies", async (t) => {
  const [left, right] = await startChainlit(t, ["left", "right"]);
  const vestibule = await Vestibule.start(t, {
    origins: [`left=${left.url}`, `right=${right.url}`],
  });
  const page = await openPage(t);

  await page.goto(vestibule.url);
  const first = await sendMessage(page, "hello");
  const [home] = first.split(" ");
  assert.equal(first, `${home} heard message 1: hello`);
  await picture(page, "chainlit-chat");

  await page.reload();
  assert.match(await sendMessage(page, "back"), new RegExp(`^${home} heard message 1: back$`));
  await picture(page, "chainlit-reloaded");

  const [gone, other] = home === "left" ? [left, right] : [right, left];
  // Until the page notices, it sends into the lost connection.
  const reconnected = page.waitForEvent("websocket", PATIENCE);
  await gone.kill();
  await reconnected;
  assert.match(
    await sendMessage(page, "still there"),
    new RegExp(`^${other.name} heard message \\d+: still there$`),
  );
  await picture(page, "chainlit-moved");
});
