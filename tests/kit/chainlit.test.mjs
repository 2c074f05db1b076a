/** A Chainlit that survives: with the kit, another process continues the conversation of one that died. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Visitor } from "../chainlit/visitor.mjs";
import { Browser } from "../harness/browser.mjs";
import { until } from "../harness/until.mjs";
import { outgrow } from "./processes.mjs";
import { chainlit, openKit } from "./server.mjs";

const PATIENCE = { within: 30_000, attempts: 50 };

/** After the process died, the answer comes within so many milliseconds of the reconnection. */
const QUICKLY_MS = 20_000;

/** @param {{ logs: any[] }} vestibule which origin the last request went to */
function originOf(vestibule) {
  const [last] = vestibule.logs.filter((line) => line.origin).slice(-1);
  return last?.origin;
}

test("the conversation of a guest continues in another process", async (t) => {
  const { vestibule, servers } = await openKit(t, chainlit, ["left", "right"]);
  const visitor = new Visitor(vestibule.url, PATIENCE);
  t.after(() => visitor.leave());
  await visitor.signIn();
  await visitor.connect();
  for (const count of [1, 2, 3]) {
    assert.equal(
      await visitor.sendMessage(`hello-${count}`),
      `message ${count} of guest: hello-${count}`,
    );
  }
  const home = await until(() => originOf(vestibule), { what: "a logged request" });
  const server = servers.find(({ name }) => name === home) ?? assert.fail(home);

  const back = visitor.isBack();
  await server.kill();
  await back;
  const begun = Date.now();
  assert.equal(await visitor.sendMessage("again"), "message 4 of guest: again");
  assert.ok(Date.now() - begun < QUICKLY_MS, `after ${Date.now() - begun} ms`);
  assert.equal(await visitor.sendMessage("more"), "message 5 of guest: more");
});

test("the conversation continues with data too large for a request", async (t) => {
  const { vestibule, servers } = await openKit(t, chainlit, ["left", "right"]);
  const visitor = new Visitor(vestibule.url, PATIENCE);
  t.after(() => visitor.leave());
  await visitor.signIn();
  await visitor.connect();
  const says = async (/** @type {number} */ count) =>
    assert.equal(await visitor.sendMessage("hello"), `message ${count} of guest: hello`);
  await says(1);
  await outgrow(vestibule, await visitor.session());
  await says(2);
  const home = await until(() => originOf(vestibule), { what: "a logged request" });
  const server = servers.find(({ name }) => name === home) ?? assert.fail(home);
  const back = visitor.isBack();
  await server.kill();
  await back;
  await says(3);
  await says(4);
});

test("with one line of the kit, cl.user_session survives the death of its process", async (t) => {
  // The application of the tests without the kit, where a message after this is number 1.
  const app = readFileSync(path.join(import.meta.dirname, "../chainlit/app.py"), "utf8");
  const line =
    "from vestibule_session import chainlit as vestibule\nvestibule.install(keep_user_session=True)\n";
  const { vestibule, servers } = await openKit(
    t,
    (port) => chainlit(port, "app.py"),
    ["left", "right"],
    {
      env: { PROCESS_NAME: "Chainlit", HEADER_LOG: "/dev/null" },
      prepare: (folder) => writeFileSync(path.join(folder, "app.py"), line + app),
    },
  );
  const visitor = new Visitor(vestibule.url, PATIENCE);
  t.after(() => visitor.leave());
  await visitor.signIn();
  await visitor.connect();
  const hears = async (/** @type {number} */ number) => {
    const answer = await visitor.sendMessage(`hello-${number}`);
    assert.equal(answer, `Chainlit heard message ${number}: hello-${number}`);
    // It is saved when the page takes input again.
    await visitor.takesInput();
  };
  for (const number of [1, 2, 3]) await hears(number);
  const home = await until(() => originOf(vestibule), { what: "a logged request" });
  const server = servers.find(({ name }) => name === home) ?? assert.fail(home);
  const back = visitor.isBack();
  await server.kill();
  await back;
  for (const number of [4, 5]) await hears(number);
});

test("Chainlit's user is the session's, and nobody signs in beside Vestibule", async (t) => {
  const { vestibule, servers } = await openKit(t, chainlit, ["one"]);
  const browser = new Browser(vestibule.url);
  await browser.fetch("/");
  assert.equal((await browser.fetch("/auth/header", { method: "POST" })).status, 200);
  const { identifier, metadata } = await browser.json("/user");
  assert.equal(identifier, metadata.session);
  assert.deepEqual([metadata.tenant, metadata.is_guest], ["default", true]);

  const forged = { "x-session-id": "forged", "x-session-user": "boss" };
  const direct = await fetch(`${servers[0].url}/auth/header`, { method: "POST", headers: forged });
  assert.equal(direct.status, 401);

  assert.equal((await browser.fetch("/logout", { method: "POST" })).status, 200);
  assert.notEqual((await browser.json("/_session/me")).handle, identifier);
});
