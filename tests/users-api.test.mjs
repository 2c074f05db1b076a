/** Tests accounts with passwords that an operator's program manages, also by `npm run users -- --remote URL`. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Browser, Sites } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";

const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";
const sites = await Sites.start({ after }, { vars: { ADMIN_TOKEN } });

/** @param {import("node:test").TestContext} t */
async function open(t) {
  const site = await sites.open(t, () => ({
    login: { mode: "required", methods: { password: true } },
  }));
  const program = new Browser();
  const users = `${site.url}/_session/admin/users`;
  /**
   * @param {string} method
   * @param {string} name
   * @param {unknown} [json]
   */
  const call = (method, name, json) =>
    program.fetchJson(name ? `${users}/${name}` : users, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      ...(json === undefined ? {} : { json }),
    });
  /**
   * @param {Browser} browser
   * @param {string} username
   * @param {string} password
   */
  const signIn = async (browser, username, password) => {
    const json = { username, password };
    return (await browser.fetchJson(`${site.url}/_session/login`, { method: "POST", json })).status;
  };
  return { site, program, users, call, signIn };
}

test("the admin API creates, reads and lists an account, and its user can sign in", async (t) => {
  const { site, call, signIn } = await open(t);
  const made = await call("PUT", "Ada", { password: "difference engine", groups: ["staff"] });
  assert.equal(made.status, 200, made.body);
  assert.deepEqual((await call("GET", "")).json(), { users: ["ada"] });
  const { changed, ...account } = (await call("GET", "ada")).json();
  assert.deepEqual(account, { user: "ada", groups: ["staff"] });
  assert.ok(changed > 1_700_000_000);
  const browser = new Browser();
  assert.equal(await signIn(browser, "ADA", "difference engine"), 200);
  await browser.fetchJson(site.url);
  assert.deepEqual(site.origin.received("x-session-groups"), ["staff"]);
});

test("a user who gets a new password or is disabled or deleted is signed out, no others", async (t) => {
  const { site, call, signIn } = await open(t);
  const acts = {
    ada: () => call("PUT", "ada", { password: "analytical engine" }),
    bea: () => call("PUT", "bea", { disabled: true }),
    cyd: () => call("DELETE", "cyd"),
  };
  const browsers = new Map();
  for (const user of [...Object.keys(acts), "dan"]) {
    enrol(sites, site.id, { user, password: "difference engine" });
    const browser = new Browser();
    assert.equal(await signIn(browser, user, "difference engine"), 200);
    browsers.set(user, browser);
  }
  for (const [user, act] of Object.entries(acts)) {
    const done = await act();
    assert.ok([200, 204].includes(done.status), done.body);
    const isOut = async () => (await browsers.get(user).fetchJson(site.url)).status === 401;
    await until(isOut, { what: `${user} being out` });
    assert.equal(await signIn(new Browser(), user, "difference engine"), 401, user);
  }
  assert.equal(await signIn(new Browser(), "ada", "analytical engine"), 200);
  assert.equal((await browsers.get("dan").fetchJson(site.url)).status, 200);
});

test("requests without the admin token can neither read nor change accounts", async (t) => {
  const { users, program, call } = await open(t);
  const wrong = { authorization: "Bearer another-token-of-32-characters!" };
  for (const headers of /** @type {Record<string, string>[]} */ ([{}, wrong])) {
    assert.equal((await program.fetchJson(users, { headers })).status, 401);
    const put = { method: "PUT", headers, json: { password: "difference engine" } };
    assert.equal((await program.fetchJson(`${users}/ada`, put)).status, 401);
  }
  assert.deepEqual((await call("GET", "")).json(), { users: [] });
});

test("an invalid account is rejected with the reason", async (t) => {
  const { call } = await open(t);
  for (const [json, received] of /** @type {[unknown, RegExp][]} */ ([
    [{}, /password/],
    [{ password: "short" }, /8 characters/],
    [{ password: "x".repeat(1_025) }, /1024/],
    [{ password: "difference engine", role: "admin" }, /role/],
    [{ password: "difference engine", groups: "staff" }, /groups/],
    [{ password: "difference engine", disabled: "no" }, /disabled/],
  ])) {
    const answer = await call("PUT", "ada", json);
    assert.equal(answer.status, 422, answer.body);
    assert.match(answer.json().detail, received);
  }
  assert.equal((await call("GET", "ada")).status, 404);
  assert.equal((await call("DELETE", "ada")).status, 404);
  assert.equal((await call("POST", "ada", {})).status, 405);
});

test("npm run users -- --remote URL manages accounts by the admin API", async (t) => {
  const { site, signIn } = await open(t);
  const { port } = new URL(site.url);
  /** @param {string} line @param {string} [input] */
  const users = async (line, input = "") => {
    const script = path.resolve(import.meta.dirname, "../scripts/users.mjs");
    const args = [script, ...line.split(" "), "--remote", `http://127.0.0.1:${port}`];
    const child = spawn(process.execPath, args, { env: { ...process.env, ADMIN_TOKEN } });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
    }
    child.stdin.on("error", () => {}).end(input);
    const [code] = await once(child, "close");
    return { text, code };
  };
  const added = await users(`add ${site.id} Ada --groups staff`, "difference engine\n");
  assert.deepEqual(added, { text: "ada: added.\n", code: 0 });
  assert.match((await users(`add ${site.id} ada`, "difference engine\n")).text, /account already/);
  assert.equal((await users(`list ${site.id}`)).text, "ada\n");
  const shown = JSON.parse((await users(`show ${site.id} ada`)).text);
  assert.deepEqual([shown.user, shown.groups], ["ada", ["staff"]]);
  assert.equal(await signIn(new Browser(), "ada", "difference engine"), 200);
  assert.equal((await users(`disable ${site.id} ada`)).code, 0);
  assert.equal(await signIn(new Browser(), "ada", "difference engine"), 401);
  assert.equal((await users(`enable ${site.id} ada`)).code, 0);
  assert.equal((await users(`password ${site.id} ada`, "analytical engine")).code, 0);
  assert.equal(await signIn(new Browser(), "ada", "analytical engine"), 200);
  assert.equal((await users(`delete ${site.id} ada`)).text, "ada: deleted.\n");
  assert.match((await users(`show ${site.id} ada`)).text, /There is no user ada/);
});
