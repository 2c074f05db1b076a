/** Assertions, with keys from a real server. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { KeySet } from "../src/assertion.ts";
import {
  AssertionVerifier,
  Misconfigured,
  MissingProof,
  Unavailable,
  Unverified,
} from "../src/index.ts";
import { ID, serve, until } from "./support.ts";

const KEY = await generateKeyPair("ES256", { extractable: true });
const NEXT = await generateKeyPair("ES256", { extractable: true });
const TENANT = "acme";

/** What a Vestibule host publishes, and how often it was asked. */
class Publisher {
  keys: Record<string, CryptoKey> = { k1: KEY.publicKey };
  /** Published with them. */
  others: unknown[] = [];
  /** Answers only then. */
  until: Promise<void> | undefined;
  asked = 0;
  status = 200;
  url = "";

  static async start(t: TestContext, below = ""): Promise<Publisher> {
    const publisher = new Publisher();
    publisher.url = await serve(t, async (request, response) => {
      assert.equal(request.url, `${below}/_session/jwks.json`);
      publisher.asked += 1;
      await publisher.until;
      const keys = Object.entries(publisher.keys).map(async ([kid, key]) => {
        return { ...(await exportJWK(key)), kid, alg: "ES256" };
      });
      const published = [...publisher.others, ...(await Promise.all(keys))];
      response.writeHead(publisher.status).end(JSON.stringify({ keys: published }));
    });
    return publisher;
  }
}

interface Over {
  key?: CryptoKey | Uint8Array;
  alg?: string;
  kid?: string;
  typ?: string;
  claims?: Record<string, unknown>;
}

