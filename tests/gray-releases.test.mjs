/** Gray releases, as visitors with and without a mobile app see them. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { Sites, Browser as Visitor } from "./harness/sign-in.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const APP = "Mozilla/5.0 (iPhone) MobileApp/3.1";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const VISITORS = 400;

/**
 * Two servers, of which the second one has the release v2.
 * @param {import("node:test").TestContext} t
 */
async function servers(t) {
  const start = (/** @type {string} */ name) => Origin.start(t, (_, reply) => reply.end(name));
  const [old, fresh] = await Promise.all([start("old"), start("v2")]);
  return [`old=${old.url}`, `fresh=${fresh.url};release=v2`];
}

/**
 * Where so many new visitors come to.
 * @param {string} url
 * @param {string} agent
 * @param {number} count
 */
async function arrive(url, agent, count) {
  /** @type {{ browser: Browser, place: string }[]} */
  const visitors = [];
  for (let at = 0; at < count; at += 20) {
    const some = Array.from({ length: Math.min(20, count - at) }, async () => {
      const browser = new Browser(url);
      const response = await browser.fetch("/", { headers: { "user-agent": agent } });
      visitors.push({ browser, place: await response.text() });
    });
    await Promise.all(some);
  }
  return visitors;
}

test("one line gives the app a share, and nobody else", async (t) => {
  const origins = await servers(t);
  const deploy = (/** @type {string} */ RELEASES, keys = {}) =>
    Vestibule.start(t, { origins, vars: { RELEASES }, ...keys });
  const vestibule = await deploy("v2: 10% if user-agent contains MobileApp");
  const app = await arrive(vestibule.url, APP, VISITORS);
  const gray = app.filter(({ place }) => place === "v2").length;
  assert.ok(gray > VISITORS * 0.04 && gray < VISITORS * 0.18, `${gray} of ${VISITORS}`);
  const others = await arrive(vestibule.url, FIREFOX, VISITORS / 2);
  assert.equal(others.filter(({ place }) => place === "v2").length, 0);

  // Everybody stays, whatever becomes of the share, also with another client.
  const { keys } = vestibule;
  for (const share of ["0", "60%"]) {
    const later = await deploy(`v2: ${share} if user-agent contains MobileApp`, { keys });
    for (const { browser, place } of app.slice(0, 60)) {
      browser.moveTo(later.url);
      const response = await browser.fetch("/", { headers: { "user-agent": FIREFOX } });
      assert.equal(await response.text(), place);
    }
  }
  const off = await deploy("v2: off if user-agent contains MobileApp", { keys });
  for (const { browser } of app.filter(({ place }) => place === "v2")) {
    browser.moveTo(off.url);
    assert.equal(await (await browser.fetch("/")).text(), "old");
  }
});

const sites = await Sites.start({ after });

test("the members of a group get the release when they sign in", async (t) => {
  const serve = (/** @type {string} */ name) => Origin.start(t, (_, reply) => reply.end(name));
  const [old, fresh] = await Promise.all([serve("old"), serve("v2")]);
  const site = await sites.open(t, () => ({
    login: { mode: "optional", methods: { password: true } },
    origins: [
      { name: "old", url: old.url },
      { name: "fresh", url: fresh.url, release: "v2" },
    ],
    routing: { releases: [{ release: "v2", match: { groups: ["staff"] } }] },
  }));
  for (const [user, groups, place] of /** @type {const} */ ([
    ["ada", ["staff"], "v2"],
    ["bob", ["sales"], "old"],
  ])) {
    enrol(sites, site.id, { user, password: "down the rabbit hole", groups: [...groups] });
    const browser = new Visitor();
    const visit = async () => (await browser.fetchJson(`${site.url}/`)).body;
    assert.equal(await visit(), "old", "a guest has no groups");
    const json = { username: user, password: "down the rabbit hole" };
    const answer = await browser.fetchJson(`${site.url}/_session/login`, { method: "POST", json });
    assert.equal(answer.status, 200, answer.body);
    assert.equal(await visit(), place);
  }
  assert.deepEqual(fresh.received("x-session-user"), ["ada"]);
});
