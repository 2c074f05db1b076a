/** Tests the operators' console session: how it begins, what it gives access to, and its limits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { SCHEME, Vestibule } from "./harness/workerd.mjs";

const ADMIN = "operators-know-this-token";
const OWN = "only-acme-knows-this-token";

/** Hosts: one without a tenant, and a tenant's. */
const TENANTLESS_HOST = "operators.localhost";
const ACME_HOST = "acme.localhost";

/**
 * @param {import("node:test").TestContext} t
 * @param {{ vars?: Record<string, string>, lags?: number[] }} [more]
 */
async function deployment(t, { vars: more = {}, lags } = {}) {
  const origin = await Origin.start(t);
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  for (const id of ["acme", "globex"]) {
    const document = { id, hosts: [`${id}.localhost`], origins: [{ name: id, url: origin.url }] };
    tenants.plant(`tenant:${id}`, JSON.stringify(document));
    tenants.plant(`host:${id}.localhost`, id);
  }
  const vars = { ADMIN_TOKEN: ADMIN, ACME__ADMIN_TOKEN: OWN, TELEMETRY_EVERY: "100", ...more };
  const vestibule = await Vestibule.start(t, { tenants, origins: [], vars, lags });
  return { origin, vestibule, port: vestibule.port };
}

/**
 * @param {number} port
 * @param {string} token
 * @param {{ host?: string, lines?: string[] }} [options]
 */
function signIn(port, token, { host = TENANTLESS_HOST, lines = [] } = {}) {
  const body = JSON.stringify({ token });
  return send(port, {
    method: "POST",
    target: "/_session/admin/sign-in",
    host,
    lines: ["Content-Type: application/json", `Content-Length: ${body.length}`, ...lines],
    body,
  });
}

/**
 * @param {number} port
 * @param {string} token
 * @param {string} [host]
 */
async function cookieOf(port, token, host = TENANTLESS_HOST) {
  const answer = await signIn(port, token, { host });
  assert.equal(answer.status, 204, answer.body);
  return header(answer, "set-cookie")[0].split(";")[0];
}

/**
 * @param {number} port
 * @param {string} route
 * @param {string} cookie
 * @param {{ method?: string, host?: string, lines?: string[] }} [options]
 */
function ask(port, route, cookie, { method = "GET", host = TENANTLESS_HOST, lines = [] } = {}) {
  const all = [`Cookie: ${cookie}`, "Content-Length: 0", ...lines];
  return send(port, { method, target: `/_session/admin/${route}`, host, lines: all });
}

test("the token is exchanged for a short-lived HttpOnly SameSite cookie", async (t) => {
  const { port } = await deployment(t);
  const [line] = header(await signIn(port, ADMIN), "set-cookie");
  assert.match(
    line,
    /^vestibule-session-console=[\w-]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=1800$/,
  );
  const who = JSON.parse((await ask(port, "whoami", line.split(";")[0])).body);
  assert.deepEqual([who.scope, who.tenant, who.documents], ["deployment", null, true]);
  assert.ok(who.expires * 1000 - Date.now() <= 1_800_000);
});

test("a wrong token is rejected with 401, and guessing is limited", async (t) => {
  const { port } = await deployment(t);
  for (let guess = 0; guess < 10; guess += 1) {
    const answer = await signIn(port, "not-the-token-at-all");
    assert.deepEqual([answer.status, answer.code], [401, "api_key"]);
    assert.deepEqual(header(answer, "set-cookie"), []);
  }
  const late = await signIn(port, "not-the-token-at-all");
  assert.deepEqual([late.status, late.code], [429, "too_many_guesses"]);
  assert.ok(Number(header(late, "retry-after")[0]) > 0);
});

