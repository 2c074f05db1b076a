/** Tests that the description is served, and that the running Worker gives each answer that it lists. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { files } from "../../scripts/openapi.mjs";
import { ANYWHERE } from "../../www/openapi/problems.mjs";
import { Browser } from "../harness/browser.mjs";
import { SCHEME } from "../harness/workerd.mjs";
import { call, codesOf, OPERATIONS } from "./operations.mjs";
import { description, openSite, PASSWORD, TENANT, TENANT_TOKEN } from "./site.mjs";

/** @typedef {import("./operations.mjs").Operation} Operation */
/** @typedef {import("./operations.mjs").Change} Change */

const ROOT = path.resolve(import.meta.dirname, "../..");

const strong = await openSite({ after });
/** A site where nobody signs in, without assertions and Durable Objects. */
const bare = await openSite(
  { after },
  { login: { mode: "off" }, session: { consistency: "eventual", assertion: false } },
);

/** A site for those who have signed in. */
const closed = await openSite(
  { after },
  { login: { mode: "required", methods: { password: true } } },
);

/**
 * Codes that other tests show, since they need a provider, failing storage, other keys, or many requests.
 * @type {Record<string, string>}
 */
const ELSEWHERE = {
  accounts_unavailable: "tests/password-sign-in.test.mjs",
  broken_body: "tests/routing.test.mjs",
  console_unconfigured: "tests/console-session.test.mjs",
  idp_failed: "tests/oidc-hostile.test.mjs",
  idp_misconfigured: "tests/oidc-hostile.test.mjs",
  idp_token_invalid: "tests/oidc-hostile.test.mjs",
  idp_unavailable: "tests/oidc-hostile.test.mjs",
  key_unknown: "tests/cookie.test.mjs",
  leased: "src/gateway/tests/leases.rs",
  list_unavailable: "tests/locations.test.mjs",
  login_busy: "tests/client-limits.test.mjs",
  login_denied: "tests/oidc-hostile.test.mjs",
  login_locked: "tests/password-sign-in.test.mjs",
  login_mixup: "tests/oidc-hostile.test.mjs",
  not_admitted: "tests/identity.test.mjs",
  overloaded: "tests/queue.test.mjs",
  schema_newer: "tests/records.test.mjs",
  session_corrupt: "tests/records.test.mjs",
  session_ended: "tests/session.test.mjs",
  session_expired: "tests/session.test.mjs",
  session_replaced: "src/gateway/tests/revocation.rs",
  session_rotated: "src/gateway/tests/revocation.rs",
  session_unknown: "tests/session.test.mjs",
  store_unavailable: "tests/faults.test.mjs",
  tenant_full: "tests/tenants-storage.test.mjs",
  too_many_forgeries: "tests/client-limits.test.mjs",
  too_many_guesses: "tests/client-limits.test.mjs",
  too_many_sessions: "tests/client-limits.test.mjs",
};

const CROSS_SITE = { "sec-fetch-site": "cross-site" };
const UNKNOWN = "a".repeat(32);

/** @param {Operation} operation */
const isOfOperators = ({ schemes }) => schemes.includes("adminToken");

/** @param {Operation} operation @param {string} text */
const withBody = (operation, text) =>
  operation.body?.["application/json"] ? { body: text, type: "application/json" } : { body: text };

