/** Tests the console's views of several tenants, its counts, and its plots. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "../harness/origin.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { BusySite } from "./busy-site.mjs";
import { address, consolePage, PATIENCE, SOON, signIn } from "./console-page.mjs";

/** Starts an origin whose sessions are stored. @param {import("node:test").TestContext} t */
async function deployment(t) {
  const origin = await Origin.start(t, (_, reply) => {
    reply.setHeader("x-session-patch", JSON.stringify({ theme: "dark" }));
    reply.end("ok");
  });
  return Vestibule.start(t, { origins: [`left=${origin.url}`], vars: SOON });
}

/** @param {string} url */
async function visit(url) {
  const response = await fetch(url, { headers: { "user-agent": "Firefox on Linux" } });
  await response.text();
}

test("with the default settings an origin shows its stored sessions, and no count of what is not followed", async (t) => {
  const vestibule = await deployment(t);
  for (let each = 0; each < 3; each += 1) await visit(vestibule.url);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "origins"));
  await signIn(page);
  const fact = (/** @type {string} */ name) =>
    page.locator(".origin dl > div", { has: page.getByText(name, { exact: true }) }).locator("dd");
  await until(async () => (await fact("Stored sessions").textContent()) === "3", {
    within: PATIENCE.timeout,
  });
  await fact("Sockets").getByText("not followed").waitFor(PATIENCE);
  assert.equal(await fact("Event streams").textContent(), "not followed");

  await page.getByRole("button", { name: "Drain left" }).click();
  await page.getByText("3 stored sessions stay until they end.").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  const draining = page.getByRole("dialog", { name: "left is draining" });
  await draining.getByText("In use", { exact: true }).waitFor();

  await page.goto(address(vestibule, "overview"));
  await page.locator('[data-figure="streams"]', { hasText: "not followed" }).waitFor(PATIENCE);
  await isAccessible(page, "an overview without followed streams");
  assert.deepEqual(complaints, []);
});

test("a session is listed by its user, browser and path, with the number of all", async (t) => {
  const site = await BusySite.start(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(site.vestibule, "sessions?tenant=acme&user=ada"));
  await signIn(page);
  await page.getByText("2 stored sessions of ada.").waitFor(PATIENCE);
  const row = page.locator("table.sessions tbody tr", { hasText: "phone" });
  assert.match(String(await row.locator("th").textContent()), /^ada /);
  assert.equal(await row.locator('[data-label="Browser"]').textContent(), "Safari · phone · DE");
  assert.equal(await row.locator('[data-label="Path"]').textContent(), "/");
  await row.getByRole("link", { name: /^ada/ }).click();
  await page.getByText("Safari · phone · DE, began at /", { exact: true }).waitFor();
  assert.deepEqual(complaints, []);
});

test("origins and sessions of all tenants are shown together", async (t) => {
  const site = await BusySite.start(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(site.vestibule, "origins"));
  await signIn(page);
  const rows = page.locator("table.list tbody tr");
  await until(async () => (await rows.count()) === 6, { within: PATIENCE.timeout });
  const drained = rows.filter({ hasText: "chat-b" });
  await drained.getByText("Draining").waitFor();
  assert.equal(await drained.locator('[data-label="Tenant"]').textContent(), "acme");
  await isAccessible(page, "origins of all tenants");

  await page.goto(address(site.vestibule, "sessions"));
  await rows.filter({ hasText: "hedy" }).waitFor(PATIENCE);
  const tenants = await rows.locator('[data-label="Tenant"]').allTextContents();
  assert.deepEqual([...new Set(tenants)].sort(), ["acme", "initech"]);
  await isAccessible(page, "sessions of all tenants");
  // Sooner than the page asks again: the tenants are known when it opens.
  await page.reload();
  await rows.filter({ hasText: "hedy" }).waitFor({ timeout: 10_000 });

  const guest = rows.filter({ hasText: "initech" }).first();
  const link = await guest.getByRole("link").first().getAttribute("href");
  await guest.getByRole("button", { name: /^Revoke/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.locator(`a[href="${link}"]`).waitFor({ ...PATIENCE, state: "detached" });
  assert.deepEqual(complaints, []);
});

test("the plots show the chosen time, and the histograms only where there are values", async (t) => {
  const vestibule = await deployment(t);
  for (let each = 0; each < 5; each += 1) await visit(vestibule.url);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "overview"));
  await signIn(page);
  await page.getByText("last 2 min").first().waitFor();
  await page.getByText("10 min", { exact: true }).click();
  assert.equal(await page.getByText("last 10 min").count(), 4);
  const scale = page.locator('[data-part="origin"] .scale');
  await until(async () => !(await scale.textContent())?.includes("longer"), {
    within: PATIENCE.timeout,
    what: "an axis that ends at the values",
  });
  assert.deepEqual(complaints, []);
});

test("the log shows the kind of a path, and never the path", async (t) => {
  const vestibule = await deployment(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "logs"));
  await signIn(page);
  const kinds = page.locator(".log .route");
  const seen = async () => new Set(await kinds.allTextContents());
  await until(
    async () => {
      await visit(`${vestibule.url}/a-secret-path`);
      await visit(`${vestibule.url}/_session/me`);
      return (await seen()).size === 2;
    },
    { within: PATIENCE.timeout, what: "lines of both kinds" },
  );
  assert.deepEqual([...(await seen())].sort(), ["reserved path", "server's path"]);
  assert.equal(await page.getByText("a-secret-path").count(), 0);
  assert.deepEqual(complaints, []);
});
