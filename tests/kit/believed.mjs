/** What both examples of the Node kit must refuse, and what they must believe. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../harness/browser.mjs";
import { Origin } from "../harness/origin.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { FORGED, openNodeKit, post, proved } from "./node-server.mjs";
import { ORIGIN_KEY } from "./processes.mjs";

/** @typedef {Parameters<typeof openNodeKit>[1]} Example */

/** @param {Example} example */
export function testVerification(example) {
  for (const verify of /** @type {const} */ (["proof", "assertion"])) {
    test(`a request is believed only with a valid ${verify}`, async (t) => {
      const { vestibule, servers } = await openNodeKit(t, example, ["one"], { verify });
      const [server] = servers;
      const browser = new Browser(vestibule.url);
      const first = await browser.fetch("/?room=1");
      assert.equal(first.status, 200, await first.clone().text());
      const guest = await first.json();
      assert.match(guest.id, /^[\w-]{22}$/);
      assert.equal(guest.user, null);
      const forged = await (await browser.fetch("/", { headers: FORGED })).json();
      assert.deepEqual([forged.id, forged.user], [guest.id, null]);

      const direct = await fetch(server.url, { headers: FORGED });
      assert.equal(direct.status, 401);
      assert.match(await direct.text(), new RegExp(`no X-Session-${verify}`, "i"));
      const wrong = {
        ...FORGED,
        "x-session-tenant": "default",
        [`x-session-${verify}`]: "v1;t=1;k=00000000;mac=AAAA",
      };
      assert.equal((await fetch(server.url, { headers: wrong })).status, 403);
      assert.equal((await fetch(`${server.url}/healthz`, { headers: FORGED })).status, 200);
    });
  }

  test("a recorded request serves on no other path, for nobody else, and with no other proof", async (t) => {
    const { servers } = await openNodeKit(t, example, ["one"]);
    const [{ url }] = servers;
    const recorder = await Origin.start(t);
    const vars = { ORIGIN_KEY, PROOF: "true" };
    const other = await Vestibule.start(t, { origins: [recorder.url], vars });
    await fetch(other.url);
    const recorded = recorder.requests[0].headers.filter(([name]) => /^x-session-/i.test(name));
    const headers = Object.fromEntries(
      recorded.map(([name, value]) => [name.toLowerCase(), value]),
    );
    const proof = headers["x-session-proof"];
    const status = async (/** @type {string} */ path, /** @type {object} */ over) =>
      (await fetch(url + path, { headers: { ...headers, ...over } })).status;

    assert.equal(await status("/", {}), 200);
    assert.equal(await status("/?room=2", {}), 200, "the query is not covered");
    assert.equal(await status("/visits", {}), 403);
    assert.equal(await status("/", { "x-session-user": "boss" }), 403);
    assert.equal(await status("/", { "x-session-id": "another" }), 403);
    for (const at of [0, proof.indexOf(";t=") + 3, proof.indexOf(";k=") + 3, proof.length - 1]) {
      const changed = `${proof.slice(0, at)}${proof[at] === "0" ? "1" : "0"}${proof.slice(at + 1)}`;
      assert.equal(await status("/", { "x-session-proof": changed }), 403, changed);
    }
  });

  test("a proof is believed for a minute, whichever clock is ahead", async (t) => {
    const { servers } = await openNodeKit(t, example, ["one"]);
    const status = async (/** @type {number} */ age) =>
      (await fetch(servers[0].url, { headers: proved("/", age) })).status;
    assert.deepEqual([await status(50), await status(-50)], [200, 200]);
    assert.deepEqual([await status(70), await status(-70)], [403, 403]);
  });

  test("a path is believed in every spelling that Vestibule forwards", async (t) => {
    const { vestibule } = await openNodeKit(t, example, ["one"]);
    const browser = new Browser(vestibule.url);
    const paths = ["/a%20b", "/a%2Fb", "/%e7%8e%8b", "/%E7%8E%8B?x=%27", "/王", "/a+b{c}|d^e"];
    for (const path of paths) assert.equal((await browser.fetch(path)).status, 404, path);
  });

  test("a response changes data, signs in and signs out", async (t) => {
    const { vestibule } = await openNodeKit(t, example, ["one"]);
    const browser = new Browser(vestibule.url);
    assert.deepEqual((await post(browser, "/visits")).data, { visits: 1 });
    assert.deepEqual((await post(browser, "/visits")).data, { visits: 2 });
    const guest = await browser.json("/");
    assert.deepEqual(guest.data, { visits: 2 });

    const cookie = browser.session;
    const who = { user: "éva", name: "王 芳 100%", groups: ["a b", "équipe"] };
    const foreseen = await post(browser, "/sign-in", who);
    assert.notEqual(browser.session, cookie);
    const user = await browser.json("/");
    assert.deepEqual([user.user, user.name, user.groups], [who.user, who.name, who.groups]);
    assert.deepEqual(user.data, { visits: 2 });
    assert.deepEqual({ ...foreseen, id: user.id, state: user.state }, user);
    assert.notEqual(user.id, guest.id);

    await post(browser, "/sign-out");
    const next = await browser.json("/");
    assert.deepEqual([next.user, next.data], [null, {}]);
  });
}
