/** Settings from the environment. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Assertion, PrivateNetwork, Proof, settingsFromEnv } from "../src/index.ts";

const VESTIBULE_URL = "https://chat.example";
const VESTIBULE_ORIGIN_KEY = "the-key-of-this-tenant, the-key-before";

test("the environment chooses how to verify, and the session API", () => {
  const both = { VESTIBULE_URL, VESTIBULE_ORIGIN_KEY };
  for (const [name, type] of Object.entries({
    proof: Proof,
    assertion: Assertion,
    network: PrivateNetwork,
  })) {
    const { verifier, api } = settingsFromEnv({ ...both, VESTIBULE_VERIFY: name });
    assert.ok(verifier instanceof type, name);
    assert.ok(api);
  }
  assert.equal(settingsFromEnv({ VESTIBULE_VERIFY: "network" }).api, null);
});

test("what is missing is named, and no key is shown", () => {
  const faults: [NodeJS.ProcessEnv, RegExp][] = [
    [{}, /VESTIBULE_VERIFY is ""/],
    [{ VESTIBULE_VERIFY: "prof" }, /VESTIBULE_VERIFY is "prof"/],
    [{ VESTIBULE_VERIFY: "proof" }, /ORIGIN_KEY/],
    [{ VESTIBULE_VERIFY: "assertion" }, /VESTIBULE_URL/],
    [
      { VESTIBULE_VERIFY: "proof", VESTIBULE_URL: "chat.example", VESTIBULE_ORIGIN_KEY },
      /VESTIBULE_URL/,
    ],
  ];
  for (const [env, message] of faults) {
    assert.throws(
      () => settingsFromEnv(env),
      (error: Error) => message.test(error.message) && !error.message.includes("the-key"),
    );
  }
});
