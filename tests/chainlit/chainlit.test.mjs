/**
 * Tests the real, unmodified Chainlit in two processes: it fails behind a round-robin proxy, and works
 * behind Vestibule.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Vestibule } from "../harness/workerd.mjs";
import { conversations } from "./conversations.mjs";
import { startChainlit } from "./processes.mjs";
import { startRoundRobin } from "./round-robin.mjs";
import { Visitor } from "./visitor.mjs";

const VISITORS = 100;

test("two Chainlit processes behind one address", async (t) => {
  const [left, right] = await startChainlit(t, ["left", "right"]);

  const plainProxy =
    (/** @type {string} */ url, within = 2_500) =>
    (/** @type {number} */ number) =>
      new Visitor(url, { within, attempts: 3 }, { "x-session-id": `visitor-${number}` });

  await t.test(
    "the round-robin proxy works: with one process no conversation breaks",
    async (t) => {
      const url = await startRoundRobin(t, [left.port]);
      assert.deepEqual((await conversations(10, plainProxy(url, 30_000))).broken, []);
    },
  );

  await t.test("behind a round-robin proxy most conversations break", async (t) => {
    const url = await startRoundRobin(t, [left.port, right.port]);
    const { whole } = await conversations(VISITORS, plainProxy(url));
    t.diagnostic(`round robin: ${whole.length} of ${VISITORS} conversations whole`);
    assert.ok(whole.length < VISITORS / 2, `${whole.length}`);
  });

  await t.test("behind Vestibule no conversation breaks", async (t) => {
    const vestibule = await Vestibule.start(t, {
      origins: [`left=${left.url}`, `right=${right.url}`],
    });
    const patience = { within: 30_000, attempts: 5 };
    const visitor = () => new Visitor(vestibule.url, patience);
    const { whole, broken } = await conversations(VISITORS, visitor);
    t.diagnostic(`Vestibule: ${whole.length} of ${VISITORS} conversations whole`);
    assert.deepEqual(broken, []);
    assert.equal(whole.length, VISITORS);
    for (const name of ["left", "right"]) {
      const share = whole.filter((answered) => answered === name).length;
      assert.ok(share > 20, `${name} had ${share} of ${VISITORS}`);
    }
    assert.equal(vestibule.kv.operations.length, 0, "guests cost nothing");
  });

  await t.test("the application receives the session headers and not our cookie", async () => {
    const signIns = [...left.signIns(), ...right.signIns()].filter(
      (headers) => headers["x-session-tenant"],
    );
    assert.equal(signIns.length, VISITORS);
    for (const headers of signIns) {
      assert.match(headers["x-session-id"], /^[\w-]{22}$/);
      assert.equal(headers["x-session-tenant"], "default");
      assert.match(headers["x-session-state"], /^(new|active)$/);
      assert.match(headers["x-session-created"], /^\d+$/);
      assert.match(headers["x-session-expires"], /^\d+$/);
      assert.match(headers["x-forwarded-host"], /^127\.0\.0\.1:\d+$/);
      assert.match(headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.doesNotMatch(headers.cookie ?? "", /(^|; )(session|__Host-session)=/);
    }
  });

  await t.test("when a visitor's process dies, the other one answers", async (t) => {
    const vestibule = await Vestibule.start(t, {
      origins: [`left=${left.url}`, `right=${right.url}`],
    });
    const visitor = new Visitor(vestibule.url, { within: 30_000, attempts: 50 });
    t.after(async () => visitor.leave());
    await visitor.signIn();
    await visitor.connect();
    const [home] = (await visitor.sendMessage("before")).split(" ");
    const [gone, other] = home === "left" ? [left, right] : [right, left];
    const back = visitor.isBack();
    await gone.kill();
    await back;
    assert.equal(await visitor.sendMessage("after"), `${other.name} heard message 1: after`);
  });
});
