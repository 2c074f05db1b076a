/** Users of four servers that keep in memory who is signed in: what they wait for, with the sign-ins it takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatServers } from "../bench/chat-servers.mjs";
import { Users } from "../bench/users.mjs";
import { startRoundRobin } from "./chainlit/round-robin.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const MESSAGES = 40;

/**
 * @param {import("node:test").TestContext} t
 * @param {(servers: ChatServers) => Promise<string>} front returns the URL that leads to the servers
 */
async function usersBehind(t, front) {
  const servers = await ChatServers.reserve(t, 4, "account-server.mjs");
  await servers.start(...servers.ports.keys());
  const users = new Users(await front(servers));
  t.after(() => users.leave());
  const speak = async (messages = MESSAGES) => {
    users.take();
    await until(() => users.messages >= messages, { within: 60_000, what: "answers" });
    return users.take();
  };
  // All sign in for the first time, which does not count.
  await speak(20);
  return { servers, users, speak };
}

test("behind Vestibule no user signs in again when another server answers, and answers come sooner", async (t) => {
  const taking = await usersBehind(t, ({ ports }) => startRoundRobin(t, ports));
  const turns = await taking.speak();
  t.diagnostic(`taking turns: ${JSON.stringify(turns)}`);
  assert.ok(turns.thrownOut > 30, "servers do not know each other's users");
  await taking.users.leave();

  const { servers, speak } = await usersBehind(t, async ({ origins }) => {
    return (await Vestibule.start(t, { origins })).url;
  });
  const calm = await speak();
  t.diagnostic(`Vestibule: ${JSON.stringify(calm)}`);
  assert.equal(calm.thrownOut, 0);
  assert.ok(calm.average < turns.average / 2, `${calm.average} and ${turns.average} ms`);

  for (const at of [0, 1]) {
    servers.kill(at);
    const { thrownOut, messages } = await speak();
    assert.equal(thrownOut, 0, `of ${messages} messages while s${at} is away`);
    await servers.start(at);
  }
});
