/** Tests a tenant's own parameters for its provider, and access tokens that cannot be renewed. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HostileProvider } from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [method]
 * @param {Record<string, unknown>} [document]
 */
async function open(t, method = {}, document = {}) {
  const issuer = provider.issuer();
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url, method)] } },
    ...document,
  }));
  return { issuer, site, browser: new Browser(), url: `${site.url}/` };
}

test("a tenant's own parameters reach the provider unchanged", async (t) => {
  const parameters = {
    access_type: "offline",
    audience: "https://api.example/?a=b&c",
    prompt: "consent select_account",
  };
  const { issuer, browser, url } = await open(t, { parameters });
  assert.equal((await browser.signIn(url)).body, "ok");
  const { query } = issuer.requests.find(({ route }) => route === "authorize") ?? assert.fail();
  for (const [name, value] of Object.entries(parameters)) {
    assert.deepEqual(query.getAll(name), [value]);
  }
  for (const name of ["state", "nonce", "code_challenge", "redirect_uri", "client_id", "scope"]) {
    assert.equal(query.getAll(name).length, 1, name);
  }
});

for (const name of ["state", "redirect_uri", "client_id", "code_challenge", "Nonce", "scope"]) {
  test(`a document that sets ${name} is rejected with the path of the fault`, async (t) => {
    const { site, browser, url } = await open(t, { parameters: { [name]: "x" } });
    assert.equal((await browser.get(url)).status, 503);
    const received = await until(
      () =>
        sites.vestibule
          .logged("tenant_document_broken")
          .map((line) => JSON.stringify(line))
          .find((line) => line.includes(site.id)),
      { what: "a line in the log" },
    );
    assert.ok(received.includes(`login.methods.oidc[0].parameters.${name}`), received);
  });
}

test("an expired access token that cannot be renewed is logged once and not sent", async (t) => {
  const document = { headers: { "X-Access-Token": "access_token" } };
  const { issuer, site, browser, url } = await open(t, {}, document);
  issuer.expiresIn = 1;
  assert.equal((await browser.signIn(url)).body, "ok");
  const handed = async () => {
    await browser.fetchJson(url);
    return site.origin.received("x-access-token").length;
  };
  await until(async () => (await handed()) === 0, { what: "the token's end" });
  const logged = () =>
    sites.vestibule.logged("access_token_expired").filter(({ tenant }) => tenant === site.id);
  await until(() => logged().length > 0, { what: "a line in the log" });
  for (let visit = 0; visit < 3; visit += 1) assert.equal(await handed(), 0);
  const [line, ...more] = logged();
  assert.deepEqual(more, []);
  assert.deepEqual([line.provider, line.reason], ["main", "no_refresh_token"]);
});
