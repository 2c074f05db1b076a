/** A rolling restart of the kit's workers, with a hundred conversations with Chainlit under way. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Visitor } from "../chainlit/visitor.mjs";
import { openWorkers } from "./server.mjs";

const CONVERSATIONS = 100;

const PATIENCE = { within: 60_000, attempts: Number.POSITIVE_INFINITY };

/** Maximum time for a visitor to read an answer, in milliseconds. */
const READING_MS = 6_000;

/** Maximum time for the restart of all workers, in milliseconds. */
const RESTARTED_WITHIN = 180_000;

/** A visitor who counts the messages. */
class Conversation {
  #visitor;
  said = 0;

  /** @param {string} url */
  constructor(url) {
    this.#visitor = new Visitor(url, PATIENCE, {}, "/chat");
  }

  async begin() {
    await this.#visitor.signIn();
    await this.#visitor.connect();
    await this.say();
  }

  /** Says a message as soon as the page lets the visitor. The answer must count every message before it. */
  async say() {
    this.said += 1;
    const text = `hello-${this.said}`;
    await this.#visitor.takesInput();
    const answer = await this.#visitor.sendMessage(text, { isUninterrupted: true });
    assert.equal(answer, `message ${this.said} of guest: ${text}`);
  }

  /** Goes on until the signal, with pauses for reading. @param {AbortSignal} signal */
  async goOn(signal) {
    while (!signal.aborted) {
      await pause(Math.random() * READING_MS, undefined, { signal }).catch(() => {});
      await this.say();
    }
  }

  leave() {
    this.#visitor.leave();
  }
}

test("a rolling restart keeps a hundred of a hundred conversations", async (t) => {
  const { vestibule, workers } = await openWorkers(t, 2);
  const conversations = Array.from(
    { length: CONVERSATIONS },
    () => new Conversation(vestibule.url),
  );
  t.after(() => conversations.forEach((one) => void one.leave()));
  await inTurn(conversations, (one) => one.begin());

  const upload = path.join(workers.folder, ".files/upload");
  writeFileSync(upload, "");
  const before = vestibule.logs.length;
  const restarted = new AbortController();
  t.after(() => restarted.abort());
  const during = Promise.allSettled(conversations.map((one) => one.goOn(restarted.signal)));
  workers.signal("SIGHUP");
  const isRestarted = () => workers.printed.includes("all workers are restarted");
  let newcomers = 0;
  for (const end = Date.now() + RESTARTED_WITHIN; !isRestarted(); newcomers += 1) {
    assert.ok(Date.now() < end, `not restarted: ${workers.printed}`);
    const newcomer = new Conversation(vestibule.url);
    await newcomer.begin().finally(() => newcomer.leave());
  }
  restarted.abort();
  const broken = (await during).flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  assert.deepEqual(broken, []);
  await inTurn(conversations, (one) => one.say());

  const failed = vestibule.logs.slice(before).filter(({ status }) => status >= 400);
  for (const line of failed) t.diagnostic(JSON.stringify(line));
  assert.deepEqual(failed, [], "no request failed");
  assert.ok(existsSync(upload), "no worker deletes what others keep in their folder");
  const said = conversations.reduce((sum, one) => sum + one.said, 0);
  t.diagnostic(`${said} messages, and ${newcomers} newcomers during the restart`);
});

/**
 * @param {Conversation[]} conversations
 * @param {(one: Conversation) => Promise<void>} act
 */
async function inTurn(conversations, act) {
  const waiting = [...conversations];
  const work = async () => {
    for (let one = waiting.pop(); one; one = waiting.pop()) await act(one);
  };
  await Promise.all(Array.from({ length: 10 }, work));
}