test("a tenant's token gives access to that tenant only, not to the list of tenants", async (t) => {
  const { port } = await deployment(t);
  const cookie = await cookieOf(port, OWN, ACME_HOST);
  const host = ACME_HOST;
  const who = JSON.parse((await ask(port, "whoami", cookie, { host })).body);
  assert.deepEqual([who.scope, who.tenant], ["tenant", "acme"]);
  const origins = await ask(port, "origins?tenant=acme", cookie, { host });
  assert.equal(JSON.parse(origins.body).origins[0].name, "acme");
  for (const route of [
    "origins?tenant=globex",
    "overview?tenant=globex",
    "tenants",
    "tenants/acme",
  ]) {
    const answer = await ask(port, route, cookie, { host });
    assert.deepEqual([answer.status, answer.code], [403, "not_allowed"], route);
  }
  for (const host of ["globex.localhost", TENANTLESS_HOST]) {
    assert.equal((await ask(port, "origins", cookie, { host })).status, 401, host);
  }
});

test("the deployment's token gives access to every tenant at a host without a tenant", async (t) => {
  const { port } = await deployment(t);
  const cookie = await cookieOf(port, ADMIN);
  for (const id of ["acme", "globex"]) {
    const answer = await ask(port, `origins?tenant=${id}`, cookie);
    assert.equal(JSON.parse(answer.body).origins[0].name, id);
  }
  assert.deepEqual(JSON.parse((await ask(port, "tenants", cookie)).body).tenants, [
    "acme",
    "globex",
  ]);
  assert.equal((await ask(port, "origins?tenant=nobody", cookie)).status, 421);
});

test("a console cookie of a tenant's host gives access to no other tenant", async (t) => {
  const { port } = await deployment(t);
  const host = ACME_HOST;
  const cookie = await cookieOf(port, ADMIN, host);
  const who = JSON.parse((await ask(port, "whoami", cookie, { host })).body);
  assert.deepEqual([who.scope, who.tenant], ["tenant", "acme"]);
  for (const route of ["tenants", "sessions?tenant=globex"]) {
    assert.equal((await ask(port, route, cookie, { host })).status, 403, route);
  }
  // A program with the token itself has the same rights at every host.
  const bearer = [`Authorization: Bearer ${ADMIN}`];
  const program = await ask(port, "origins?tenant=globex", "a=b", { host, lines: bearer });
  assert.equal(program.status, 200);
});

test("CONSOLE_HOST serves only the console, and other hosts do not serve it", async (t) => {
  const origin = await Origin.start(t);
  const vars = { ADMIN_TOKEN: ADMIN, CONSOLE_HOST: TENANTLESS_HOST };
  const { port } = await Vestibule.start(t, { origins: [`a=${origin.url}`], vars });
  const cookie = await cookieOf(port, ADMIN);
  assert.equal((await ask(port, "origins", cookie)).status, 200);
  assert.equal(
    (await send(port, { target: "/_session/console/", host: TENANTLESS_HOST })).status,
    200,
  );
  assert.equal((await send(port, { target: "/", host: TENANTLESS_HOST })).status, 404);
  assert.equal(origin.requests.length, 0);
  const host = "chat.localhost";
  assert.equal((await send(port, { target: "/", host })).status, 200);
  assert.equal((await send(port, { target: "/_session/console/", host })).status, 404);
  assert.equal((await signIn(port, ADMIN, { host })).status, 404);
  assert.equal((await ask(port, "origins", cookie, { host })).status, 401);
});

test("with one tenant, the tenant's own token gives access to everything", async (t) => {
  const origin = await Origin.start(t);
  const vars = { ADMIN_TOKEN: ADMIN, DEFAULT__ADMIN_TOKEN: OWN };
  const { port } = await Vestibule.start(t, { origins: [`a=${origin.url}`], vars });
  for (const token of [ADMIN, OWN]) {
    const lines = [`Authorization: Bearer ${token}`];
    assert.equal((await ask(port, "origins", "a=b", { lines })).status, 200, token);
    assert.equal((await ask(port, "metrics", await cookieOf(port, token))).status, 200, token);
    assert.equal((await ask(port, "metrics", "a=b", { lines, method: "POST" })).status, 405);
  }
});

test("an invalid body gets 400, and the Worker continues", async (t) => {
  const { port } = await deployment(t);
  const broken = await send(port, {
    method: "POST",
    target: "/_session/admin/sign-in",
    host: TENANTLESS_HOST,
    lines: ["Content-Type: application/json", "Transfer-Encoding: chunked"],
    body: "2\r\n{}\r\nno length\r\n",
  });
  assert.deepEqual([broken.status, broken.code], [400, "broken_body"]);
  assert.equal((await signIn(port, ADMIN)).status, 204);
});

