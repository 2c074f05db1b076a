/**
 * Tests work that waits for another service when the wasm instance dies of another request: it is not lost, not done
 * twice, and does not wait for ever.
 */
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { changing, FAULTS, Planted } from "./harness/planted.mjs";
import { Provider } from "./harness/provider.mjs";
import { clientOf, oidcMethod } from "./harness/sign-in.mjs";
import { chatServer, Visitor } from "./harness/two-releases.mjs";
import { until } from "./harness/until.mjs";

const planted = await Planted.start({ after });
const { sites, mood, kv } = planted;
const site = await sites.open({ after }, () => ({}), chatServer);
const alone = await sites.open(
  { after },
  () => ({ session: { cache: "1s", consistency: "eventual" } }),
  chatServer,
);

afterEach(() => {
  kv.mood.get = "fine";
  mood.directory = "fine";
});

/** Delay of the provider's token responses, in milliseconds. */
const SLOW = 1_000;

/**
 * Opens a site with a provider whose token endpoint is slow.
 * @param {import("node:test").TestContext} t
 */
async function atProvider(t) {
  const provider = await Provider.start(t, { accounts: { alice: { name: "Alice" } } });
  const signIn = await sites.open(
    t,
    () => ({
      login: { mode: "required", methods: { oidc: [oidcMethod(provider.url)] } },
      headers: { "X-Access-Token": "access_token" },
    }),
    chatServer,
  );
  provider.register(clientOf(signIn));
  /** Waits until a number of token requests have arrived. @param {number} count */
  const asked = (count) =>
    until(() => provider.counted("/token") >= count, { what: "a request for tokens" });
  return { provider, signIn, asked };
}

for (const [fault, what] of FAULTS) {
  test(`${what} fails one of the requests that wait for one read`, async () => {
    const { visitor } = await planted.recorded(site.url);
    await planted.cold(site.url, fault);
    kv.mood.get = "held";
    const before = kv.count("get");
    const [first, ...tabs] = Array.from({ length: 6 }, () => visitor.copy());
    const hitting = first.browser.fetchJson(`${site.url}/planted-drive-${fault}`);
    await until(() => kv.count("get") > before, { what: "the read" });
    const others = tabs.map((tab) => tab.visit());
    kv.mood.get = "fine";
    assert.equal((await hitting).status, 500);
    for (const other of others) assert.deepEqual((await other).data, { kept: true });
  });

  test(`a change waiting for its write slot is stored despite ${what}`, async () => {
    const { visitor } = await planted.recorded(alone.url);
    const { id } = await visitor.visit();
    const stored = () => kv.count("put");
    const first = stored();
    await visitor.visit({ patch: { later: fault } });
    await planted.hit(site.url, fault);
    await until(() => stored() > first, { what: "the change in the namespace" });
    await planted.hit(site.url, fault);
    // Now only storage has it.
    const seen = await visitor.visit();
    assert.deepEqual([seen.id, seen.data], [id, { kept: true, later: fault }]);
    assert.equal(seen.state, "active");
  });

  test(`a sign-out waiting for storage completes despite ${what}`, async () => {
    const { visitor } = await planted.recorded(alone.url);
    const copy = visitor.copy();
    // Storage accepts one write a second.
    const out = visitor.call("logout", { method: "POST" });
    await planted.hit(site.url, fault);
    assert.equal((await out).status, 204);
    await until(async () => !(await copy.copy().isIn()), { what: "the end of the session" });
  });

  test(`a sign-out completes despite ${what} in its object while announcing it`, async () => {
    const { visitor } = await planted.recorded(site.url);
    const copy = visitor.copy();
    const culprit = await planted.recorded(site.url);
    mood.directory = "held";
    const before = mood.holding;
    const out = visitor.call("logout", { method: "POST" });
    await until(() => mood.holding > before, { what: "the announcement" });
    const url = changing(site.url, { text: `planted-object-${fault}` });
    const { deaths } = planted;
    const hitting = culprit.visitor.browser.fetchJson(url);
    await until(() => planted.deaths > deaths, { what: "the death of the instance" });
    mood.directory = "fine";
    assert.equal((await hitting).status, 503);
    const { status } = await out;
    assert.ok([204, 503].includes(status), String(status));
    await until(async () => !(await copy.copy().isIn()), { what: "the end of the session" });
  });

  test(`a sign-in redeeming its code completes despite ${what}`, async (t) => {
    const { provider, signIn, asked } = await atProvider(t);
    provider.tokenMood = { delayMs: SLOW };
    const visitor = new Visitor(signIn.url);
    const back = await visitor.browser.beginSignIn(`${signIn.url}/`);
    const finishing = visitor.browser.get(back);
    await asked(1);
    await planted.hit(site.url, fault);
    const answer = await finishing;
    assert.equal(answer.status, 200, `${answer.code} ${answer.body}`);
    assert.equal(answer.json().user, "alice");
    assert.equal(provider.counted("/token"), 1, "a code is redeemed once");
  });

  test(`an access token is renewed once despite ${what} during the renewal`, async (t) => {
    const { provider, signIn, asked } = await atProvider(t);
    const culprits = [await planted.recorded(site.url), await planted.recorded(site.url)];
    provider.accessTokenSeconds = 1;
    const visitor = new Visitor(signIn.url);
    await visitor.browser.signIn(`${signIn.url}/`);
    const begun = Date.now();
    await until(() => Date.now() > begun + 1_500, { what: "the token's end" });
    provider.accessTokenSeconds = 3_600;
    provider.tokenMood = { delayMs: SLOW };
    const renewal = provider.counted("/token") + 1;
    const visiting = visitor.visit();
    await asked(renewal);
    // The request waits in one isolate and its object in another. A call that hits a fault is retried there, so each of
    // these ends three instances.
    await planted.hit(site.url, fault);
    const url = changing(site.url, { text: `planted-object-${fault}` });
    const hits = culprits.map((culprit) => culprit.visitor.browser.fetchJson(url));
    for (const hit of hits) assert.equal((await hit).status, 503);
    const { token } = await visiting;
    assert.equal(await provider.accepts(token), true);
    assert.equal(provider.counted("/token"), renewal);
    provider.tokenMood = {};
    assert.equal((await visitor.visit()).token, token);
  });
}
