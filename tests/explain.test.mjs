/** Tests explanations of requests, and views of sessions: they are true and show no secret. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { exchange, header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const TOKEN = "an-admin-token-for-tests";

/**
 * Calls the admin API.
 * @param {number} port
 * @param {string} method
 * @param {string} route
 * @param {unknown} [json]
 * @param {string} [host]
 */
async function operate(port, method, route, json, host = "chat.example") {
  const body = json === undefined ? "" : JSON.stringify(json);
  const answer = await send(port, {
    method,
    target: `/_session/admin/${route}`,
    host,
    lines: [
      `Authorization: Bearer ${TOKEN}`,
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ],
    body,
  });
  const text = Buffer.from(answer.body, "latin1").toString();
  return { ...answer, json: text ? JSON.parse(text) : null };
}

/**
 * Starts three servers that store data on demand, and a browser with a session.
 * @param {import("node:test").TestContext} t
 */
async function deployment(t) {
  const origins = await Promise.all(
    ["a", "b", "c"].map((name) =>
      Origin.start(t, (request, reply) => {
        const patch = request.headers["x-test-patch"];
        if (patch) reply.setHeader("x-session-patch", String(patch));
        if (request.headers["x-test-end"]) reply.setHeader("x-session-destroy", "1");
        reply.end(name);
      }),
    ),
  );
  const names = origins.map(({ url }, at) => `${"abc"[at]}=${url}`);
  const vestibule = await Vestibule.start(t, { origins: names, vars: { ADMIN_TOKEN: TOKEN } });
  const { port } = vestibule;
  const explain = async (/** @type {unknown} */ question) =>
    (await operate(port, "POST", "explain", question)).json;
  return { origins, vestibule, port, explain };
}

/** @param {import("./harness/raw.mjs").RawAnswer} answer */
function cookieOf(answer) {
  return header(answer, "set-cookie").map((line) => line.split(";")[0])[0];
}

test("an explanation matches the real decision and changes nothing", async (t) => {
  const { vestibule, port, explain } = await deployment(t);
  const patch = 'X-Test-Patch: {"theme":"dark"}';
  const cookie = cookieOf(await send(port, { lines: [patch] }));
  const question = { method: "GET", url: "http://chat.example/", headers: { cookie } };
  const explanation = await explain(question);
  assert.deepEqual(
    [
      explanation.tenant.id,
      explanation.path.territory,
      explanation.cookie.verdict,
      explanation.session.state,
    ],
    ["default", "origin", "genuine", "live"],
  );
  assert.deepEqual([explanation.login.rule, explanation.login.admitted], ["login.mode", true]);
  const best = explanation.origins.toSorted(
    (/** @type {any} */ x, /** @type {any} */ y) => y.score - x.score,
  )[0];
  assert.equal(explanation.choice.origin, best.name);
  assert.equal(
    (await send(port, { lines: [`Cookie: ${cookie}`] })).body,
    explanation.choice.origin,
  );

  const written = vestibule.kv.count("put");
  const forged = { ...question, headers: { cookie: "__Host-session=forged" } };
  for (let turn = 0; turn < 320; turn += 1) {
    const { cookie: seen, outcome } = await explain(forged);
    assert.deepEqual([seen.verdict, outcome.does], ["forged", "forward"]);
  }
  const real = await send(port, { lines: ["Cookie: __Host-session=forged"] });
  assert.equal(real.status, 200, "none of them counted");
  assert.equal(vestibule.kv.count("put"), written);
  assert.equal(vestibule.logged("cookie_forged").length, 1, "the real one");

  const named = await explain({ handle: explanation.session.handle, method: "GET", path: "/" });
  assert.deepEqual(named.choice, explanation.choice);
  assert.equal(named.session.source, "object");
});

test("an ended session's explanation gives the cause", async (t) => {
  const { port, explain } = await deployment(t);
  const begin = async () => cookieOf(await send(port, { lines: ['X-Test-Patch: {"a":1}'] }));
  const state = async (/** @type {string} */ cookie) => {
    const { session, outcome } = await explain({
      url: "http://chat.example/",
      headers: { cookie },
    });
    return [session.state, outcome.status, outcome.problem];
  };
  const ended = await begin();
  await send(port, { lines: [`Cookie: ${ended}`, "X-Test-End: 1"] });
  assert.deepEqual(await state(ended), ["ended", 401, "session_ended"]);
  const revoked = await begin();
  assert.deepEqual(await state(revoked), ["live", null, null]);
  assert.equal((await operate(port, "DELETE", "sessions?all=true")).status, 204);
  assert.deepEqual(await state(revoked), ["revoked", 401, "session_ended"]);
});