/** The cookie of a console session. */
async function consoleCookie() {
  const answer = await fetch(`${strong.url}/admin/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: TENANT_TOKEN }),
  });
  assert.equal(answer.status, 204, await answer.text());
  return (answer.headers.get("set-cookie") ?? "").split(";")[0];
}

/** @type {Promise<string> | undefined} */
let cookieOfUser;

/** The cookie of a user's session. */
function userCookie() {
  cookieOfUser ??= signIn();
  return cookieOfUser;
}

async function signIn() {
  const browser = new Browser(strong.vestibule.url);
  const answer = await browser.fetch("/_session/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "ada", password: PASSWORD }),
  });
  assert.equal(answer.status, 200, await answer.text());
  return `vestibule-session=${browser.session}`;
}

/**
 * How each code is provoked: by a change of an operation's example, and at which site.
 * @type {Record<string, (operation: Operation) => Promise<Change & { site?: typeof bare }> | (Change & { site?: typeof bare })>}
 */
const PROVOKED = {
  api_key: ({ id }) =>
    id === "signInToConsole"
      ? { body: JSON.stringify({ token: "a wrong token of operators" }) }
      : { headers: { authorization: undefined } },
  bad_document: () => ({ body: "document=%7B%7D&page=sign-in" }),
  bad_encoding: () => ({ body: Buffer.from([0xff]) }),
  bad_json: (operation) => withBody(operation, "{"),
  body_too_large: (operation) => withBody(operation, `{"a":"${"a".repeat(70_000)}"}`),
  csrf: async (operation) => ({
    headers: {
      ...CROSS_SITE,
      ...(isOfOperators(operation)
        ? { authorization: undefined, cookie: await consoleCookie() }
        : {}),
    },
  }),
  invalid: ({ id, method, body }) => {
    if (id === "signInToConsole") return { body: "{}" };
    if (id === "changePassword" || id === "logIn" || id === "logOut")
      return { body: '{"unknown":1}', type: "application/json" };
    if (id === "getLogin") return { query: "provider=a&provider=b" };
    if (id === "getPopup") return { query: "challenge=a&challenge=b" };
    if (id === "redeemPopup") return { body: "state=a&state=b" };
    if (id === "previewPage") return { body: "page=none&document=%7B%7D&page=none" };
    return body && method !== "GET" && !["validateTenant"].includes(id)
      ? { body: '{"unknown":1}' }
      : { query: "tenant=main" };
  },
  json_count: (operation) => withBody(operation, `{"a":[${"1,".repeat(2_000)}1]}`),
  json_depth: (operation) => withBody(operation, `{"a":${"[".repeat(40)}${"]".repeat(40)}}`),
  login_state: () => ({ query: "state=unknown&code=none" }),
  login_unconfigured: () => ({ site: bare }),
  login_wrong: ({ id }) =>
    id === "changePassword"
      ? { body: JSON.stringify({ current: "another password", new: "analytical engine" }) }
      : { body: JSON.stringify({ username: "nobody", password: "another password" }) },
  media_type: () => ({ body: "{}", type: "text/plain" }),
  method_not_allowed: () => ({}),
  needs_objects: ({ path }) => ({
    site: bare,
    ...(path.includes("origins") && { names: { name: "chat" } }),
  }),
  no_session: () => ({ site: closed }),
  not_allowed: () => ({ tenant: "other", headers: { authorization: `Bearer ${TENANT_TOKEN}` } }),
  not_found: (operation) => {
    if (isOfOperators(operation)) return { tenant: "%2B" };
    if (operation.id === "getLogin") return { query: "provider=none" };
    if (operation.path === "/password" || operation.path === "/jwks.json") return { site: bare };
    return { names: { name: operation.path.includes("origins") ? "none" : UNKNOWN, file: "none" } };
  },
  not_recorded: () => ({ headers: { "if-match": "*" } }),
  precondition_failed: ({ method }) => ({
    ...(method === "DELETE" && { names: { id: TENANT } }),
    headers: { "if-match": '"other"' },
  }),
  token_invalid: () => ({}),
  version_changed: () => ({ headers: { "if-match": '"99"' } }),
  version_required: () => ({ site: bare }),
};

/**
 * Answers that the operation lists, which need more than its example; tests show them. They are of one operation each.
 * @type {Record<string, string>}
 */
const SHOWN = {
  "findConsole not_found": "tests/console-session.test.mjs",
  "getConsole not_found": "tests/console-session.test.mjs",
  "signInToConsole not_found": "tests/console-session.test.mjs",
  "getDescription not_found": "tests/embed.test.mjs",
  "changeSession version_changed": "tests/session.test.mjs",
};

for (const code of Object.keys(PROVOKED)) {
  test(`every operation that lists ${code} answers with it`, async () => {
    const listing = OPERATIONS.filter(({ id, responses }) => {
      const isListed = Object.values(responses).some((one) => codesOf(one).includes(code));
      return isListed && !(`${id} ${code}` in SHOWN);
    });
    assert.ok(listing.length > 0 || Object.keys(SHOWN).some((one) => one.endsWith(` ${code}`)));
    /** @type {string[]} */
    const others = [];
    for (const operation of listing) {
      const { site = strong, ...change } = await PROVOKED[code](operation);
      // A password is changed by its user.
      if (operation.id === "changePassword" && site === strong)
        change.headers = { cookie: await userCookie(), ...change.headers };
      const answer = await call(site.url, operation, change);
      if (answer.code !== code) others.push(`${operation.id}: ${answer.status} ${answer.code}`);
    }
    assert.deepEqual(others, []);
  });
}

test("every code of the description is provoked here, or shown by the test that is named", () => {
  const all = new Set(
    OPERATIONS.flatMap(({ responses }) => Object.values(responses).flatMap(codesOf)),
  );
  const known = [...ANYWHERE, ...Object.keys(PROVOKED), ...Object.keys(ELSEWHERE)];
  assert.deepEqual([...all].sort(), known.sort());
  for (const [code, file] of Object.entries(ELSEWHERE)) {
    assert.ok(readFileSync(path.join(ROOT, file), "utf8").includes(code), `${file} shows ${code}`);
  }
});

test("a wrong key is refused on every path that needs one", async () => {
  const guarded = OPERATIONS.filter(({ isOpen }) => !isOpen);
  assert.ok(guarded.length > 30);
  for (const [at, operation] of guarded.entries()) {
    const { code, status } = await call(strong.url, operation, {
      headers: {
        authorization: "Bearer another-key-of-32-characters!!!!!",
        [SCHEME]: "https",
        "cf-connecting-ip": `203.0.113.${at + 1}`,
      },
    });
    assert.deepEqual([status, code], [401, "api_key"], operation.id);
  }
});

test("an account whose name has other characters is managed by its escaped name", async () => {
  const put = OPERATIONS.find(({ id }) => id === "putUser") ?? assert.fail();
  const get = OPERATIONS.find(({ id }) => id === "getUser") ?? assert.fail();
  for (const name of ["ada@acme.example", "王 芳", "ada+chat"]) {
    const made = await call(strong.url, put, { names: { name } });
    assert.equal(made.status, 200, made.text);
    const { status, text } = await call(strong.url, get, { names: { name } });
    assert.deepEqual([status, JSON.parse(text).user], [200, name]);
  }
});

test("the description is served compressed or plain, with an ETag, under any tenant's host", async () => {
  const url = `${strong.url}/openapi.json`;
  const answer = await fetch(url);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.deepEqual(await answer.json(), description);
  const plain = await fetch(url, { headers: { "accept-encoding": "identity" } });
  assert.deepEqual(await plain.json(), description);
  const etag = answer.headers.get("etag") ?? "";
  assert.equal((await fetch(url, { headers: { "if-none-match": etag } })).status, 304);
  const head = await fetch(url, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  assert.equal((await fetch(url, { method: "POST" })).headers.get("allow"), "GET, HEAD");
});

test("the published files are those that their sources make", () => {
  for (const [file, text] of files()) {
    assert.equal(readFileSync(path.join(ROOT, file), "utf8"), text, `node scripts/openapi.mjs`);
  }
});
