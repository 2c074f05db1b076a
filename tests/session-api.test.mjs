/** Tests the session API with public names, which contain the sign-in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ORIGIN_KEY = "an-origin-key-of-32-characters!!";
const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";

/**
 * Opens a guest with data whose public name the origin knows, and who then signed in.
 * @param {import("node:test").TestContext} t
 * @param {string} consistency
 */
async function signedIn(t, consistency) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  const vars = { CONSISTENCY: consistency, ORIGIN_KEY, ADMIN_TOKEN };
  const vestibule = await Vestibule.start(t, { origins: [origin.url], vars });
  const browser = new Browser(vestibule.url);
  const visit = async (/** @type {Record<string, string>} */ controls = {}) => {
    await browser.fetch(`/?${new URLSearchParams(controls)}`);
    return origin.received("x-session-id")[0];
  };
  const guest = await visit();
  const copied = new Browser(vestibule.url);
  copied.jar.set("vestibule-session", browser.session);
  await visit({ "x-session-patch": '{"draft":1}' });
  await visit({ "x-session-identify": '{"user":"ada"}' });
  const user = await visit({ "x-session-patch": '{"secret":2}' });
  assert.equal(user.split(".")[0], guest, "the handle stays");
  const other = `${guest}.AAAAAAAA`;
  /**
   * @param {string} method
   * @param {string} path
   * @param {string} token
   * @param {unknown} [body]
   */
  const call = (method, path, token, body) =>
    fetch(`${vestibule.url}/_session/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json", "if-match": "*" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const me = () => browser.json("/_session/me");
  return { vestibule, browser, copied, guest, user, other, call, me };
}

for (const consistency of ["strong", "eventual"]) {
  test(`the public name of a guest or another sign-in gives no access to the user (${consistency})`, async (t) => {
    const { guest, user, other, call, me } = await signedIn(t, consistency);
    const change = { patch: { stolen: true } };
    for (const name of [guest, other, `${user}A`, `${guest}.${guest}`]) {
      const path = `api/sessions/${name}`;
      for (const [method, at, body] of /** @type {const} */ ([
        ["GET", path, undefined],
        ["PATCH", path, change],
        ["DELETE", path, undefined],
        ...(consistency === "strong"
          ? /** @type {const} */ ([
              ["POST", `${path}/lease`, { seconds: 30 }],
              ["DELETE", `${path}/lease`, { token: 1 }],
            ])
          : []),
      ])) {
        const answer = await call(method, at, ORIGIN_KEY, body);
        assert.equal(answer.status, 404, `${method} ${at}`);
        assert.ok(!(await answer.text()).includes('"ada"'));
      }
    }
    assert.deepEqual((await me()).data, { draft: 1, secret: 2 });
    const path = `api/sessions/${user}`;
    assert.equal((await (await call("GET", path, ORIGIN_KEY)).json()).user, "ada");
    assert.equal((await call("PATCH", path, ORIGIN_KEY, { patch: { mine: 3 } })).status, 200);
    assert.deepEqual((await me()).data, { draft: 1, mine: 3, secret: 2 });
    assert.equal((await call("DELETE", path, ORIGIN_KEY)).status, 204);
  });

  test(`a copied guest cookie cannot end the later user's session (${consistency})`, async (t) => {
    const { copied, guest, user, me } = await signedIn(t, consistency);
    for (const name of [guest, user]) {
      const answer = await copied.fetch(`/_session/sessions/${name}`, { method: "DELETE" });
      assert.notEqual(answer.status, 204, name);
    }
    assert.equal((await me()).user, "ada");
  });

  test(`a visitor ends its own session by its current public name only (${consistency})`, async (t) => {
    const { browser, guest, other, user, me } = await signedIn(t, consistency);
    for (const name of [guest, other]) {
      const answer = await browser.fetch(`/_session/sessions/${name}`, { method: "DELETE" });
      assert.equal(answer.status, 404, name);
    }
    assert.equal((await me()).user, "ada");
    const answer = await browser.fetch(`/_session/sessions/${user}`, { method: "DELETE" });
    assert.equal(answer.status, 204);
  });

  test(`an operator finds a session by its handle, but not by another sign-in's name (${consistency})`, async (t) => {
    const { guest, other, user, call, me } = await signedIn(t, consistency);
    for (const [name, status] of /** @type {const} */ ([
      [guest, 200],
      [user, 200],
      [other, 404],
    ])) {
      const answer = await call("GET", `admin/sessions/${name}`, ADMIN_TOKEN);
      assert.equal(answer.status, status, name);
      const explained = await call("POST", "admin/explain", ADMIN_TOKEN, { handle: name });
      const { session } = await explained.json();
      assert.equal(session.state, status === 200 ? "live" : "unknown", name);
    }
    assert.equal((await call("DELETE", `admin/sessions/${other}`, ADMIN_TOKEN)).status, 404);
    assert.equal((await me()).user, "ada");
    assert.equal((await call("DELETE", `admin/sessions/${guest}`, ADMIN_TOKEN)).status, 204);
  });
}
