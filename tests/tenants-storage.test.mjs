/** Tests what a tenant has of a deployment's storage: a namespace of its own, and a number of sessions. */
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
 * @param {Record<string, KvServer>} [options.own]
 * @param {Record<string, string>} [options.vars]
 * @param {Record<string, unknown>} [options.acme] further keys of its document
 */
async function two(t, { own, vars = {}, acme = {} }) {
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
    own,
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

/** Returns the tenants of the stored records. @param {KvServer} kv */
function tenantsIn(kv) {
  const keys = [...kv.stored.keys()].filter((key) => /^[qsir]:/.test(key));
  return [...new Set(keys.map((key) => key.replace("q:", "").split(":")[1]))].sort();
}

for (const consistency of ["strong", "eventual"]) {
  test(`with ${consistency} a tenant's records are in its own namespace only`, async (t) => {
    const own = namespace(t);
    const { vestibule, visit } = await two(t, {
      own: { ACME__SESSIONS: own },
      vars: { CONSISTENCY: consistency },
    });
    for (const tenant of ["acme", "globex"]) {
      const { cookie } = await visit(tenant, `/store?${tenant}`);
      const { answer } = await visit(tenant, "/", cookie);
      assert.equal(answer.body, JSON.stringify({ value: tenant }));
    }
    await until(() => own.stored.size > 0 && vestibule.kv.stored.size > 0, { what: "records" });
    assert.deepEqual(tenantsIn(own), ["acme"]);
    assert.deepEqual(tenantsIn(vestibule.kv), ["globex"]);
  });

  test(`with ${consistency} a session is read from the tenant's own namespace`, async (t) => {
    const own = namespace(t);
    const vars = { CONSISTENCY: consistency };
    const { vestibule, visit } = await two(t, { own: { ACME__SESSIONS: own }, vars });
    const { cookie } = await visit("acme", "/store?kept");
    await until(() => tenantsIn(own).includes("acme"), { what: "the record" });
    // The new process knows nothing.
    await vestibule.restart();
    own.operations.length = 0;
    const { answer } = await visit("acme", "/", cookie);
    assert.equal(answer.body, JSON.stringify({ value: "kept" }));
    assert.ok(own.operations.some(({ op, key }) => op === "get" && key.startsWith("s:acme:")));
  });
}

test("one tenant's failing namespace hinders no other tenant", async (t) => {
  const own = namespace(t);
  const vars = { CONSISTENCY: "eventual" };
  const { vestibule, visit } = await two(t, { own: { ACME__SESSIONS: own }, vars });
  const cookies = { acme: "", globex: "" };
  for (const tenant of /** @type {const} */ (["acme", "globex"])) {
    cookies[tenant] = (await visit(tenant, `/store?${tenant}`)).cookie;
  }
  const stored = [own, vestibule.kv];
  await until(() => stored.every((kv) => tenantsIn(kv).length === 1), { what: "the records" });
  await vestibule.restart();
  own.mood.get = 500;
  // More failures than the breaker admits.
  for (let number = 0; number < 20; number += 1) {
    const { answer } = await visit("acme", "/", cookies.acme);
    assert.deepEqual([answer.status, answer.code], [503, "store_unavailable"]);
  }
  assert.equal((await visit("acme", "/_session/readyz")).answer.status, 503);
  assert.equal((await visit("globex", "/_session/readyz")).answer.status, 200);
  const { answer } = await visit("globex", "/", cookies.globex);
  assert.equal(answer.body, JSON.stringify({ value: "globex" }));
});

test("with strong a session continues after its tenant got a namespace of its own", async (t) => {
  const own = namespace(t);
  const { vestibule, visit } = await two(t, {});
  const { cookie } = await visit("acme", "/store?before");
  await until(() => tenantsIn(vestibule.kv).includes("acme"), { what: "the record" });
  await vestibule.rebind({ ACME__SESSIONS: own });
  const { answer, cookie: next } = await visit("acme", "/", cookie);
  assert.equal(answer.body, JSON.stringify({ value: "before" }));
  await visit("acme", "/store?after", next);
  await until(() => tenantsIn(own).includes("acme"), { what: "the record's next version" });
});

test("a text in place of a tenant's namespace is a configuration fault", async (t) => {
  const { port } = await Vestibule.start(t, { vars: { ACME__SESSIONS: "an-id" } });
  const answer = await send(port, {});
  assert.deepEqual([answer.status, answer.code], [500, "misconfigured"]);
  const { detail } = JSON.parse(answer.body);
  assert.match(detail, /ACME__SESSIONS is a text.*kv namespace create ACME__SESSIONS/);
});

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
