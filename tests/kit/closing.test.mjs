/** Workers of the kit that stop while answers are under way. */
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { Visitor } from "../chainlit/visitor.mjs";
import { until } from "../harness/until.mjs";
import { openWorkers } from "./server.mjs";

const APP = path.join(import.meta.dirname, "slow_chainlit.py");

const PATIENCE = { within: 60_000, attempts: Number.POSITIVE_INFINITY };

/** @param {import("node:test").TestContext} t */
async function open(t) {
  const { vestibule, workers } = await openWorkers(t, 1, APP);
  const visitor = new Visitor(vestibule.url, PATIENCE, {}, "/chat");
  t.after(() => visitor.leave());
  await visitor.signIn();
  await visitor.connect();
  const isAsked = (/** @type {string} */ text) =>
    until(() => workers.printed.includes(`asked: ${text}`), { what: text, ...PATIENCE });
  return { workers, visitor, isAsked };
}

test("an answer to what a page sent as it connected is finished before its worker stops", async (t) => {
  const { workers, visitor, isAsked } = await open(t);
  const answer = visitor.sendMessage("hello", { isUninterrupted: true });
  await isAsked("hello");
  workers.signal("SIGHUP");
  assert.equal(await answer, "let me think: hello");
});

test("an answer to an edited message is finished before its worker stops", async (t) => {
  const { workers, visitor, isAsked } = await open(t);
  await visitor.sendMessage("first");
  await visitor.takesInput();
  const answer = visitor.sendMessage("second", { isUninterrupted: true, edits: true });
  await isAsked("second");
  workers.signal("SIGHUP");
  assert.equal(await answer, "let me think: second");
});
