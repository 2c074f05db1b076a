/** Tests login exceptions that name groups or roles, over sign-ins at an identity provider. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { HostileProvider, sign } from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/hostile-provider.mjs").Claims} Claims */

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/** More groups than a session stores. */
const MANY = Array.from({ length: 300 }, (_, at) => `group ${at}`);

/** @param {string[]} groups @param {string} [path] */
function rule(groups, path = "/admin/*") {
  return { path, mode: "required", groups };
}

/**
 * Opens a site with these exceptions. Roles are in the claim `realm_access.roles`, as Keycloak has them.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>[]} exceptions
 * @param {Record<string, unknown>} [more] of the document
 */
async function open(t, exceptions, more = {}) {
  const issuer = provider.issuer();
  const claims = { user: "sub", email: "email", name: "name", groups: "realm_access.roles" };
  const state = { roles: /** @type {string[]} */ ([]) };
  issuer.claims = (/** @type {Claims} */ all) => ({
    ...all,
    realm_access: { roles: state.roles },
  });
  const token = [{ issuer: issuer.url, audience: "vestibule", claims }];
  const methods = { oidc: [oidcMethod(issuer.url, { claims })], token };
  const site = await sites.open(t, () => ({ login: { methods, exceptions }, ...more }));
  const key = `tenant:${site.id}`;
  /** Replaces the exceptions of the tenant's document. @param {Record<string, unknown>[]} changed */
  const change = (changed) => {
    const text = String(sites.tenants.stored.get(key)?.value);
    const document = JSON.parse(text);
    document.login.exceptions = changed;
    sites.tenants.plant(key, JSON.stringify(document));
  };
  /** Signs in a new browser, whose user has these roles. @param {string[]} roles */
  const signIn = async (...roles) => {
    state.roles = roles;
    const browser = new Browser();
    const answer = await browser.signIn(`${site.url}/_session/login?return_to=/`);
    assert.equal(answer.body, "ok", answer.code);
    return browser;
  };
  const at = (/** @type {string} */ target) => `${site.url}${target}`;
  return { issuer, site, state, change, signIn, at };
}

test("a path with groups is open to users with one of the roles, and a guest is asked to sign in", async (t) => {
  const { site, signIn, at } = await open(t, [rule(["ops", "sre"])]);
  const guest = new Browser();
  assert.equal((await guest.get(at("/"))).body, "ok");
  assert.match(
    String((await guest.step(at("/admin/x"))).location),
    /\/_session\/login\?return_to=/,
  );
  assert.equal((await guest.fetchJson(at("/admin/x"))).code, "no_session");
  const member = await signIn("staff", "sre");
  assert.equal((await member.get(at("/admin/x"))).body, "ok");
  const { length } = site.origin.requests;
  const other = await signIn("staff", "SRE", "ops ", "sre,ops");
  const refused = await other.fetchJson(at("/admin/x"));
  assert.deepEqual([refused.status, refused.code], [403, "group_required"]);
  assert.equal(refused.header("content-type"), "application/problem+json");
  assert.equal(site.origin.requests.length, length + 1, "only the front page after the sign-in");
  assert.equal((await other.get(at("/"))).body, "ok");
});

test("the page for a user without the role is in both languages and leads to another sign-in", async (t) => {
  const { state, signIn, at } = await open(t, [rule(["ops"])]);
  const browser = await signIn("staff");
  const headers = { accept: "text/html", "sec-fetch-mode": "navigate" };
  for (const [language, title] of [
    ["en", "No access for this account"],
    ["zh-CN", "此账号无权访问"],
  ]) {
    const page = await browser.fetchJson(at("/admin/x?y=1"), {
      headers: { ...headers, "accept-language": language },
    });
    assert.deepEqual([page.status, page.code], [403, "group_required"]);
    assert.ok(page.body.includes(title), page.body);
  }
  const page = await browser.get(at("/admin/x?y=1"));
  const [, link] = /href="(\/_session\/login[^"]*)"/.exec(page.body) ?? assert.fail(page.body);
  state.roles = ["staff", "ops"];
  const answer = await browser.signIn(at(link.replaceAll("&amp;", "&")));
  assert.deepEqual([answer.status, answer.url], [200, at("/admin/x?y=1")]);
});

test("a role admits although the headers do not carry all roles", async (t) => {
  const { site, signIn, at } = await open(t, [rule(["ops"])]);
  const browser = await signIn(...MANY, "ops");
  assert.equal((await browser.get(at("/admin/x"))).body, "ok");
  assert.deepEqual(site.origin.received("x-session-groups-omitted"), ["237"]);
  assert.equal((await (await signIn(...MANY)).get(at("/admin/x"))).status, 403);
});

