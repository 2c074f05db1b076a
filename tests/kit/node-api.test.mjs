/** The Node kit's calls of the real session API: what its errors distinguish. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../harness/browser.mjs";
import { Origin } from "../harness/origin.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { loadNodeKit } from "./node-server.mjs";
import { ORIGIN_KEY } from "./processes.mjs";

/**
 * A user's session with data, and the names of its sessions that the server saw.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 */
async function open(t, vars = {}) {
  const kit = await loadNodeKit();
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end();
  });
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { ORIGIN_KEY, ...vars },
  });
  const browser = new Browser(vestibule.url);
  const visit = async (/** @type {Record<string, string>} */ controls = {}) => {
    await browser.fetch(`/?${new URLSearchParams(controls)}`);
    await browser.fetch("/");
    return origin.received("x-session-id").at(-1) ?? assert.fail("no session");
  };
  const name = await visit({ "x-session-patch": '{"n":0}' });
  return { kit, vestibule, visit, name, api: new kit.OriginApi(vestibule.url, ORIGIN_KEY) };
}

test("a held lease, a lost one, and a session that is over are different errors", async (t) => {
  const { kit, visit, name, api } = await open(t);
  const [mine, other] = [await api.read(name), await api.read(name)];
  assert.deepEqual(mine.data, { n: 0 });
  const lease = await mine.lease({ seconds: 60 });
  assert.ok(lease.exclusive && lease.until > Date.now() / 1000);
  for (const attempt of [() => other.lease(), () => other.patch({ n: 1 })]) {
    await assert.rejects(attempt(), (error) => {
      assert.ok(error instanceof kit.LeaseHeld && error instanceof kit.Conflict);
      assert.ok(error.retryAfter !== undefined && error.retryAfter <= 60, `${error.retryAfter}`);
      return true;
    });
  }
  await mine.patch({ n: 2 }, { lease });
  await mine.release(lease);
  await other.patch({ m: 1 });
  assert.deepEqual(other.data, { n: 2, m: 1 });
  const next = await other.lease();
  await assert.rejects(mine.patch({ n: 3 }, { lease }), kit.LeaseHeld);
  await other.release(next);

  await visit({ "x-session-identify": '{"user":"ada"}' });
  await assert.rejects(mine.refresh(), kit.NoSession);
});

test("a caller that waits for a lease gets it", async (t) => {
  const { name, api } = await open(t);
  const [mine, other] = [await api.read(name), await api.read(name)];
  const lease = await mine.lease({ seconds: 60 });
  const waiting = other.patch({ n: 1 }, { wait: 10 });
  await mine.release(lease);
  await waiting;
  assert.deepEqual(other.data, { n: 1 });
});

test("storage that is silent, a wrong key and a wrong address are different errors", async (t) => {
  const { kit, vestibule, name, api } = await open(t);
  const wrong = new kit.OriginApi(vestibule.url, "another-origin-key");
  await assert.rejects(wrong.read(name), (error) => {
    return error instanceof kit.Misconfigured && !error.message.includes("another-origin-key");
  });
  const beside = new kit.OriginApi(vestibule.url, ORIGIN_KEY, { prefix: "/elsewhere" });
  await assert.rejects(beside.read(name), kit.Misconfigured);
  await vestibule.kill();
  await assert.rejects(api.read(name), kit.Unavailable);
});

test("without objects there are no leases, and the error names the setting", async (t) => {
  const { kit, name, api } = await open(t, { CONSISTENCY: "eventual" });
  const session = await api.read(name);
  await session.patch({ n: 1 });
  assert.deepEqual(session.data, { n: 1 });
  await assert.rejects(session.lease(), (error) => {
    return error instanceof kit.Misconfigured && /CONSISTENCY=strong/.test(error.message);
  });
});
