/** The Node kit's example for Hono before the real Worker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../harness/browser.mjs";
import { testVerification } from "./believed.mjs";
import { homeOf, openNodeKit, post } from "./node-server.mjs";
import { outgrow } from "./processes.mjs";

testVerification("hono-app.js");

/** @param {Browser} browser what an event stream says of the data */
async function answered(browser) {
  const stream = await browser.fetch("/answer");
  assert.match(stream.headers.get("content-type") ?? "", /event-stream/);
  assert.equal(stream.headers.get("x-session-patch"), null);
  return JSON.parse((await stream.text()).match(/^data: (\{.*\})$/m)?.[1] ?? "null");
}

test("an event stream changes the session after its response began", async (t) => {
  const { vestibule } = await openNodeKit(t, "hono-app.js", ["one"]);
  const browser = new Browser(vestibule.url);
  await browser.json("/");
  assert.deepEqual(await answered(browser), { answers: 1 });
  assert.deepEqual(await answered(browser), { answers: 2 });
  assert.deepEqual((await browser.json("/")).data, { answers: 2 });
});

test("another process continues with data too large for a request", async (t) => {
  const { vestibule, servers } = await openNodeKit(t, "hono-app.js", ["left", "right"]);
  const browser = new Browser(vestibule.url);
  await post(browser, "/sign-in", { user: "ada" });
  await post(browser, "/visits");
  const large = await outgrow(vestibule, (await browser.json("/")).id);
  assert.deepEqual((await post(browser, "/visits")).data, { visits: 2, ...large });
  await (await homeOf(vestibule, servers)).kill();
  const { data, state } = await browser.json("/");
  assert.deepEqual([data, state], [{ visits: 2, ...large }, "takeover"]);
  assert.deepEqual(await answered(browser), { visits: 2, answers: 1, ...large });
});

test("another process continues with what a killed one stored", async (t) => {
  const { vestibule, servers } = await openNodeKit(t, "hono-app.js", ["left", "right"]);
  const browser = new Browser(vestibule.url);
  await post(browser, "/sign-in", { user: "ada" });
  await post(browser, "/visits");
  assert.deepEqual(await answered(browser), { visits: 1, answers: 1 });
  await (await homeOf(vestibule, servers)).kill();
  const { user, data, state } = await browser.json("/");
  assert.deepEqual([user, data, state], ["ada", { visits: 1, answers: 1 }, "takeover"]);
  assert.deepEqual((await post(browser, "/visits")).data, { visits: 2, answers: 1 });
});
