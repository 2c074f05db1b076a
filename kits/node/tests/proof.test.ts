/** The proof, against the vectors that Vestibule's own tests and the other kits read too. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Misconfigured, MissingProof, ProofVerifier, Unverified } from "../src/index.ts";
import { signedText } from "../src/proof.ts";

interface Vector {
  name: string;
  key: string;
  method: string;
  path: string;
  id: string;
  user: string;
  t: number;
  text: string;
  proof: string;
}

const file = new URL("../../vectors/proof.json", import.meta.url);
const { valid, invalid } = JSON.parse(readFileSync(file, "utf8")) as {
  valid: [Vector, ...Vector[]];
  invalid: Vector[];
};

function verifier({ key, t }: Vector, after = 0): ProofVerifier {
  return new ProofVerifier([key], { clock: () => (t + after) * 1000 });
}

for (const vector of valid) {
  test(`the proof of ${vector.name} is accepted`, () => {
    assert.equal(signedText(vector, String(vector.t)), vector.text);
    verifier(vector).verifyProof(vector.proof, vector);
  });
}

for (const vector of invalid) {
  test(`the proof of ${vector.name} is refused`, () => {
    assert.throws(() => verifier(vector).verifyProof(vector.proof, vector), Unverified);
  });
}

test("there are vectors", () => {
  assert.ok(valid.length >= 8 && invalid.length >= 17);
});

test("a proof is valid for a minute either way", () => {
  const [vector] = valid;
  for (const after of [60, -60]) verifier(vector, after).verifyProof(vector.proof, vector);
  for (const after of [61, -61]) {
    const check = verifier(vector, after);
    assert.throws(() => check.verifyProof(vector.proof, vector), /60 seconds old/);
  }
});

test("a missing proof differs from a wrong one", () => {
  const [vector] = valid;
  assert.throws(
    () => verifier(vector).verifyProof(undefined, vector),
    (error) => {
      assert.ok(error instanceof MissingProof);
      assert.match(error.message, /PROOF=true/);
      assert.equal(error.status, 401);
      return true;
    },
  );
  assert.equal(new Unverified("").status, 403);
});

test("proofs by any listed key are accepted", () => {
  const [vector] = valid;
  const keys = ["the-key-that-comes-next-of-32-ch!", vector.key];
  const check = new ProofVerifier(keys, { clock: () => vector.t * 1000 });
  check.verifyProof(vector.proof, vector);
});

test("no key is a fault of the settings", () => {
  for (const keys of [[], [""]])
    assert.throws(
      () => new ProofVerifier(keys),
      (error) => error instanceof Misconfigured,
    );
});
