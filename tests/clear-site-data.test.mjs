/** Tests when a browser is asked to delete a site's data: at sign-outs and changes of user, and never cookies. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Browser, Sites } from "./harness/sign-in.mjs";

const sites = await Sites.start({ after });

/**
 * @param {import("node:test").TestContext} t
 * @param {string[]} [clear]
 */
async function open(t, clear = ["storage", "cache"]) {
  const site = await sites.open(t, () => ({
    login: { mode: "optional", methods: { password: true }, clear_site_data: clear },
  }));
  for (const user of ["alice", "bob"]) enrol(sites, site.id, { user, password: `of ${user}` });
  const browser = new Browser();
  const call = (/** @type {string} */ path, /** @type {unknown} */ json) =>
    browser.fetchJson(`${site.url}/_session/${path}`, { method: "POST", json });
  const signIn = (/** @type {string} */ user) =>
    call("login", { username: user, password: `of ${user}` });
  return { site, browser, signIn, signOut: () => call("logout", {}) };
}

test("a sign-out asks the browser to delete the site's data, and not its cookies", async (t) => {
  const { signIn, signOut } = await open(t);
  await signIn("alice");
  assert.equal((await signOut()).header("clear-site-data"), '"storage", "cache"');
});

test("a sign-in as another user does, and the same user's next one does not", async (t) => {
  const { signIn, browser, site } = await open(t);
  await browser.get(site.url);
  const clears = async (/** @type {string} */ user) => {
    const answer = await signIn(user);
    assert.equal(answer.status, 200, answer.body);
    return answer.header("clear-site-data") !== "";
  };
  // Of an earlier user whose session is over, data may be left.
  assert.equal(await clears("alice"), true);
  assert.equal(await clears("alice"), false);
  assert.equal(await clears("bob"), true);
});

test("by default nothing is deleted", async (t) => {
  const { signIn, signOut } = await open(t, []);
  for (const answer of [await signIn("alice"), await signIn("bob"), await signOut()]) {
    assert.equal(answer.header("clear-site-data"), "");
  }
});