test("a user who signed in before the rule existed signs in once more, and enters", async (t) => {
  const { change, signIn, at } = await open(t, []);
  const browser = await signIn(...MANY, "ops");
  assert.equal((await browser.get(at("/admin/x"))).body, "ok");
  change([rule(["ops"])]);
  const refused = async () => (await browser.get(at("/admin/x"))).status === 403;
  await until(refused, { what: "the new rule" });
  const page = await browser.get(at("/admin/x"));
  const [, link] = /href="(\/_session\/login[^"]*)"/.exec(page.body) ?? assert.fail(page.body);
  assert.equal((await browser.signIn(at(link.replaceAll("&amp;", "&")))).body, "ok");
  assert.equal((await browser.get(at("/admin/x"))).body, "ok");
});

test("equal requests of users with and without the role in the same second are told apart", async (t) => {
  const { signIn, at } = await open(t, [rule(["ops"])]);
  const [member, other] = [await signIn("ops"), await signIn("staff")];
  for (let round = 0; round < 30; round += 1) {
    const [in_, out] = [member, other].map((browser) => browser.fetchJson(at("/admin/x")));
    assert.deepEqual([(await in_).status, (await out).status], [200, 403]);
  }
});

test("a rule that changes closes the sockets of users without the new role", async (t) => {
  const { site, change, signIn } = await open(t, [rule(["ops"], "/ws")], {
    session: { cache: "1s", streams: "revocable" },
  });
  const sockets = new WebSocketServer({ server: site.origin.server });
  t.after(() => sockets.close());
  const connect = async (/** @type {Browser} */ browser) => {
    const cookie = browser.cookiesOf(site.url).map(({ name, value }) => `${name}=${value}`);
    const socket = new WebSocket(`ws://127.0.0.1:${new URL(site.url).port}/ws`, {
      origin: site.url,
      headers: { host: new URL(site.url).host, cookie: cookie.join("; ") },
    });
    t.after(() => socket.terminate());
    await Promise.race([
      once(socket, "open"),
      once(socket, "unexpected-response").then(([, response]) => assert.fail(response.statusCode)),
    ]);
    return socket;
  };
  const [stays, goes] = await Promise.all([
    connect(await signIn("ops", "root")),
    connect(await signIn("ops")),
  ]);
  const closed = once(goes, "close");
  change([rule(["root"], "/ws")]);
  const [code, reason] = await closed;
  assert.deepEqual([code, String(reason)], [4401, "group_required"]);
  assert.equal(stays.readyState, WebSocket.OPEN);
  await assert.rejects(connect(await signIn("ops")), { message: "403" });
});

test("a renewed token without the role ends the access", async (t) => {
  const { issuer, state, signIn, at } = await open(t, [rule(["ops"])]);
  const usual = issuer.answer.bind(issuer);
  let lifetime = 1;
  issuer.answer = async (asked) => {
    const answer = await usual(asked);
    if (asked.route !== "token") return answer;
    const tokens = { expires_in: lifetime, refresh_token: "r" };
    return { ...answer, body: { .../** @type {Claims} */ (answer.body), ...tokens } };
  };
  const browser = await signIn("ops");
  assert.equal((await browser.fetchJson(at("/admin/x"))).status, 200);
  state.roles = ["staff"];
  const begun = Date.now();
  await until(() => Date.now() > begun + 2_000, { what: "the token's end" });
  lifetime = 300;
  assert.equal((await browser.fetchJson(at("/admin/x"))).code, "group_required");
  assert.equal((await browser.fetchJson(at("/admin/x"))).code, "group_required");
  assert.equal((await browser.fetchJson(at("/"))).status, 200);
});

test("a program's token is subject to the roles of the JWT that it was exchanged for", async (t) => {
  const { issuer, at } = await open(t, [rule(["ops"])]);
  for (const [roles, status] of /** @type {const} */ ([
    [["ops"], 200],
    [["staff"], 403],
  ])) {
    const jwt = await sign(issuer.token("vestibule", { realm_access: { roles } }));
    const exchanged = await new Browser().fetchJson(at("/_session/token"), {
      method: "POST",
      headers: { authorization: `Bearer ${jwt}` },
    });
    const headers = { authorization: `Bearer ${exchanged.json().token}` };
    const answer = await new Browser().fetchJson(at("/admin/x"), { headers });
    assert.equal(answer.status, status, roles[0]);
  }
});
