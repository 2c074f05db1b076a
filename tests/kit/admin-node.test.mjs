/** The Node kit's client of the admin API, against the running Worker. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Browser } from "../harness/browser.mjs";
import { until } from "../harness/until.mjs";
import {
  ADMIN_TOKEN,
  description,
  ORIGIN_KEY,
  openSite,
  PASSWORD,
  TENANT,
  TENANT_TOKEN,
} from "../openapi/site.mjs";
import { loadNodeKit, loadNodeKitPart } from "./node-server.mjs";

const site = await openSite({ after });
const kit = await loadNodeKit();
/** @type {typeof import("../../kits/node/dist/admin.js")} */
const part = await loadNodeKitPart("admin");
const admin = new part.AdminApi(site.vestibule.url, ADMIN_TOKEN, { tenant: TENANT });

/** Makes accounts, whose sign-in has data in its session. @param {string[]} users */
async function signedIn(...users) {
  for (const user of new Set(users)) {
    await admin.putUser(user, { password: PASSWORD, name: "Ada L.", groups: ["staff"] });
  }
  return Promise.all(users.map(signIn));
}

/** @param {string} user */
async function signIn(user) {
  const browser = new Browser(site.vestibule.url);
  const answer = await browser.fetch("/_session/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: user, password: PASSWORD }),
  });
  assert.equal(answer.status, 200, await answer.text());
  await browser.fetch(`/?${new URLSearchParams({ "x-session-patch": '{"n":1,"api_key":"s3"}' })}`);
  return browser;
}

/** @param {Browser} browser */
async function userOf(browser) {
  return (await browser.json("/_session/me")).user;
}

test("an account is made, read, changed, listed and deleted", async () => {
  await admin.putUser("eve@acme.example", { password: PASSWORD, email: "eve@acme.example" });
  await admin.putUser("eve@acme.example", { email: null, groups: ["staff"] });
  const { changed, ...account } = await admin.getUser("eve@acme.example");
  assert.deepEqual(account, { user: "eve@acme.example", groups: ["staff"] });
  assert.ok(Number(changed) > 1_700_000_000);
  assert.ok((await admin.listUsers()).includes("eve@acme.example"));
  await admin.deleteUser("eve@acme.example");
  await assert.rejects(admin.getUser("eve@acme.example"), part.NotFound);
});

test("sessions are listed by page, viewed without secrets, and ended", async () => {
  const browsers = await signedIn("bob", "bob");
  /** @type {string[]} */
  const handles = [];
  await until(async () => {
    handles.length = 0;
    for await (const one of admin.sessions({ user: "bob", limit: 1 })) handles.push(one.handle);
    return handles.length === 2;
  });
  const details = await admin.viewSession(handles[0]);
  assert.equal(details.user, "bob");
  assert.deepEqual(details.redacted, ["api_key"]);
  assert.equal(details.data.n, 1);
  await admin.endSession(handles[0]);
  await admin.endSession(handles[1]);
  for (const browser of browsers) await until(async () => (await userOf(browser)) === null);
});

test("all sessions of a user end, and no other", async () => {
  const [ended, kept] = await signedIn("cyd", "dan");
  await admin.endSessionsOf("cyd");
  await until(async () => (await userOf(ended)) === null);
  assert.equal(await userOf(kept), "dan");
});

test("a server is drained and undrained, and says itself whether it is ready", async () => {
  const state = async () => (await admin.listOrigins())[0].state;
  await admin.drainOrigin("chat");
  await until(async () => (await state()) === "drain");
  await admin.undrainOrigin("chat");
  await until(async () => (await state()) === "active");
  await assert.rejects(admin.drainOrigin("none"), part.NotFound);
  const api = new kit.OriginApi(site.vestibule.url, ORIGIN_KEY);
  await api.ready("chat", false);
  await api.ready("chat", true);
  await assert.rejects(api.ready("none", true), kit.Misconfigured);
});