test("an explanation classifies a path like a real request, in any spelling", async (t) => {
  const { origins, port, explain } = await deployment(t);
  for (const target of [
    "/",
    "/a/../_session/me",
    "/%2e%2e/_session/me",
    "/x\\..\\_session/me",
    "/./a//b?q='x y'",
    "/%5fsession/me",
    "/_SESSION/me",
    "//_session/me",
    "/_session/../chat",
  ]) {
    const { path } = await explain({ method: "GET", url: `http://chat.example${target}` });
    const before = origins.flatMap(({ requests }) => requests).length;
    const request = `GET ${target.replaceAll(" ", "%20")} HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n`;
    const answer = await exchange(port, request);
    const reached = origins.flatMap(({ requests }) => requests).length > before;
    const territory = reached ? "origin" : answer.code === "bad_path" ? "disguised" : "reserved";
    assert.equal(path.territory, territory, target);
  }
});

test("an explained cookie appears neither in the response nor in the log", async (t) => {
  const { vestibule, port } = await deployment(t);
  const cookie = cookieOf(await send(port, { lines: ['X-Test-Patch: {"a":1}'] }));
  const value = cookie.slice(cookie.indexOf("=") + 1);
  const before = vestibule.printed.length;
  for (const given of [cookie, `${cookie}; ${cookie}`, `a=b, ${cookie}`, `${cookie}x`]) {
    const question = { url: "http://chat.example/", headers: { Cookie: given } };
    const answer = await operate(port, "POST", "explain", question);
    assert.equal(answer.status, 200);
    assert.ok(!answer.body.includes(value));
  }
  assert.ok(!vestibule.printed.slice(before).includes(value));
});

test("an explanation distinguishes another tenant's host from the own one", async (t) => {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const origin = await Origin.start(t);
  for (const id of ["acme", "globex"]) {
    const hosts = [`${id}.example`];
    const document = { id, hosts, origins: [{ url: origin.url }] };
    tenants.plant(`host:${hosts[0]}`, id);
    tenants.plant(`tenant:${id}`, JSON.stringify(document));
  }
  const vars = { ADMIN_TOKEN: TOKEN };
  const { port } = await Vestibule.start(t, { tenants, origins: [], vars });
  const explain = async (/** @type {string} */ url) =>
    (await operate(port, "POST", "explain", { url }, "acme.example")).json;
  const own = await explain("http://acme.example/");
  assert.deepEqual([own.tenant.id, own.outcome.does], ["acme", "forward"]);
  const other = await explain("http://globex.example/");
  assert.match(other.tenant.because, /globex\.example is not among this tenant's hosts/);
  assert.deepEqual(
    [other.outcome.does, other.outcome.status, other.outcome.problem],
    ["answer", 421, "unknown_host"],
  );
});

test("an operator sees a session without its secrets, and finds it in the list", async (t) => {
  const { origins, vestibule, port } = await deployment(t);
  const data = { theme: "dark", keys: { github: "hunter2" }, apiKey: "hunter2" };
  const cookie = cookieOf(await send(port, { lines: [`X-Test-Patch: ${JSON.stringify(data)}`] }));
  const place = (await send(port, { lines: [`Cookie: ${cookie}`] })).body;
  const at = "abc".indexOf(place);
  const [handle] = origins[at].received("x-session-id");
  const view = await operate(port, "GET", `sessions/${handle}`);
  assert.deepEqual(view.json.data, { theme: "dark", keys: "•••", apiKey: "•••" });
  assert.deepEqual(view.json.redacted.toSorted(), ["apiKey", "keys"]);
  assert.ok(!view.body.includes("hunter2"));
  const viewed = () => vestibule.logged("audit_session_viewed").map((line) => line.handle);
  await until(() => viewed().length > 0, { what: "the audit line" });
  assert.deepEqual(viewed(), [handle]);
  assert.equal((await operate(port, "GET", "sessions/AAAAAAAAAAAAAAAAAAAAAA")).status, 404);

  const explanation = (await operate(port, "GET", "origins")).json.origins;
  assert.equal(explanation[at].url, origins[at].url);
});
