/** Tests what a tenant has of a deployment's storage: a number of sessions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";

/** @param {import("node:test").TestContext} t */
function namespace(t) {
  const kv = new KvServer();
  t.after(() => kv.stop());
  return kv;
}

/**
 * Starts the tenants acme and globex, whose server stores in the session what `/store?…` says.
 * @param {import("node:test").TestContext} t
 * @param {object} options
 * @param {Record<string, string>} [options.vars]
 * @param {Record<string, unknown>} [options.acme] further keys of its document
 */
async function two(t, { vars = {}, acme = {} }) {
  const origin = await Origin.start(t, (request, reply) => {
    const [path, value] = `${request.url}`.split("?");
    if (path === "/store") reply.setHeader("x-session-patch", JSON.stringify({ value }));
    if (path === "/end") reply.setHeader("x-session-destroy", "1");
    reply.end(`${request.headers["x-session-data"]}`);
  });
  const tenants = namespace(t);
  for (const [id, more] of Object.entries({ acme, globex: {} })) {
    const document = { id, hosts: [`${id}.localhost`], origins: [{ url: origin.url }], ...more };
    tenants.plant(`host:${id}.localhost`, id);
    tenants.plant(`tenant:${id}`, JSON.stringify(document));
  }
  const vestibule = await Vestibule.start(t, {
    tenants,
    origins: [],
    vars: { ADMIN_TOKEN, ...vars },
  });
  /** @param {string} tenant @param {string} [target] @param {string} [cookie] */
  const visit = async (tenant, target = "/", cookie = "a=1") => {
    const host = `${tenant}.localhost`;
    const answer = await send(vestibule.port, { host, target, lines: [`Cookie: ${cookie}`] });
    const [line] = header(answer, "set-cookie");
    return { answer, cookie: line?.split(";")[0] ?? cookie };
  };
  return { vestibule, visit };
}

test("beyond its number of sessions a tenant gets no new visitors, and others continue", async (t) => {
  const acme = { session: { max_sessions: 2 } };
  const { vestibule, visit } = await two(t, { acme, vars: { TELEMETRY_EVERY: "100" } });
  const first = (await visit("acme", "/store?1")).cookie;
  const second = (await visit("acme", "/store?2")).cookie;
  const refused = await until(
    async () => {
      const { answer } = await visit("acme");
      return answer.status === 503 && answer;
    },
    { what: "a refusal", within: 40_000 },
  );
  assert.equal(refused.code, "tenant_full");
  assert.deepEqual(header(refused, "retry-after"), ["10"]);
  for (const [at, cookie] of [first, second].entries()) {
    const { answer } = await visit("acme", "/", cookie);
    assert.equal(answer.body, JSON.stringify({ value: `${at + 1}` }));
  }
  assert.equal((await visit("globex", "/store?1")).answer.status, 200);
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  await until(
    async () => {
      const response = await fetch(`${vestibule.url}/_session/admin/metrics`, { headers });
      return (await response.text()).includes('vestibule_sessions_stored{tenant="acme"} 2\n');
    },
    { what: "the metric" },
  );
  await visit("acme", "/end", first);
  await until(async () => (await visit("acme")).answer.status === 200, {
    what: "room for a new visitor",
    within: 40_000,
  });
});

test("a number of sessions needs the tenant's object", async (t) => {
  const vars = { CONSISTENCY: "eventual", MAX_SESSIONS: "5" };
  const { port } = await Vestibule.start(t, { vars });
  const answer = await send(port, {});
  assert.deepEqual([answer.status, answer.code], [500, "misconfigured"]);
  assert.match(JSON.parse(answer.body).detail, /MAX_SESSIONS: only the tenant's object counts/);
});
