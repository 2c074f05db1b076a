/** Tests in a browser what a sign-out and a change of user leave of a user's data. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { enrol } from "../harness/accounts.mjs";
import { Sites } from "../harness/sign-in.mjs";
import { openPage } from "./chromium.mjs";

const sites = await Sites.start({ after });

/**
 * Opens a site whose page keeps a token in localStorage.
 * @param {import("node:test").TestContext} t
 */
async function open(t) {
  const site = await sites.open(
    t,
    () => ({
      login: { mode: "optional", methods: { password: true }, clear_site_data: ["storage"] },
    }),
    ({ headers }, reply) => {
      reply.setHeader("content-type", "text/html");
      reply.end(`<title>${headers["x-session-user"] ?? "guest"}</title>`);
    },
  );
  for (const user of ["alice", "bob"]) enrol(sites, site.id, { user, password: `of ${user}` });
  const page = await openPage(t);
  const signIn = async (/** @type {string} */ user) => {
    await page.goto(`${site.url}/_session/login`);
    await page.fill('input[name="username"]', user);
    await page.fill('input[name="password"]', `of ${user}`);
    await Promise.all([page.waitForURL(`${site.url}/`), page.click("form button")]);
    assert.equal(await page.title(), user);
  };
  const keep = () => page.evaluate("localStorage.setItem('token', document.title)");
  const kept = () => page.evaluate("localStorage.getItem('token')");
  return { site, page, signIn, keep, kept };
}

test("another user finds nothing in localStorage, and is signed in", async (t) => {
  const { page, signIn, keep, kept } = await open(t);
  await signIn("alice");
  await keep();
  await page.reload();
  assert.deepEqual([await page.title(), await kept()], ["alice", "alice"]);
  await signIn("bob");
  assert.equal(await kept(), null);
  await page.reload();
  assert.equal(await page.title(), "bob", "the session continues");
});

test("a sign-out by a script empties localStorage", async (t) => {
  const { page, signIn, keep, kept } = await open(t);
  await signIn("alice");
  await keep();
  const status = await page.evaluate(
    "fetch('/_session/logout', { method: 'POST' }).then(({ status }) => status)",
  );
  assert.equal(status, 204);
  await page.reload();
  assert.deepEqual([await page.title(), await kept()], ["guest", null]);
});