test("a request is explained", async () => {
  const explained = await admin.explain({ url: `${site.vestibule.url}/`, method: "GET" });
  assert.equal(explained.outcome.does, "forward");
  assert.equal(explained.tenant?.id, TENANT);
  await assert.rejects(admin.explain({ url: "nowhere" }), (error) => {
    return error instanceof part.Invalid && error.code === "invalid" && error.status === 422;
  });
});

test("figures, metrics and log lines are read", async () => {
  await admin.drainOrigin("chat");
  await admin.undrainOrigin("chat");
  assert.match(await admin.metrics(), /^# HELP vestibule_/m);
  assert.equal((await admin.overview()).scope, "deployment");
  await until(async () => {
    const { lines } = await admin.logs({ level: "info" });
    return lines.some(({ event }) => event === "audit_origin_drained");
  });
});

test("a document is validated, stored over the version that was read, and found in the history", async () => {
  const document = { id: "other", hosts: ["other.example"], origins: [{ url: "http://10.0.0.1" }] };
  assert.deepEqual(await admin.validateTenant(document), []);
  const faults = await admin.validateTenant({ ...document, hosts: ["not a host"] });
  assert.equal(faults[0].path, "hosts[0]");
  await assert.rejects(admin.putTenant("other", { id: "other" }), part.Invalid);
  const etag = await admin.putTenant("other", document);
  const stored = await admin.getTenant("other");
  assert.deepEqual(stored, { document, etag });
  assert.deepEqual([...(await admin.listTenants())].sort(), [TENANT, "other"]);
  const next = { ...document, login: { mode: "optional" } };
  await admin.putTenant("other", next, { ifMatch: etag });
  await assert.rejects(admin.putTenant("other", document, { ifMatch: etag }), part.StateConflict);
  const versions = await admin.listVersions("other");
  assert.deepEqual(
    versions.map(({ current }) => current),
    [true, false],
  );
  assert.deepEqual(await admin.getVersion("other", versions[1].version), document);
  await admin.deleteTenant("other");
  await assert.rejects(admin.getTenant("other"), part.NotFound);
});

test("a tenant's token opens its tenant, and no document", async () => {
  const own = new part.AdminApi(site.vestibule.url, TENANT_TOKEN);
  assert.deepEqual(
    { ...(await own.whoAmI()), version: "" },
    {
      scope: "tenant",
      tenant: TENANT,
      documents: true,
      expires: null,
      idle_seconds: 1800,
      streams: "pass-through",
      version: "",
    },
  );
  await assert.rejects(own.listTenants(), (error) => {
    return error instanceof part.NotAllowed && error.code === "not_allowed";
  });
});

test("a wrong token, a wrong address and a silent Vestibule are different errors", async () => {
  const wrong = new part.AdminApi(site.vestibule.url, "another token of operators");
  await assert.rejects(wrong.listUsers(), (error) => {
    return error instanceof part.Refused && !error.message.includes("another token");
  });
  const elsewhere = new part.AdminApi(site.origin.url, ADMIN_TOKEN);
  await assert.rejects(elsewhere.listUsers(), kit.Misconfigured);
  const silent = new part.AdminApi("http://127.0.0.1:9", ADMIN_TOKEN);
  await assert.rejects(silent.listUsers(), kit.Unavailable);
  assert.throws(() => new part.AdminApi("chat.example", ADMIN_TOKEN), kit.Misconfigured);
  await assert.rejects(admin.getUser(".."), kit.Misconfigured);
});

test("every operation of operators has a method", () => {
  const paths = Object.values(description.paths).flatMap((item) => Object.values(item));
  const wanted = paths
    .filter(({ tags }) =>
      tags?.some((/** @type {string} */ tag) => /^(?:operators|tenants)$/.test(tag)),
    )
    .map(({ operationId }) => operationId);
  const renamed = {
    endAnySession: "endSession",
    endSessions: "endAllSessions",
    getMetrics: "metrics",
  };
  const others = { getOverview: "overview", getLogs: "logs" };
  const names = new Map(Object.entries({ ...renamed, ...others }));
  const missing = wanted.filter((id) => !(names.get(id) ?? id in part.AdminApi.prototype));
  // The preview is a page for the console.
  assert.deepEqual(missing, ["previewPage"]);
});
