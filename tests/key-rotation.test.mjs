/** Runs the changes of session keys that docs/operate/keys.md shows: under load, with two isolates over one namespace. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Checkout } from "./harness/checkout.mjs";
import { assertPrinted, Documented, steps } from "./harness/documented.mjs";

const documented = new Documented();

for (const [what, part, isRefusing] of /** @type {[string, string, boolean][]} */ ([
  ["a key rotation under load signs nobody out and refuses nothing", "rotation.mjs\n", false],
  ["a rollback of the key list under load signs nobody out", "--steps rollback", true],
])) {
  test(what, { timeout: 600_000 }, async (t) => {
    const [{ command, prints }] = steps(documented.block("docs/operate/keys.md", part));
    const { printed, code } = await Checkout.make(t).run(command);
    assert.equal(code, 0, printed);
    // The columns are as wide as their numbers.
    const narrow = (/** @type {string} */ text) => text.replaceAll(/ +/g, " ");
    assertPrinted(narrow(printed), prints.map(narrow));
    const rows = printed.split("\n").filter((line) => line.includes("epoch="));
    const sum = (/** @type {number} */ column) =>
      rows.reduce((total, line) => total + Number(line.trim().split(/\s+/).at(column)), 0);
    assert.equal(sum(-1), 0, printed);
    assert.equal(sum(-2) > 0, isRefusing, printed);
  });
}

test("every block of commands on the page is run here", () => {
  assert.deepEqual(
    documented.left.filter((place) => place.startsWith("docs/operate/keys.md:")),
    [],
  );
});
