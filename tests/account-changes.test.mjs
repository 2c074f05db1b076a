/** Shows that changes of an account take effect at once, also where KV does not show them yet. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Browser, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";
const OLD = "difference engine";
const NEW = "analytical engine";

/** Two locations; the second sees only those writes of accounts that were made there. */
const users = new KvServer();
after(() => users.stop());
const sites = await Sites.start({ after }, { lags: [0, 3_600_000], users, vars: { ADMIN_TOKEN } });

/**
 * A site and its user Ada, created in the location that lags, so that both see the account.
 * @param {import("node:test").TestContext} t
 */
async function open(t) {
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { password: true } },
  }));
  const [here, there] = sites.vestibule.ports.map((port) => {
    const url = new URL(site.url);
    url.port = String(port);
    return url.origin;
  });
  const program = new Browser();
  /**
   * @param {string} where
   * @param {string} method
   * @param {unknown} [json]
   */
  const operate = async (where, method, json) => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const body = json === undefined ? {} : { json };
    const url = `${where}/_session/admin/users/ada`;
    const answer = await program.fetchJson(url, { method, headers, ...body });
    assert.ok([200, 204].includes(answer.status), answer.body);
    return answer;
  };
  /**
   * @param {string} where
   * @param {string} password
   * @param {Browser} [browser]
   */
  const signIn = async (where, password, browser = new Browser()) => {
    const json = { username: "ada", password };
    return (await browser.fetchJson(`${where}/_session/login`, { method: "POST", json })).status;
  };
  await operate(there, "PUT", { password: OLD });
  for (const where of [here, there]) assert.equal(await signIn(where, OLD), 200);
  return { site, here, there, operate, signIn };
}

test("an object rejects a replaced password and accepts the new one while KV is stale", async (t) => {
  const { here, there, operate, signIn } = await open(t);
  const browser = new Browser();
  assert.equal(await signIn(there, OLD, browser), 200);
  await operate(here, "PUT", { password: NEW });
  for (const where of [here, there]) {
    assert.equal(await signIn(where, OLD), 401, where);
    assert.equal(await signIn(where, NEW), 200, where);
  }
  const isOut = async () => (await browser.fetchJson(there)).status === 401;
  await until(isOut, { what: "the session begun by the old password being over" });
});

test("a user's password change invalidates the old password in the other location too", async (t) => {
  const { here, there, signIn } = await open(t);
  const browser = new Browser();
  assert.equal(await signIn(here, OLD, browser), 200);
  const json = { current: OLD, new: NEW };
  const done = await browser.fetchJson(`${here}/_session/password`, { method: "POST", json });
  assert.ok([200, 204].includes(done.status), done.body);
  assert.equal(await signIn(there, OLD), 401);
  assert.equal(await signIn(there, NEW), 200);
});

test("a change is completed although its client disconnects", async (t) => {
  const { here, there, signIn } = await open(t);
  const browser = new Browser();
  assert.equal(await signIn(there, OLD, browser), 200);
  const kept = users.count("put");
  users.putDelay = 300;
  t.after(() => {
    users.putDelay = 0;
  });
  const { host, port } = new URL(here);
  const sent = request({
    host: "127.0.0.1",
    port,
    method: "PUT",
    path: "/_session/admin/users/ada",
    headers: { host, authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    agent: false,
  });
  sent.on("error", () => {}).end(JSON.stringify({ disabled: true }));
  await until(() => users.count("put") > kept, { what: "the change being on its way" });
  sent.socket?.resetAndDestroy();
  const isOut = async () => (await browser.fetchJson(there)).status === 401;
  await until(isOut, { what: "the session begun by the old password being over" });
  assert.equal(await signIn(there, OLD), 401);
});

for (const [what, method, json] of /** @type {[string, string, unknown][]} */ ([
  ["disabled", "PUT", { disabled: true }],
  ["deleted", "DELETE", undefined],
])) {
  test(`a ${what} user cannot sign in anywhere while KV is stale`, async (t) => {
    const { here, there, operate, signIn } = await open(t);
    await operate(here, method, json);
    for (const where of [there, here]) assert.equal(await signIn(where, OLD), 401, where);
  });
}

test("a change made while KV is stale builds on the last change", async (t) => {
  const { site, here, there, operate, signIn } = await open(t);
  await operate(here, "PUT", { password: NEW });
  await operate(there, "PUT", { groups: ["staff"] });
  assert.match(String(users.stored.get(`user:${site.id}:ada`)?.value), /staff/);
  for (const where of [here, there]) {
    assert.equal(await signIn(where, OLD), 401, where);
    assert.equal(await signIn(where, NEW), 200, where);
  }
  const summary = (await operate(there, "GET")).json();
  assert.deepEqual(summary.groups, ["staff"]);
});

test("changes within one second are ordered, and a recreated account can sign in", async (t) => {
  const { here, there, operate, signIn } = await open(t);
  const times = [];
  for (const password of [NEW, OLD, NEW]) {
    await operate(here, "PUT", { password });
    times.push((await operate(there, "GET")).json().changed);
  }
  assert.ok(times[0] < times[1] && times[1] < times[2], String(times));
  assert.equal(await signIn(there, OLD), 401);
  assert.equal(await signIn(there, NEW), 200);
  await operate(here, "DELETE");
  assert.equal(await signIn(here, NEW), 401);
  await operate(here, "PUT", { password: OLD });
  assert.equal(await signIn(here, OLD), 200);
  assert.equal(await signIn(there, OLD), 200);
});
