/** Tests Vestibule as a library: `examples/embed`, a Worker that calls it before its own handler. */
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { buildEmbed, SCRIPT } from "../scripts/build.mjs";
import { Browser } from "./harness/browser.mjs";
import { mint } from "./harness/cookie.mjs";
import { until } from "./harness/until.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

const EMBED = await buildEmbed();

/** With the namespace alone, and with the objects of a deployed Vestibule bound as well. */
for (const unbound of [true, false]) {
  /** @param {import("node:test").TestContext} t */
  const deployed = async (t, vars = {}) => {
    const builds = { places: [EMBED], objects: path.dirname(SCRIPT) };
    const vestibule = await Vestibule.start(t, { embedded: true, unbound, builds, vars });
    const browser = new Browser(vestibule.url);
    const get = async (/** @type {string} */ at) => (await browser.fetch(at)).text();
    return { vestibule, browser, get };
  };
  const where = unbound ? "KV alone" : "objects bound";

  test(`a handler reads the session and stores data in it (${where})`, async (t) => {
    const { get, vestibule, browser } = await deployed(t);
    assert.equal(await get("/"), "Hello guest, visit 1\n");
    assert.equal(await get("/"), "Hello guest, visit 2\n");
    // With KV alone a key is written once a second, after the response; an object stores it before.
    const puts = () => vestibule.kv.operations.filter(({ op }) => op === "put").length;
    await until(() => puts() >= (unbound ? 2 : 1), { what: "the record" });
    await vestibule.restart();
    browser.moveTo(vestibule.url);
    assert.equal(await get("/"), "Hello guest, visit 3\n");
    assert.equal(await (await fetch(vestibule.url)).text(), "Hello guest, visit 1\n");
  });

  test(`a handler signs a user in, rotates the id and ends the session (${where})`, async (t) => {
    const { get, browser } = await deployed(t);
    await get("/");
    const guest = browser.cookie;
    await get("/sign-in");
    assert.notEqual(browser.cookie, guest);
    assert.equal(await get("/"), "Hello alice, visit 3\n");
    const signedIn = browser.cookie;
    const { handle, user } = await browser.json("/_session/me");
    assert.equal(user, "alice");
    await get("/new-id");
    assert.notEqual(browser.cookie, signedIn);
    assert.equal((await browser.json("/_session/me")).handle, handle);
    await get("/sign-out");
    assert.equal(browser.cookie, "");
    assert.equal(await get("/"), "Hello guest, visit 1\n");
  });

  test(`a handler shortens the session's idle limit (${where})`, async (t) => {
    const { get, browser } = await deployed(t);
    await get("/short");
    const { idle_seconds_left: left } = await browser.json("/_session/me");
    assert.ok(left > 590 && left <= 600, `${left} s`);
  });
}

test("a response that sets the cookie is marked as private for caches", async (t) => {
  const { response } = await visited(t);
  assert.match(response.headers.get("set-cookie") ?? "", /HttpOnly/);
  assert.match(response.headers.get("cache-control") ?? "", /no-store|private/);
});

test("a forged cookie is rejected without a storage read", async (t) => {
  const { vestibule } = await visited(t);
  const cookie = `vestibule-session=${mint({ key: freshKey(), leastVersion: 3, issued: 1_600_000_000 })}`;
  const response = await fetch(vestibule.url, { headers: { cookie } });
  assert.equal(await response.text(), "Hello guest, visit 1\n");
  const reads = vestibule.kv.operations.filter(({ op }) => op === "get");
  assert.deepEqual(reads, []);
});

test("a request without the required sign-in never reaches the handler", async (t) => {
  const { response } = await visited(t, { LOGIN_MODE: "required", ADMIN_TOKEN: "x".repeat(16) });
  assert.equal(response.status, 401);
});

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [vars]
 */
async function visited(t, vars) {
  const builds = { places: [EMBED], objects: path.dirname(SCRIPT) };
  const vestibule = await Vestibule.start(t, { embedded: true, unbound: true, builds, vars });
  return { vestibule, response: await fetch(vestibule.url) };
}
