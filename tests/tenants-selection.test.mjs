/** Tests tenants that share a host: a path or a header of the request selects them, and a claim selects their values. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HostileProvider } from "./harness/hostile-provider.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const HOST = "chat.localhost";

/**
 * Starts a deployment whose documents come from an HTTP service that notes the keys it is asked for.
 * @param {import("node:test").TestContext} t
 * @param {string} by value of TENANT_BY
 * @param {Record<string, string[]>} hosts of each tenant
 */
async function selected(t, by, hosts) {
  const origin = await Origin.start(t, (request, reply) => {
    if (request.url?.endsWith("/store")) {
      const tenant = `${request.headers["x-session-tenant"]}`;
      reply.setHeader("x-session-patch", JSON.stringify({ tenant }));
    }
    reply.end(`${request.headers["x-session-tenant"]} ${request.url}`);
  });
  const texts = new Map();
  for (const [id, own] of Object.entries(hosts)) {
    texts.set(`tenant:${id}`, JSON.stringify({ id, hosts: own, origins: [{ url: origin.url }] }));
    for (const host of own) texts.set(`host:${host}`, id);
  }
  /** @type {string[]} */
  const asked = [];
  const service = await Origin.start(t, (request, reply) => {
    const key = decodeURIComponent(String(request.url).slice(1));
    asked.push(key);
    reply.statusCode = texts.has(key) ? 200 : 404;
    reply.end(texts.get(key));
  });
  const vars = { TENANTS_URL: service.url, TENANT_BY: by };
  const { port } = await Vestibule.start(t, { origins: [], vars });
  return { port, origin, asked };
}

test("the first path segment selects the tenant, and its server gets the whole path", async (t) => {
  const { port } = await selected(t, "path", { front: [HOST], acme: [`${HOST}/acme`] });
  for (const [target, body] of [
    ["/acme/login?a=b", "acme /acme/login?a=b"],
    ["/acme", "acme /acme"],
    ["/", "front /"],
    ["/acmes/", "front /acmes/"],
  ]) {
    assert.equal((await send(port, { host: HOST, target })).body, body, target);
  }
  const me = await send(port, { host: HOST, target: "/acme/_session/me" });
  assert.equal(JSON.parse(me.body).tenant, "acme");
});

test("a header that a proxy sets selects the tenant", async (t) => {
  const { port } = await selected(t, "header:X-Tenant", { front: [HOST], acme: [`${HOST};acme`] });
  for (const [line, tenant] of [
    ["X-Tenant: acme", "acme"],
    ["X-Tenant: none", "front"],
    ["Accept: */*", "front"],
  ]) {
    const answer = await send(port, { host: HOST, target: "/x", lines: [line] });
    assert.equal(answer.body, `${tenant} /x`, line);
  }
});

test("a cached decision serves no other tenant's path or header", async (t) => {
  const { port } = await selected(t, "path,header:X-Plan", {
    front: [HOST],
    acme: [`${HOST}/acme`],
    gold: [`${HOST};gold`],
  });
  const first = await send(port, { host: HOST });
  const cookie = `Cookie: ${header(first, "set-cookie")[0].split(";")[0]}`;
  for (let round = 0; round < 5; round += 1) {
    for (const [target, plan, tenant] of [
      ["/", "none", "front"],
      ["/acme/", "none", "acme"],
      ["/", "gold", "gold"],
    ]) {
      const lines = [cookie, `X-Plan: ${plan}`];
      const { body } = await send(port, { host: HOST, target, lines });
      assert.equal(body, `${tenant} ${target}`);
    }
  }
});

test("the document service gets host, path segment and chosen headers of a request", async (t) => {
  const by = "path,header:X-Plan,header:X-Region";
  const { port, asked } = await selected(t, by, { acme: [`${HOST}/acme;gold;eu`] });
  const lines = ["X-Plan: gold", "X-Region: eu", "X-Other: secret"];
  const { body } = await send(port, { host: HOST, target: "/acme/private?q", lines });
  assert.equal(body, "acme /acme/private?q");
  assert.ok(asked.includes(`host:${HOST}/acme;gold;eu`), asked.join(" "));
  assert.ok(!asked.join().match(/secret|private|q$/), asked.join(" "));
  const before = asked.length;
  await send(port, { host: HOST, target: "/acme/other", lines });
  assert.equal(asked.length, before, "an answer holds for all paths below the segment");
});

test("a browser keeps a session at each of two tenants of one host", async (t) => {
  const tenants = { front: [HOST], acme: [`${HOST}/acme`] };
  const { port, origin } = await selected(t, "path", tenants);
  /** @type {string[]} */
  const jar = [];
  for (const target of ["/store", "/acme/store"]) {
    const answer = await send(port, { host: HOST, target, lines: [`Cookie: ${jar.join("; ")}`] });
    jar.push(header(answer, "set-cookie")[0].split(";")[0]);
  }
  const names = jar.map((cookie) => cookie.split("=")[0]);
  assert.deepEqual(names, ["vestibule-session.front", "vestibule-session.acme"]);
  for (const [target, tenant] of [
    ["/", "front"],
    ["/acme/", "acme"],
  ]) {
    await send(port, { host: HOST, target, lines: [`Cookie: ${["a=1", ...jar].join("; ")}`] });
    assert.deepEqual(origin.received("x-session-data"), [JSON.stringify({ tenant })]);
    assert.deepEqual(origin.received("cookie"), ["a=1"]);
  }
});

test("a setting that selects by a claim or a browser's header is a configuration fault", async (t) => {
  for (const by of ["claim:org", "header:Accept"]) {
    const { port } = await Vestibule.start(t, { vars: { TENANT_BY: by } });
    const answer = await send(port, {});
    assert.deepEqual([answer.status, answer.code], [500, "misconfigured"]);
    assert.match(JSON.parse(answer.body).detail, /TENANT_BY: use host, path and/);
  }
});

test("admin API: a document with a path is refused while TENANT_BY is host", async (t) => {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const token = "an-operators-token-of-32-chars!!";
  const { port } = await Vestibule.start(t, { tenants, origins: [], vars: { ADMIN_TOKEN: token } });
  const document = { id: "acme", hosts: [`${HOST}/acme`], origins: [{ url: "http://a" }] };
  const body = JSON.stringify(document);
  const answer = await send(port, {
    method: "PUT",
    host: "admin.localhost",
    target: "/_session/admin/tenants/acme",
    lines: [
      `Authorization: Bearer ${token}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    ],
    body,
  });
  assert.equal(answer.status, 422);
  assert.match(JSON.parse(answer.body).detail, /hosts\[0\].*set the variable TENANT_BY to path/);
});

const sites = await Sites.start({ after }, {});
const provider = await HostileProvider.start({ after });

test("a claim of the signed-in user selects values of the environment", async (t) => {
  for (const [org, model] of [
    ["gold", "large"],
    ["other", "small"],
  ]) {
    const issuer = provider.issuer();
    const claims = { groups: "org" };
    const site = await sites.open(t, () => ({
      login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url, { claims })] } },
      env: { MODEL: "small" },
      env_rules: [{ groups: ["gold"], env: { MODEL: "large" } }],
    }));
    issuer.claims = (/** @type {Record<string, unknown>} */ all) => ({ ...all, org: [org] });
    assert.equal((await new Browser().signIn(`${site.url}/`)).body, "ok");
    assert.deepEqual(site.origin.received("x-session-env"), [JSON.stringify({ MODEL: model })]);
  }
});
