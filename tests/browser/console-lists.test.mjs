/** Tests what the operators' console shows of lists that servers come from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "../harness/origin.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { picture } from "./chromium.mjs";
import { address, consolePage, PATIENCE, SOON, signIn } from "./console-page.mjs";

test("the origins' page shows each list with its servers, and why it cannot be read", async (t) => {
  const server = await Origin.start(t);
  let status = 200;
  const list = await Origin.start(t, (_, reply) => {
    reply.writeHead(status);
    reply.end(JSON.stringify([server.url]));
  });
  const vestibule = await Vestibule.start(t, {
    origins: [`discover:${list.url}/servers?key=s3cret`],
    vars: { ...SOON, ORIGIN_LIST_REFRESH: "2s" },
  });
  await fetch(vestibule.url);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "origins"));
  await signIn(page);
  await page.getByText(`discover:${new URL(list.url).host}`).waitFor(PATIENCE);
  await page.getByText("1 server, read").waitFor(PATIENCE);
  await page.getByRole("heading", { name: new URL(server.url).host }).waitFor(PATIENCE);
  await isAccessible(page, "lists");
  await picture(page, "console-lists");

  status = 500;
  // Isolates ask the object while there are requests.
  const requests = setInterval(() => fetch(vestibule.url).catch(() => {}), 500);
  t.after(() => clearInterval(requests));
  await page.getByText("List not readable").waitFor({ timeout: 30_000 });
  await page.getByText("the status is 500, not 200").waitFor(PATIENCE);
  await page.getByRole("heading", { name: new URL(server.url).host }).waitFor();
  assert.doesNotMatch(await page.content(), /s3cret/);
  assert.deepEqual(complaints, []);
});
