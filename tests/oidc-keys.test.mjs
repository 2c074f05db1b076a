/** Tests published keys of a provider that must not verify tokens. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HostileProvider, KEYS, published } from "./harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const sites = await Sites.start({ after });
const provider = await HostileProvider.start({ after });

/** @param {import("node:test").TestContext} t */
async function open(t) {
  const issuer = provider.issuer();
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url)] } },
  }));
  return { issuer, browser: new Browser(), url: `${site.url}/` };
}

/** @type {[what: string, more: Record<string, unknown>, reason: RegExp][]} */
const UNFIT = [
  ["for encryption", { use: undefined, key_ops: ["encrypt"] }, /key_ops/],
  ["with the exponent 3", { e: "Aw" }, /exponent/],
  [
    "of small order",
    { kty: "OKP", crv: "Ed25519", alg: "EdDSA", x: Buffer.alloc(32).toString("base64url") },
    /small order/,
  ],
];

for (const [what, more, reason] of UNFIT) {
  test(`a provider's key ${what} is rejected when it is fetched, and the log names the reason`, async (t) => {
    const { issuer, browser, url } = await open(t);
    const unfit = await published(KEYS.own, more);
    issuer.answers.jwks = { body: { keys: [unfit] } };
    assert.equal((await browser.signIn(url)).status, 502);
    const { reason: logged } = await until(
      () =>
        sites.vestibule
          .logged("idp_key_refused")
          .find(({ issuer: named }) => named === `${issuer.url}/jwks`),
      { what: "a line in the log" },
    );
    assert.match(logged, reason);
  });
}
