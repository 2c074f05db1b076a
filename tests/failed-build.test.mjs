/** Tests what a change that does not compile shows, on the terminal and in the browser. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Checkout } from "./harness/checkout.mjs";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { until } from "./harness/until.mjs";

/** The compiler waits for other builds of the machine. */
const PATIENCE_MS = 150_000;

const origin = await Origin.start({ after }, (_request, reply) => reply.end("mine"));

test("a change that does not compile shows rustc's message, and requests get it, too", async (t) => {
  const checkout = Checkout.make(t);
  const port = await freePort();
  const start = checkout.start(`npm start --silent -- --port ${port} --origin ${origin.url}`);
  await start.prints("Press Ctrl-C to stop", PATIENCE_MS);
  const url = `http://127.0.0.1:${port}/`;
  assert.equal(await (await fetch(url)).text(), "mine");

  checkout.write("src/clock.rs", `${checkout.read("src/clock.rs")}\nfn broken( <&> {\n`);
  await start.prints("The Worker was not built", PATIENCE_MS);
  assert.match(start.printed, /^error: .*\n +--> src\/clock\.rs:\d+:\d+\n +\|$/m);
  assert.doesNotMatch(start.printed, /\[custom build\]/);

  const page = await until(
    async () => {
      const answer = await fetch(url, { headers: { accept: "text/html" } });
      return (
        answer.status === 500 && {
          type: answer.headers.get("content-type"),
          text: await answer.text(),
        }
      );
    },
    { within: PATIENCE_MS, what: "the page" },
  );
  assert.match(page.type ?? "", /text\/html/);
  assert.match(page.text, /<h1>The Worker was not built<\/h1>/);
  assert.match(page.text, /--&#62; src\/clock\.rs:\d+/);
  assert.doesNotMatch(page.text, /<&>/);
  const plain = await fetch(`${url}_session/healthz`);
  assert.equal(plain.status, 500);
  assert.match(await plain.text(), /^The Worker was not built:\n\n[\s\S]*--> src\/clock\.rs:\d+/);
});
