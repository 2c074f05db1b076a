/** Tests the age of sign-ins: the provider states it in auth_time, and a path's rule limits it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HostileProvider } from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

const now = () => Math.floor(Date.now() / 1000);
const A_DAY = 86_400;

/**
 * Opens a site that requires a sign-in of the last ten minutes below `/settings/`, and a provider whose users
 * signed in earlier. The provider ignores every request for a new sign-in.
 * @param {import("node:test").TestContext} t
 * @param {number} ago in seconds
 * @param {Record<string, unknown>} [rule]
 */
async function open(t, ago, rule = {}) {
  const issuer = provider.issuer();
  issuer.claims = (claims) => ({ ...claims, auth_time: now() - ago });
  const exceptions = [{ path: "/settings/*", mode: "required", max_age: "10m", ...rule }];
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url)] }, exceptions },
  }));
  const login = (/** @type {Record<string, string>} */ query) =>
    `${site.url}/_session/login?${new URLSearchParams(query)}`;
  /** Returns the parameters of the last authorization request. */
  const requestedMaxAge = () =>
    issuer.requests.findLast(({ route }) => route === "authorize")?.query.get("max_age");
  const settings = `${site.url}/settings/x`;
  return { issuer, site, browser: new Browser(), login, requestedMaxAge, settings };
}

for (const max_age of ["99999999", "601", "18446744073709551615", "1e9", "-1", "", "0600000"]) {
  test(`max_age=${max_age} in a login URL cannot make a day-old sign-in count as fresh`, async (t) => {
    const { browser, login, requestedMaxAge, settings, site } = await open(t, A_DAY);
    const answer = await browser.get(login({ max_age, return_to: "/settings/x" }));
    assert.deepEqual([answer.status, answer.code], [502, "idp_token_invalid"]);
    assert.equal(requestedMaxAge(), "600");
    assert.equal((await browser.fetchJson(settings)).status, 401);
    assert.equal(site.origin.requests.length, 0);
  });
}

test("a day-old sign-in does not become fresh by a login for another page", async (t) => {
  const { browser, login, requestedMaxAge, settings, site } = await open(t, A_DAY);
  const answer = await browser.get(login({ max_age: "99999999", return_to: "/chat" }));
  assert.deepEqual([answer.url, answer.body], [`${site.url}/chat`, "ok"]);
  assert.equal(requestedMaxAge(), "99999999");
  const refused = await browser.fetchJson(settings);
  assert.deepEqual([refused.status, refused.code], [401, "step_up_required"]);
});

test("an escaped path uses the rule of the real path", async (t) => {
  const { browser, login, requestedMaxAge } = await open(t, A_DAY);
  for (const return_to of ["/settings/x?max_age=1", "/settings/x#a", "/%73ettings/x"]) {
    const answer = await browser.get(login({ max_age: "99999999", return_to }));
    assert.deepEqual([answer.status, requestedMaxAge()], [502, "600"], return_to);
  }
});

test("max_age in the URL can require a fresher sign-in than the rule", async (t) => {
  const { browser, login, requestedMaxAge, site } = await open(t, 30);
  const answer = await browser.get(login({ max_age: "60", return_to: "/settings/x" }));
  assert.deepEqual([answer.url, answer.body], [`${site.url}/settings/x`, "ok"]);
  assert.equal(requestedMaxAge(), "60");
  await browser.step(login({ return_to: "/settings/x" }));
  await browser.get(login({ return_to: "/settings/x" }));
  assert.equal(requestedMaxAge(), "600");
});

test("a provider without auth_time cannot satisfy max_age", async (t) => {
  const { browser, issuer, login, settings, requestedMaxAge } = await open(t, 0);
  issuer.claims = (claims) => claims;
  assert.equal((await browser.get(login({ return_to: "/chat" }))).body, "ok");
  assert.equal(requestedMaxAge(), null);
  assert.equal((await browser.fetchJson(settings)).code, "step_up_required");
  const answer = await browser.get(login({ return_to: "/settings/x" }));
  assert.deepEqual([answer.status, answer.code], [502, "idp_token_invalid"]);
});

test("a recent auth_time with a fraction satisfies max_age", async (t) => {
  const { browser, issuer, settings } = await open(t, 0);
  issuer.claims = (claims) => ({ ...claims, auth_time: Date.now() / 1000 - 59.5 });
  const answer = await browser.get(settings);
  assert.deepEqual([answer.url, answer.body], [settings, "ok"]);
});
