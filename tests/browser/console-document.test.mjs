/** Tests a tenant's document in the console: the editor, the form, and how it is saved. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { KvServer } from "../harness/kv.mjs";
import { Origin } from "../harness/origin.mjs";
import { until } from "../harness/until.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { picture } from "./chromium.mjs";
import {
  address,
  consolePage,
  documentText,
  editor,
  SOON,
  signIn,
  typeDocument,
} from "./console-page.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Opens two tenants by documents, with one origin for both. @param {import("node:test").TestContext} t */
async function tenants(t) {
  const origin = await Origin.start(t);
  const documents = new KvServer();
  t.after(() => documents.stop());
  for (const id of ["acme", "globex"]) {
    const document = { id, hosts: [`${id}.localhost`], origins: [{ name: "a", url: origin.url }] };
    documents.plant(`host:${id}.localhost`, id);
    documents.plant(`tenant:${id}`, JSON.stringify(document));
  }
  const vestibule = await Vestibule.start(t, {
    tenants: documents,
    origins: [],
    vars: SOON,
  });
  return vestibule;
}

/**
 * Waits until the editor has this document; it draws its lines once it is visible.
 * @param {Page} page
 * @param {object} expected
 */
async function isDocument(page, expected) {
  const read = async () => {
    try {
      return JSON.parse(await documentText(page));
    } catch {
      return undefined;
    }
  };
  await until(async () => isDeepStrictEqual(await read(), expected), {
    what: JSON.stringify(expected),
  });
}

test("an operator corrects a document at its error, previews, compares and saves it", async (t) => {
  const vestibule = await tenants(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "tenants"));
  await signIn(page);
  await page.getByRole("link", { name: "Edit acme" }).waitFor();
  await isAccessible(page, "tenants");
  await picture(page, "console-tenants");
  await page.getByRole("link", { name: "Edit acme" }).click();

  await editor(page).waitFor();
  const stored = await documentText(page);
  await typeDocument(page, stored.replace('"url": "http', '"url": "ftp'));
  const line = stored.split("\n").findIndex((one) => one.includes('"url"')) + 1;
  await page.getByRole("button", { name: `Line ${line}` }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Save" }).isDisabled(), true);
  await isAccessible(page, "a fault");
  await picture(page, "console-fault");

  const titled = { ...JSON.parse(stored), branding: { title: "Acme Help" } };
  await typeDocument(page, JSON.stringify(titled, null, 2));
  await page.getByText("No faults").waitFor();
  await page.getByText("Preview", { exact: true }).click();
  await page.frameLocator("iframe").getByText("Acme Help").first().waitFor();
  await picture(page, "console-preview");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".diff .new", { hasText: "Acme Help" }).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("As it is stored.").waitFor();

  await page.getByText("History", { exact: true }).click();
  await page
    .getByRole("button", { name: /^Compare/ })
    .first()
    .click();
  await page.locator(".diff .gone", { hasText: "Acme Help" }).waitFor();
  await isAccessible(page, "history");
  await picture(page, "console-history");
  await page.getByRole("button", { name: "Roll back" }).click();
  await until(async () => (await documentText(page)) === stored, { what: "the former document" });
  await page.getByText("As it is stored.").waitFor();
  assert.deepEqual(complaints, []);
});

test("saving over another operator's change is refused, and the input is kept", async (t) => {
  const vestibule = await tenants(t);
  const refused = /status of 412/;
  const [{ page: mine }, { page: theirs }] = [
    await consolePage(t, {}, refused),
    await consolePage(t, {}, refused),
  ];
  for (const page of [mine, theirs]) {
    await page.goto(address(vestibule, "tenants/acme"));
    await signIn(page);
    await editor(page).waitFor();
    const title = page === mine ? "Mine" : "Theirs";
    const titled = { ...JSON.parse(await documentText(page)), branding: { title } };
    await typeDocument(page, JSON.stringify(titled, null, 2));
    await page.getByText("No faults").waitFor();
  }
  for (const page of [theirs, mine]) {
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    if (page === theirs) await page.getByText("As it is stored.").waitFor();
  }
  await mine.getByText("Another operator saved meanwhile").waitFor();
  await mine.locator(".diff .gone", { hasText: "Theirs" }).waitFor();
  await mine.getByRole("button", { name: "Overwrite theirs" }).click();
  await mine.getByText("As it is stored.").waitFor();
});

test("a tenant is created from a template, and deleted after its name is typed", async (t) => {
  const vestibule = await tenants(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "tenants/new"));
  await signIn(page);
  await page.getByLabel(/^Id/).fill("initech");
  await isAccessible(page, "new tenant");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("No faults").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("As it is stored.").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("initech");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "globex" }).waitFor();
  assert.equal(await page.getByRole("heading", { name: "initech" }).count(), 0);
  assert.deepEqual(complaints, []);
});

test("the editor completes keys and values by the schema", async (t) => {
  const vestibule = await tenants(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "tenants/acme"));
  await signIn(page);
  await editor(page).waitFor();
  const stored = JSON.parse(await documentText(page));
  await typeDocument(page, `${JSON.stringify(stored).slice(0, -1)}, }`);
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.type('"log');
  const options = page.getByRole("listbox");
  await options.getByText("login").waitFor();
  await picture(page, "console-completion");
  await page.keyboard.press("Enter");
  await page.getByText("No faults").waitFor();
  await isDocument(page, { ...stored, login: {} });
  assert.deepEqual(complaints, []);
});

test("a change in the form is written into the JSON, and its fault is shown at the field", async (t) => {
  const vestibule = await tenants(t);
  const { page, complaints } = await consolePage(t);
  await page.goto(address(vestibule, "tenants/acme"));
  await signIn(page);
  await editor(page).waitFor();
  const stored = JSON.parse(await documentText(page));
  await page.getByText("Form", { exact: true }).click();
  const form = page.locator(".form");
  const url = form.getByLabel(/^url/);
  await url.fill("ftp://nowhere");
  await form.locator(".fault", { hasText: "http" }).waitFor();
  await isAccessible(page, "a form with a fault");
  await picture(page, "console-form");
  await url.fill(stored.origins[0].url);
  const session = form.locator("details", {
    has: page.locator("summary b", { hasText: /^session$/ }),
  });
  await session.locator("summary").click();
  await session.getByLabel("idle", { exact: true }).fill("45m");
  await session.getByLabel("consistency", { exact: true }).selectOption("strong");
  await page.getByText("No faults").waitFor();
  await page.getByText("JSON", { exact: true }).click();
  await isDocument(page, { ...stored, session: { idle: "45m", consistency: "strong" } });

  await page.getByText("Form", { exact: true }).click();
  await session.getByLabel("idle", { exact: true }).fill("");
  await session.getByLabel("consistency", { exact: true }).selectOption("");
  await form.getByRole("button", { name: "Add an entry of origins" }).click();
  const second = form.getByRole("group", { name: "Entry 2" });
  await second.getByLabel(/^url/).fill("https://b.example");
  await page.getByText("No faults").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("As it is stored.").waitFor();
  await page.getByText("JSON", { exact: true }).click();
  const origins = [...stored.origins, { url: "https://b.example" }];
  await isDocument(page, { ...stored, origins });
  assert.deepEqual(complaints, []);
});
