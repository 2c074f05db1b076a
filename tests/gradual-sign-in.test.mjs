/** Tests sign-ins while two releases serve side by side: begun in one, finished in the other. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { HostileProvider, sign } from "./harness/hostile-provider.mjs";
import { Provider } from "./harness/provider.mjs";
import { Scenarios } from "./harness/scenarios.mjs";
import { clientOf, oidcMethod } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/sign-in.mjs").Site} Site */

const scenarios = new Scenarios();
const scenario = scenarios.add;

const ALICE = { username: "alice", password: "down the rabbit hole" };

const provider = await HostileProvider.start({ after });
const oidc = await Provider.start({ after }, { accounts: { alice: { name: "Alice" } } });

const BY_PASSWORD = { login: { mode: "required", methods: { password: true } } };

scenario(
  "a sign-in form of one release works at the other",
  async ({ releases, site, newVisitor, kept }) => {
    enrol(releases.sites, site.id, { user: ALICE.username, password: ALICE.password });
    for (const first of /** @type {const} */ (["before", "current"])) {
      const visitor = newVisitor();
      const page = await visitor.browser.get(`${site.url}/`);
      releases.next(first);
      const answer = await kept(() => visitor.browser.submit(page, ALICE));
      assert.equal(answer.json().user, "alice");
      for (let look = 0; look < 2; look += 1) assert.equal((await visitor.visit()).user, "alice");
    }
  },
  { describe: () => BY_PASSWORD },
);

scenario(
  "wrong passwords at both releases count towards one limit",
  async ({ releases, site, newVisitor }) => {
    enrol(releases.sites, site.id, { user: ALICE.username, password: ALICE.password });
    const guess = () =>
      newVisitor().call("login", { method: "POST", json: { ...ALICE, password: "up" } });
    for (let attempt = 0; attempt < 5; attempt += 1) assert.equal((await guess()).status, 401);
    // Each guess that is checked doubles the wait: from here on it is four seconds.
    for (let checked = 5; checked < 7; checked += 1) {
      await until(async () => (await guess()).status === 401, { what: "the end of a wait" });
    }
    assert.equal((await guess()).status, 429);
    const right = await newVisitor().call("login", { method: "POST", json: ALICE });
    assert.equal(right.status, 429, "nor is the right one");
  },
  // With KV alone each isolate counts by itself.
  { consistencies: ["strong"], describe: () => BY_PASSWORD },
);

/** Returns a site's client id at the provider. @param {Site} site */
const clientId = ({ url }) => new URL(url).host;

/** @param {Site} site */
const register = (site) => oidc.register({ ...clientOf(site), client_id: clientId(site) });

/** @param {Site} site */
const atProvider = (site) => {
  const method = oidcMethod(oidc.url, { client_id: clientId(site) });
  return { login: { mode: "required", methods: { oidc: [method] } } };
};

scenario(
  "a sign-in at a provider begun in one release is finished in the other",
  async ({ releases, site, newVisitor, kept }) => {
    register(site);
    for (const finishes of /** @type {const} */ (["before", "current"])) {
      const visitor = newVisitor();
      const back = await visitor.browser.beginSignIn(`${site.url}/`);
      releases.next(finishes);
      const answer = await kept(() => visitor.browser.get(back));
      assert.equal(answer.json().user, "alice");
      for (let look = 0; look < 2; look += 1) assert.equal((await visitor.visit()).user, "alice");
    }
  },
  { describe: atProvider },
);

scenario(
  "an expired access token is renewed once for both releases",
  async ({ site, newVisitor }) => {
    register(site);
    oidc.accessTokenSeconds = 1;
    const visitor = newVisitor();
    await visitor.browser.signIn(`${site.url}/`);
    const begun = Date.now();
    await until(() => Date.now() > begun + 1_500, { what: "the token's end" });
    oidc.accessTokenSeconds = 3600;
    const asked = oidc.counted("/token");
    const tabs = Array.from({ length: 6 }, () => visitor.copy());
    const tokens = await Promise.all(tabs.map(async (tab) => (await tab.visit()).token));
    assert.equal(new Set(tokens).size, 1, "all received the same");
    assert.equal(await oidc.accepts(tokens[0]), true);
    assert.equal(oidc.counted("/token"), asked + 1);
    for (let look = 0; look < 2; look += 1) {
      assert.equal((await visitor.visit()).token, tokens[0]);
    }
  },
  {
    consistencies: ["strong"],
    describe: (site) => ({
      ...atProvider(site),
      headers: { "X-Access-Token": "access_token" },
    }),
  },
);

const ISSUER = provider.issuer();

scenario(
  "a program's session token of one release is accepted by the other",
  async ({ site, newVisitor, kept }) => {
    const claims = ISSUER.token("vestibule");
    const authorization = `Bearer ${await sign(claims)}`;
    const exchanged = await kept(() =>
      newVisitor().call("token", { method: "POST", headers: { authorization } }),
    );
    assert.equal(exchanged.status, 200, exchanged.body);
    const headers = { authorization: `Bearer ${exchanged.json().token}` };
    for (let call = 0; call < 2; call += 1) {
      const answer = await newVisitor().browser.fetchJson(`${site.url}/`, { headers });
      assert.deepEqual([answer.status, answer.json().user], [200, "alice"]);
    }
  },
  {
    describe: () => ({
      login: {
        mode: "required",
        methods: {
          token: [{ issuer: ISSUER.url, audience: "vestibule", claims: { user: "sub" } }],
        },
      },
    }),
  },
);

await scenarios.run();
