/** Tests tenants' documents by the admin API: history, concurrent changes, previews. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const TOKEN = "an-admin-token-for-tests";

/** @param {import("node:test").TestContext} t */
async function deployment(t) {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const origin = await Origin.start(t, (request, reply) =>
    reply.end(`${request.headers["x-session-env"]}`),
  );
  const vars = { ADMIN_TOKEN: TOKEN };
  const { port } = await Vestibule.start(t, { tenants, origins: [], vars });
  const document = (/** @type {string} */ mark, more = {}) =>
    JSON.stringify({
      id: "acme",
      hosts: ["acme.localhost"],
      origins: [{ url: origin.url }],
      env: { MARK: mark },
      ...more,
    });
  /**
   * @param {string} method
   * @param {string} route
   * @param {string} [body]
   * @param {string[]} [lines]
   */
  const operate = (method, route, body = "", lines = ["Content-Type: application/json"]) =>
    send(port, {
      method,
      target: `/_session/admin/${route}`,
      host: "localhost",
      lines: [
        `Authorization: Bearer ${TOKEN}`,
        `Content-Length: ${Buffer.byteLength(body)}`,
        ...lines,
      ],
      body,
    });
  const put = (/** @type {string} */ text, /** @type {string} */ tag = "") =>
    operate("PUT", "tenants/acme", text, [
      "Content-Type: application/json",
      ...(tag ? [`If-Match: ${tag}`] : []),
    ]);
  const versions = async () =>
    /** @type {{ version: string, at: number, current: boolean }[]} */ (
      JSON.parse((await operate("GET", "tenants/acme/history")).body).versions
    );
  return { tenants, port, document, operate, put, versions };
}

test("the second of two concurrent changes gets 412", async (t) => {
  const { document, operate, put } = await deployment(t);
  assert.equal((await put(document("1"))).status, 204);
  const [tag] = header(await operate("GET", "tenants/acme"), "etag");
  assert.match(tag, /^"[0-9a-f]{32}"$/);
  const first = await put(document("2"), tag);
  assert.equal(first.status, 204);
  const second = await put(document("3"), tag);
  assert.deepEqual([second.status, second.code], [412, "precondition_failed"]);
  const stored = await operate("GET", "tenants/acme");
  assert.equal(stored.body, document("2"));
  assert.deepEqual(header(stored, "etag"), header(first, "etag"));
  const late = await operate("DELETE", "tenants/acme", "", [`If-Match: ${tag}`]);
  assert.equal(late.status, 412);
});

test("an operator restores an older document, and the list of tenants is unchanged", async (t) => {
  const { tenants, port, document, operate, put, versions } = await deployment(t);
  for (const mark of ["1", "2"]) await put(document(mark));
  await put(document("2"));
  const [now, before, ...more] = await versions();
  assert.deepEqual([now.current, before.current, more.length], [true, false, 0]);
  assert.ok(Math.abs(now.at - Date.now() / 1000) < 60);
  const old = await operate("GET", `tenants/acme/history/${before.version}`);
  assert.equal(old.body, document("1"));
  assert.equal((await put(old.body)).status, 204);
  await until(async () => (await send(port, { host: "acme.localhost" })).body === '{"MARK":"1"}', {
    what: "the older document",
  });
  assert.equal((await versions()).length, 3);
  assert.deepEqual(JSON.parse((await operate("GET", "tenants")).body), { tenants: ["acme"] });
  assert.equal((await operate("DELETE", "tenants/acme")).status, 204);
  assert.ok((await versions()).every(({ current }) => !current));
  const left = [...tenants.stored.keys()];
  assert.deepEqual(
    left.filter((key) => !key.startsWith("history:acme:")),
    [],
  );
});

test("at most twenty versions are kept", async (t) => {
  const { tenants, document, put, versions } = await deployment(t);
  for (let turn = 0; turn < 24; turn += 1) await put(document(String(turn)));
  const kept = await versions();
  assert.equal(kept.length, 20);
  const names = kept.map(({ version }) => version);
  assert.deepEqual(names, names.toSorted().reverse());
  const stored = [...tenants.stored.keys()].filter((key) => key.startsWith("history:"));
  assert.equal(stored.length, 20);
});

test("previews can be framed by the console only", async (t) => {
  const { tenants, document, operate } = await deployment(t);
  const preview = (/** @type {string} */ page, /** @type {string} */ text) =>
    operate("POST", "preview", new URLSearchParams({ page, document: text }).toString(), [
      "Content-Type: application/x-www-form-urlencoded",
      "Sec-Fetch-Mode: navigate",
    ]);
  const branding = { title: "Acme & Sons", colors: { accent: "#654321" }, locale: "zh" };
  for (const page of ["sign-in", "sign-out", "problem", "waiting"]) {
    const shown = await preview(page, document("1", { branding }));
    assert.equal(shown.status, 200, shown.body);
    const text = Buffer.from(shown.body, "latin1").toString();
    for (const part of ['<html lang="zh-Hans">', "Acme &amp; Sons", "#654321"]) {
      assert.ok(text.includes(part), `${page}: ${part}`);
    }
    assert.match(header(shown, "content-security-policy")[0], /frame-ancestors 'self'/);
    assert.deepEqual(header(shown, "refresh"), []);
  }
  const wrong = await preview("sign-in", '{"id":"acme","colour":"red"}');
  assert.equal(wrong.status, 400);
  assert.match(wrong.body, /colour: is not known/);
  assert.equal((await preview("sign-in", "x".repeat(70_000))).status, 413);
  assert.equal(tenants.count("put"), 0);
});
