/** Runs the commands of docs/guide/open-webui.md before a server that records what it receives. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Browser } from "../harness/browser.mjs";
import { Checkout } from "../harness/checkout.mjs";
import { Origin } from "../harness/origin.mjs";

/** A first build may take minutes. */
const PATIENCE_MS = 300_000;

/**
 * @param {import("node:test").TestContext} t
 * @param {import("../harness/documented.mjs").Documented} documented
 */
export async function handsOnIdentity(t, documented) {
  const block = (/** @type {string} */ part) =>
    documented.block("docs/guide/open-webui.md", part).text;
  const origin = new Origin((_, reply) => void reply.end("ok"));
  t.after(() => origin.stop());
  origin.server.listen(8080, "127.0.0.1");
  await once(origin.server, "listening");
  const checkout = Checkout.make(t);
  const binding = block('binding = "USERS"');
  checkout.write("wrangler.toml", `${checkout.read("wrangler.toml")}\n${binding}`);
  const added = await checkout.run(block("npm run users -- add"));
  assert.equal(added.code, 0, added.printed);
  await checkout.start(block("npm start -- --origin")).prints("Press Ctrl-C to stop", PATIENCE_MS);
  const browser = new Browser("http://localhost:8787");
  const answer = await browser.fetch("/_session/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "ada", password: "correct horse" }),
  });
  assert.equal(answer.status, 200, await answer.text());
  await browser.fetch("/");
  for (const [name, value] of [
    ["x-user-email", "ada@acme.example"],
    ["x-user-name", "Ada L."],
    ["x-user-groups", "staff"],
  ]) {
    assert.deepEqual(origin.received(name), [value], name);
  }
}