test("a request from another site with the console cookie is refused with 403", async (t) => {
  const { port } = await deployment(t);
  const cookie = await cookieOf(port, ADMIN);
  const route = "sessions?tenant=acme&all=true";
  for (const lines of [
    ["Origin: https://evil.example"],
    ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"],
  ]) {
    const answer = await ask(port, route, cookie, { method: "DELETE", lines });
    assert.deepEqual([answer.status, answer.code], [403, "csrf"], lines[0]);
    const signedIn = await signIn(port, ADMIN, { lines });
    assert.deepEqual([signedIn.status, signedIn.code], [403, "csrf"], lines[0]);
  }
  const own = ["Sec-Fetch-Site: same-origin", `Origin: http://${TENANTLESS_HOST}`];
  assert.equal((await ask(port, route, cookie, { method: "DELETE", lines: own })).status, 204);
});

test("the console cookie is removed from requests to servers", async (t) => {
  const { port, origin } = await deployment(t);
  const cookie = await cookieOf(port, ADMIN);
  const answer = await send(port, {
    host: "acme.localhost",
    lines: [`Cookie: ${cookie}; mine=1; __Host-session-console=x; VESTIBULE-Session-Console=y`],
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(origin.received("cookie"), ["mine=1"]);
});

test("a console session ends when its token is removed", async (t) => {
  const { port, vestibule } = await deployment(t);
  const cookie = await cookieOf(port, ADMIN);
  await vestibule.redeploy({ ADMIN_TOKEN: "a-new-token-for-operators" });
  assert.equal((await ask(vestibule.port, "whoami", cookie)).status, 401);
});

test("a console session is invalid under another host", async (t) => {
  const { port } = await deployment(t);
  const hosts = [ACME_HOST, "globex.localhost", TENANTLESS_HOST, "elsewhere.localhost"];
  for (const begun of hosts) {
    const cookie = await cookieOf(port, ADMIN, begun);
    for (const host of hosts) {
      const { status } = await ask(port, "whoami", cookie, { host });
      assert.equal(status, host === begun ? 200 : 401, `${begun} at ${host}`);
    }
  }
});

test("signing out ends every copy of the console session, in every location", async (t) => {
  const { port, vestibule } = await deployment(t, { lags: [0, 3_600_000] });
  const [, elsewhere] = vestibule.ports;
  const cookie = await cookieOf(port, ADMIN);
  const another = await cookieOf(port, ADMIN);
  assert.equal((await ask(elsewhere, "whoami", cookie)).status, 200);
  assert.equal((await ask(port, "sign-out", cookie, { method: "POST" })).status, 204);
  for (const where of [port, elsewhere]) {
    assert.equal((await ask(where, "whoami", cookie)).status, 401);
    assert.equal((await ask(where, "whoami", another)).status, 200, "another session continues");
  }
  const again = await ask(port, "sign-out", cookie, { method: "POST" });
  assert.equal(again.status, 204);
});

test("a tenant's token gives access to that tenant only at the console's own host", async (t) => {
  const { port } = await deployment(t, { vars: { CONSOLE_HOST: TENANTLESS_HOST } });
  const cookie = await cookieOf(port, OWN);
  const who = JSON.parse((await ask(port, "whoami", cookie)).body);
  assert.deepEqual([who.scope, who.tenant], ["tenant", "acme"]);
  const origins = await ask(port, "origins?tenant=acme", cookie);
  assert.equal(JSON.parse(origins.body).origins[0].name, "acme");
  for (const route of ["origins?tenant=globex", "tenants"]) {
    assert.equal((await ask(port, route, cookie)).status, 403, route);
  }
  const all = JSON.parse((await ask(port, "whoami", await cookieOf(port, ADMIN))).body);
  assert.equal(all.scope, "deployment");
});

test("the console is refused without CONSOLE_HOST outside of loopback, and the page names the setting", async (t) => {
  const origin = await Origin.start(t);
  const vars = { ADMIN_TOKEN: ADMIN };
  const vestibule = await Vestibule.start(t, { origins: [`a=${origin.url}`], vars });
  const lines = [`${SCHEME}: https`];
  const host = "chat.example";
  const target = "/_session/console/";
  assert.equal((await send(vestibule.port, { target, host: "chat.localhost" })).status, 200);
  assert.equal(vestibule.logged("console_host_missing").length, 0);
  for (const over of [lines, []]) {
    const page = await send(vestibule.port, { target, host, lines: over });
    assert.deepEqual([page.status, page.code], [503, "console_unconfigured"]);
    assert.match(page.body, /CONSOLE_HOST/);
    const signedIn = await signIn(vestibule.port, ADMIN, { host, lines: over });
    assert.deepEqual([signedIn.status, signedIn.code], [503, "console_unconfigured"]);
    assert.deepEqual(header(signedIn, "set-cookie"), []);
  }
  // Programs need no console.
  const bearer = [...lines, `Authorization: Bearer ${ADMIN}`];
  assert.equal((await ask(vestibule.port, "origins", "a=b", { host, lines: bearer })).status, 200);
  assert.equal(vestibule.logged("console_host_missing").length, 1);

  const own = "console.example";
  await vestibule.redeploy({ CONSOLE_HOST: own });
  const [line] = header(await signIn(vestibule.port, ADMIN, { host: own, lines }), "set-cookie");
  assert.match(
    line,
    /^__Host-session-console=[\w-]{64}; Path=\/; Secure; HttpOnly; SameSite=Strict/,
  );
  const [cookie] = line.split(";");
  assert.equal((await ask(vestibule.port, "origins", cookie, { host: own, lines })).status, 200);
  // Requests of a chat's script go to the chat's host.
  assert.equal((await ask(vestibule.port, "origins", cookie, { host, lines })).status, 401);
  assert.equal((await send(vestibule.port, { target, host, lines })).status, 404);
  assert.equal(vestibule.logged("console_host_missing").length, 1);
});

test("signing out clears the console cookie, and only from the same site", async (t) => {
  const { port } = await deployment(t);
  const cookie = await cookieOf(port, ADMIN);
  const lines = ["Sec-Fetch-Site: cross-site"];
  assert.equal((await ask(port, "sign-out", cookie, { method: "POST", lines })).status, 403);
  const answer = await ask(port, "sign-out", cookie, { method: "POST" });
  assert.equal(answer.status, 204);
  assert.match(header(answer, "set-cookie")[0], /^vestibule-session-console=; .*Max-Age=0$/);
});

test("the console's files are public, with a policy that allows no other source", async (t) => {
  const { port } = await deployment(t);
  for (const [name, type] of [
    ["", "text/html"],
    ["console.js", "text/javascript"],
    ["console.css", "text/css"],
    ["tenant.schema.json", "application/schema+json"],
  ]) {
    const answer = await send(port, {
      target: `/_session/console/${name}`,
      host: TENANTLESS_HOST,
      lines: ["Accept-Encoding: gzip"],
    });
    assert.equal(answer.status, 200, name);
    assert.ok(header(answer, "content-type")[0].startsWith(type), name);
    assert.deepEqual(header(answer, "content-encoding"), ["gzip"]);
    const [policy] = header(answer, "content-security-policy");
    assert.match(policy, /default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:/);
    const etag = header(answer, "etag")[0];
    const again = await send(port, {
      target: `/_session/console/${name}`,
      host: TENANTLESS_HOST,
      lines: [`If-None-Match: ${etag}`],
    });
    assert.equal(again.status, 304, name);
  }
  const plain = await fetch(`http://127.0.0.1:${port}/_session/console/console.css`, {
    headers: { "accept-encoding": "identity" },
  });
  assert.equal(plain.headers.get("content-encoding"), null);
  assert.match(await plain.text(), /\{/);
  for (const name of ["x", "../index.html", "console.js.bin"]) {
    const target = `/_session/console/${name}`;
    const { status } = await send(port, { target, host: TENANTLESS_HOST });
    // Paths outside of the console are requested at a host without a tenant.
    assert.equal(status, name.startsWith("..") ? 421 : 404, name);
  }
});
