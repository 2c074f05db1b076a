/** Tests proofs and assertions, by which a public origin verifies that an identity comes from Vestibule. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

const ORIGIN_KEY = "an-origin-key-of-32-characters!!";

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} vars
 * @param {string} [keys]
 */
async function open(t, vars, keys) {
  const origin = await Origin.start(t, (request, reply) => {
    if (request.url === "/in") reply.setHeader("x-session-identify", '{"user":"alice"}');
    reply.end();
  });
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars, keys });
  const signedIn = await send(vestibule.port, { target: "/in" });
  const lines = signedIn.headers
    .filter(([name]) => name.toLowerCase() === "set-cookie")
    .map(([, line]) => `Cookie: ${line.split(";")[0]}`);
  return { origin, vestibule, port: vestibule.port, lines };
}

/** @param {Origin} origin @param {string} name */
function last(origin, name) {
  return origin.requests.at(-1)?.headers.findLast(([other]) => other.toLowerCase() === name)?.[1];
}

test("each request carries a proof that the origin verifies with the shared key", async (t) => {
  const { origin, port, lines } = await open(t, { PROOF: "true", ORIGIN_KEY });
  await send(port, { target: "/chat?room=1", lines: [...lines, "X-Session-Proof: v1;forged"] });
  const proofs = origin.requests.at(-1)?.headers.filter(([name]) => /x.session.proof/i.test(name));
  assert.equal(proofs?.length, 1);
  const [, at, key, mac] = /^v1;t=(\d+);k=([0-9a-f]{8});mac=([\w-]{43})$/.exec(proofs[0][1]) ?? [];
  assert.equal(key, createHash("sha256").update(ORIGIN_KEY).digest("hex").slice(0, 8));
  assert.ok(Math.abs(Number(at) - Date.now() / 1000) < 60);
  const handle = last(origin, "x-session-id");
  const message = ["GET", "/chat", handle, "alice", at].join("\n");
  assert.equal(mac, createHmac("sha256", ORIGIN_KEY).update(message).digest("base64url"));
});

test("without PROOF and ASSERTION neither header is sent", async (t) => {
  const { origin, port, vestibule } = await open(t, { ORIGIN_KEY });
  await send(port, { lines: ["X-Session-Proof: forged", "X_Session_Assertion: forged"] });
  const names = origin.requests.at(-1)?.headers.map(([name]) => name.toLowerCase());
  assert.ok(!names?.some((name) => /proof|assertion/.test(name)));
  assert.equal((await fetch(`${vestibule.url}/_session/jwks.json`)).status, 404);
});

test("PROOF without a key is reported as a configuration fault", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars: { PROOF: "true" } });
  assert.equal((await fetch(vestibule.url)).status, 500);
  assert.match(vestibule.printed, /ORIGIN_KEY/);
});

test("an assertion is a JWT that any library verifies, and is used for a minute", async (t) => {
  const { origin, port, lines, vestibule } = await open(t, { ASSERTION: "true" });
  await send(port, { lines });
  const token = last(origin, "x-session-assertion") ?? assert.fail("no assertion");
  const published = await fetch(`${vestibule.url}/_session/jwks.json`);
  assert.match(published.headers.get("cache-control") ?? "", /public/);
  const keys = /** @type {any} */ (await published.json());
  assert.ok(keys.keys.every((/** @type {any} */ key) => key.d === undefined));
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys), { audience: "default" });
  assert.equal(payload.sub, "alice");
  assert.equal(payload.sid, last(origin, "x-session-id"));
  assert.equal(Number(payload.exp) - Number(payload.iat), 120);
  assert.ok(Number(payload.auth_time) <= Number(payload.iat));
  assert.equal(decodeProtectedHeader(token).typ, "session+jwt");
  await send(port, { lines });
  assert.equal(last(origin, "x-session-assertion"), token);
});

test("a guest's assertion has no user, and a new key is published with the old one", async (t) => {
  const [old, next] = [freshKey(), freshKey()];
  const { origin, port, vestibule } = await open(t, { ASSERTION: "true" }, `${next},${old}`);
  await send(port, {});
  const keys = /** @type {any} */ (
    await (await fetch(`${vestibule.url}/_session/jwks.json`)).json()
  );
  assert.equal(new Set(keys.keys.map((/** @type {any} */ key) => key.kid)).size, 2);
  const token = last(origin, "x-session-assertion") ?? "";
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys));
  assert.equal(payload.sub, undefined);
});
