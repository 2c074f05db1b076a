/** Shows that a real Chainlit, whose own token outlives a sign-out, never confuses users. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { Browser } from "../harness/sign-in.mjs";
import { openSite, PASSWORD } from "./site.mjs";

test("Chainlit's cookies are kept in the session and deleted with it", async (t) => {
  const [chainlit] = await startChainlit(t, ["chat"]);
  const accounts = { ada: {}, bob: {} };
  const { url } = await openSite(t, chainlit.url, accounts, { vault: ["access_token*"] });
  const browser = new Browser();
  const signIn = (/** @type {string} */ username) =>
    browser.post(`${url}/_session/login`, { username, password: PASSWORD, return_to: "/" });
  const header = () => browser.fetchJson(`${url}/auth/header`, { method: "POST" });
  const who = () => browser.fetchJson(`${url}/user`);

  await signIn("ada");
  assert.equal((await header()).status, 200);
  assert.equal((await who()).json().metadata.user, "ada");
  const names = browser.cookiesOf(url).map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => name.startsWith("access_token")),
    [],
  );

  await browser.fetchJson(`${url}/_session/logout`, { method: "POST" });
  await signIn("bob");
  assert.equal((await who()).status, 401);
  assert.equal((await header()).status, 200);
  assert.equal((await who()).json().metadata.user, "bob");
});