function token(iss: string, over: Over = {}): Promise<string> {
  const { key = KEY.privateKey, alg = "ES256", kid = "k1", typ = "session+jwt" } = over;
  const iat = now();
  const claims = { iss, aud: TENANT, sid: ID, sub: "éva", iat, exp: iat + 120, ...over.claims };
  return new SignJWT(claims).setProtectedHeader({ alg, kid, typ }).sign(key);
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function verify(url: string, assertion?: string, over: object = {}): Promise<void> {
  const asserted = { tenant: TENANT, id: ID, user: "%C3%A9va", ...over };
  return new AssertionVerifier(url).verifyAssertion(assertion, asserted);
}

test("a genuine assertion is accepted", async (t) => {
  const { url } = await Publisher.start(t);
  await verify(url, await token(url));
  await verify(`${url}/`, await token(url, { claims: { sub: undefined } }), { user: "" });
});

const WRONG: Record<string, Over> = {
  "by another key": { key: NEXT.privateKey },
  "by an unknown key": { kid: "k9" },
  "of another type": { typ: "JWT" },
  "for another tenant": { claims: { aud: "other" } },
  "of another site": { claims: { iss: "https://evil.example" } },
  "of another session": { claims: { sid: "another" } },
  "of no session": { claims: { sid: undefined } },
  "of another user": { claims: { sub: "boss" } },
  "of a guest": { claims: { sub: undefined } },
  "that has expired": { claims: { exp: now() - 60 } },
  "that never expires": { claims: { exp: undefined } },
  "of the future": { claims: { iat: now() + 600 } },
  "by a shared secret": { alg: "HS256", key: Buffer.from("a-shared-secret-of-32-characters") },
};

for (const [what, over] of Object.entries(WRONG)) {
  test(`an assertion ${what} is refused`, async (t) => {
    const { url } = await Publisher.start(t);
    await assert.rejects(verify(url, await token(url, over)), Unverified);
  });
}

test("what is no token is refused", async (t) => {
  const publisher = await Publisher.start(t);
  for (const assertion of ["x", "a.b.c", "a.b", "…", `${"a".repeat(60_000)}.b.c`])
    await assert.rejects(verify(publisher.url, assertion), Unverified);
  assert.equal(publisher.asked, 0);
});

test("an assertion needs a tenant that it is for", async (t) => {
  const { url } = await Publisher.start(t);
  const foreign = await token(url, { claims: { aud: "other" } });
  await assert.rejects(verify(url, foreign, { tenant: "" }), /no X-Session-Tenant/);
});

test("a user's name that cannot be decoded is refused", async (t) => {
  const { url } = await Publisher.start(t);
  await assert.rejects(verify(url, await token(url), { user: "%FF" }), Unverified);
});

test("a missing assertion differs from a wrong one", async (t) => {
  const { url } = await Publisher.start(t);
  await assert.rejects(verify(url), (error) => {
    return error instanceof MissingProof && /ASSERTION=true/.test(error.message);
  });
});

test("the path of a tenant is no part of the issuer", async (t) => {
  const { url } = await Publisher.start(t, "/acme");
  await verify(`${url}/acme`, await token(url));
  await verify(`${url.replace("http:", "HTTP:")}/acme/`, await token(url));
  await assert.rejects(verify(`${url}/acme`, await token(`${url}/acme`)), Unverified);
});

test("an address without a scheme is refused at the start", () => {
  for (const url of ["chat.example", "chat.example:443", ""])
    assert.throws(() => new AssertionVerifier(url), Misconfigured);
});

test("keys are fetched seldom", async (t) => {
  const publisher = await Publisher.start(t);
  let seconds = 0;
  const keys = new KeySet(`${publisher.url}/_session/jwks.json`, () => seconds);
  await Promise.all(Array.from({ length: 20 }, () => keys.find("k1")));
  assert.equal(publisher.asked, 1);
  seconds = 29;
  for (let tries = 0; tries < 3; tries += 1)
    await assert.rejects(keys.find("k2"), /does not publish/);
  assert.equal(publisher.asked, 1, "unknown keys cause no more than one request in 30 seconds");
  publisher.keys = { k2: NEXT.publicKey, k1: KEY.publicKey };
  seconds = 31;
  await Promise.all([keys.find("k2"), keys.find("k2"), keys.find("k1")]);
  assert.equal(publisher.asked, 2);
  seconds = 330;
  await keys.find("k1");
  assert.equal(publisher.asked, 2);
  seconds = 332;
  await keys.find("k1");
  await until(() => publisher.asked === 3);
});

test("known keys survive an outage of a day", async (t) => {
  const publisher = await Publisher.start(t);
  let seconds = 0;
  const keys = new KeySet(`${publisher.url}/_session/jwks.json`, () => seconds);
  await keys.find("k1");
  publisher.status = 503;
  seconds = 86_400;
  await keys.find("k1");
  seconds = 86_500;
  await assert.rejects(keys.find("k1"), (error) => {
    return error instanceof Unavailable && /VESTIBULE_URL/.test(error.message);
  });
});

test("a first request for keys that fails is made again after two seconds", async (t) => {
  const publisher = await Publisher.start(t);
  let seconds = 0;
  const keys = new KeySet(`${publisher.url}/_session/jwks.json`, () => seconds);
  publisher.status = 503;
  await assert.rejects(keys.find("k1"), Unavailable);
  publisher.status = 200;
  seconds = 1;
  await assert.rejects(keys.find("k1"), Unavailable);
  assert.equal(publisher.asked, 1);
  seconds = 2;
  await keys.find("k1");
});

test("a known key does not wait for a slow answer", async (t) => {
  const publisher = await Publisher.start(t);
  let seconds = 0;
  const keys = new KeySet(`${publisher.url}/_session/jwks.json`, () => seconds);
  await keys.find("k1");
  let answer = () => {};
  publisher.until = new Promise((resolve) => {
    answer = resolve;
  });
  t.after(() => answer());
  publisher.keys = { k2: NEXT.publicKey };
  seconds = 300;
  await Promise.all([keys.find("k1"), keys.find("k1")]);
  await until(() => publisher.asked === 2);
  const unknown = keys.find("k2");
  answer();
  await unknown;
  await assert.rejects(keys.find("k1"), Unverified);
  assert.equal(publisher.asked, 2);
});

test("a key that cannot be imported leaves the others useful", async (t) => {
  const publisher = await Publisher.start(t);
  publisher.others = [{ kid: "k0", kty: "OKP", crv: "Ed999", x: "AA" }, null];
  const keys = new KeySet(`${publisher.url}/_session/jwks.json`);
  await keys.find("k1");
  await assert.rejects(keys.find("k0"), Unverified);
});
