/** Tests a chat on pages of other sites: which sites may show it in frames, call it, and read its responses. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { hashed } from "./harness/accounts.mjs";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { SCHEME, Vestibule } from "./harness/workerd.mjs";

const SHOP = "https://shop.example";
const ADMIN_TOKEN = "an-admin-token-for-tests";
const HTTPS = `${SCHEME}: https`;
const SET =
  /^__Host-session=[\w-]{112}; Path=\/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=\d+$/;

/** Sites that are not named, though they look like it. */
const STRANGERS = [
  "https://evil.example",
  "null",
  "http://shop.example",
  "https://shop.example.evil.example",
  "https://evil-shop.example",
  "https://a.shop.example",
  "https://shop.example:8443",
  "https://shop.example, https://evil.example",
  "https://evil.example/https://shop.example",
];

const origin = await Origin.start({ after }, (request, reply) => {
  reply.setHeader("access-control-allow-origin", request.headers.origin ?? "*");
  reply.setHeader("x-frame-options", "DENY");
  reply.setHeader("content-type", "text/html");
  reply.end("a page");
});
const users = new KvServer();
after(() => users.stop());
const account = { user: "ann", password: hashed("correct horse"), changed: 0 };
users.plant("user:default:ann", JSON.stringify(account));
const { port } = await start({
  EMBED_SITES: `${SHOP}, https://wiki.example:8443`,
  LOGIN_METHODS: '{"password":true}',
  ADMIN_TOKEN,
});
const plain = await start({});
const closed = await start({
  EMBED_SITES: SHOP,
  LOGIN_MODE: "required",
  LOGIN_METHODS: '{"password":true}',
});

/** @param {Record<string, string>} vars */
function start(vars) {
  return Vestibule.start({ after }, { origins: [origin.url], vars, users });
}

/**
 * Sends a request over https.
 * @param {{ to?: number, method?: string, target?: string, lines?: string[], body?: string }} request
 */
function ask({ to = port, lines = [], ...request }) {
  return send(to, { ...request, lines: [HTTPS, ...lines] });
}

/** Returns a new guest's cookie. */
async function guest(to = port) {
  const answer = await ask({ to });
  return header(answer, "set-cookie")[0].split(";")[0];
}

/** @param {string} site */
function fromPage(site) {
  return [`Origin: ${site}`, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"];
}

/** @param {import("./harness/raw.mjs").RawAnswer} answer */
function corsOf(answer) {
  const names = ["access-control-allow-origin", "access-control-allow-credentials"];
  return names.flatMap((name) => header(answer, name));
}

test("the cookie goes to pages of other sites, with a jar for each", async () => {
  const answer = await ask({ lines: fromPage(SHOP) });
  assert.match(header(answer, "set-cookie")[0], SET);
});

test("the cookie is removed in both forms: its own, and that from before the sites were named", async () => {
  const cookie = await guest();
  const lines = [`Cookie: ${cookie}`, ...fromPage(SHOP)];
  const answer = await ask({ method: "POST", target: "/_session/logout", lines });
  assert.equal(answer.status, 204);
  assert.deepEqual(header(answer, "set-cookie"), [
    "__Host-session=; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=0",
    "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
  ]);
});

test("on plain http to this machine the cookie is Secure, too, because browsers demand it", async () => {
  const answer = await send(port, { host: "localhost:8787" });
  assert.match(
    header(answer, "set-cookie")[0],
    /^vestibule-session=[\w-]{112}; Path=\/; Secure; HttpOnly; SameSite=None; Partitioned;/,
  );
});

test("a deployment that names no sites keeps its cookie from other sites", async () => {
  const answer = await ask({ to: plain.port, lines: fromPage(SHOP) });
  assert.match(header(answer, "set-cookie")[0], /; SameSite=Lax; /);
  assert.deepEqual(header(answer, "access-control-allow-credentials"), []);
});

test("a page of a named site reads the visitor's session", async () => {
  const cookie = await guest();
  const lines = [`Cookie: ${cookie}`, ...fromPage(SHOP)];
  const answer = await ask({ target: "/_session/me", lines });
  assert.equal(answer.status, 200);
  assert.deepEqual(corsOf(answer), [SHOP, "true"]);
  assert.match(header(answer, "vary").join(), /Origin/);
});

test("the chat server alone decides about CORS of its responses and preflights", async () => {
  const answer = await ask({ lines: fromPage(SHOP) });
  assert.deepEqual(corsOf(answer), [SHOP]);
  const lines = [`Origin: ${SHOP}`, "Access-Control-Request-Method: PUT"];
  const preflight = await ask({ method: "OPTIONS", target: "/api", lines });
  assert.deepEqual([preflight.status, ...corsOf(preflight)], [200, SHOP]);
  assert.equal(origin.requests.at(-1)?.method, "OPTIONS");
});

test("Vestibule answers preflights for its own paths, for named sites", async () => {
  const method = "Access-Control-Request-Method: POST";
  for (const site of [SHOP, "https://wiki.example:8443"]) {
    const lines = [`Origin: ${site}`, method, "Access-Control-Request-Headers: authorization"];
    const answer = await ask({ method: "OPTIONS", target: "/_session/token", lines });
    assert.deepEqual([answer.status, ...corsOf(answer)], [204, site, "true"]);
    assert.match(header(answer, "access-control-allow-headers")[0], /Authorization/);
    assert.match(header(answer, "access-control-allow-methods")[0], /POST/);
  }
  for (const site of STRANGERS) {
    const lines = [`Origin: ${site}`, method];
    const answer = await ask({ method: "OPTIONS", target: "/_session/token", lines });
    assert.deepEqual([answer.status, corsOf(answer)], [405, []], site);
  }
});

test("pages never reach the APIs for servers and operators", async () => {
  const lines = [`Origin: ${SHOP}`, "Access-Control-Request-Method: DELETE"];
  for (const target of ["/_session/api/sessions/x", "/_session/admin/sessions"]) {
    const answer = await ask({ method: "OPTIONS", target, lines });
    assert.ok(answer.status >= 400, `${target} ${answer.status}`);
    assert.deepEqual(header(answer, "access-control-allow-methods"), [], target);
  }
});

test("a page of a named site reads nothing of the operators' API, not even with their key", async () => {
  for (const target of ["/_session/admin/sessions", "/_session/admin/users", "/_session/api/x"]) {
    for (const key of ["", `Authorization: Bearer ${ADMIN_TOKEN}`]) {
      const lines = [`Origin: ${SHOP}`, "Sec-Fetch-Site: same-site", ...(key ? [key] : [])];
      assert.deepEqual(corsOf(await ask({ target, lines })), [], `${target} ${key}`);
    }
  }
  const lines = [`Authorization: Bearer ${ADMIN_TOKEN}`];
  assert.equal((await ask({ target: "/_session/admin/sessions", lines })).status, 200);
});

test("a page of a named site reads why a request was refused", async () => {
  const answer = await ask({ to: closed.port, lines: fromPage(SHOP) });
  assert.deepEqual([answer.status, answer.code], [401, "no_session"]);
  assert.deepEqual(corsOf(answer), [SHOP, "true"]);
});

for (const site of STRANGERS) {
  test(`a page of ${site} cannot use the visitor's session`, async () => {
    const cookie = `Cookie: ${await guest()}`;
    const before = origin.requests.length;
    for (const [method, target] of [
      ["GET", "/"],
      ["POST", "/"],
      ["GET", "/_session/me"],
      ["POST", "/_session/logout"],
    ]) {
      const lines = [cookie, ...fromPage(site)];
      const answer = await ask({ method, target, lines: [...lines, "Content-Length: 0"] });
      assert.deepEqual([answer.status, answer.code], [403, "csrf"], `${method} ${target}`);
      assert.deepEqual(corsOf(answer), [], `${method} ${target}`);
    }
    assert.equal(origin.requests.length, before);
  });
}

test("a form that another site posts into the visitor's own window is refused", async () => {
  const lines = [
    `Cookie: ${await guest()}`,
    "Origin: https://evil.example",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    "Content-Length: 0",
  ];
  const answer = await ask({ method: "POST", lines });
  assert.equal(answer.status, 403);
  assert.match(answer.body, /csrf/);
});

test("requests of other sites without the cookie pass as before, and so do links", async () => {
  const anonymous = await ask({ lines: fromPage("https://evil.example") });
  assert.equal(anonymous.status, 200);
  const link = [
    `Cookie: ${await guest()}`,
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
  ];
  assert.equal((await ask({ lines: link })).status, 200);
});

test("the explanation of a request names the refusal", async (t) => {
  const { url } = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { EMBED_SITES: SHOP, ADMIN_TOKEN: "an-admin-token-for-tests" },
  });
  const headers = {
    authorization: "Bearer an-admin-token-for-tests",
    "content-type": "application/json",
  };
  const asked = {
    method: "GET",
    url: "https://chat.example/",
    headers: { origin: "https://evil.example", cookie: "__Host-session=x" },
  };
  const body = JSON.stringify(asked);
  const answer = await fetch(`${url}/_session/admin/explain`, { method: "POST", headers, body });
  const explanation = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(explanation));
  assert.match(JSON.stringify(explanation), /"csrf"/);
});

for (const [site, status] of /** @type {[string, number][]} */ ([
  [SHOP, 200],
  ...STRANGERS.map((stranger) => [stranger, 403]),
])) {
  test(`a WebSocket of ${site} is ${status === 200 ? "let through" : "refused"}`, async () => {
    const before = origin.requests.length;
    const lines = [
      `Origin: ${site}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    const answer = await ask({ target: "/ws", lines });
    // The chat server here answers a handshake like any request.
    assert.equal(answer.status, status);
    assert.equal(origin.requests.length - before, status === 200 ? 1 : 0);
  });
}

test("named sites may show Vestibule's pages in frames, and nobody else", async () => {
  const page = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Sec-Fetch-Site: cross-site"];
  const allowed = `frame-ancestors 'self' ${SHOP}`;
  for (const target of ["/_session/login", "/_session/logout", "/_session/nothing"]) {
    const answer = await ask({ to: closed.port, target, lines: page });
    const [policy] = header(answer, "content-security-policy");
    assert.deepEqual(
      policy.split("; ").filter((directive) => directive.startsWith("frame-ancestors")),
      [allowed],
      target,
    );
    const other = await ask({ to: plain.port, target, lines: page });
    assert.match(header(other, "content-security-policy")[0], /frame-ancestors 'none'/, target);
  }
});

test("data of Vestibule is never shown in a frame", async () => {
  const answer = await ask({ target: "/_session/me", lines: fromPage(SHOP) });
  assert.match(header(answer, "content-security-policy")[0], /frame-ancestors 'none'/);
});

test("the chat itself appears in frames of named sites, whatever its server says of frames", async () => {
  const navigation = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site"];
  const policyOf = async (/** @type {string[]} */ lines, to = port) =>
    header(await ask({ to, lines: [...navigation, ...lines] }), "content-security-policy");
  const allowed = [`frame-ancestors 'self' ${SHOP} https://wiki.example:8443`];
  assert.deepEqual(await policyOf(["Sec-Fetch-Dest: iframe"]), allowed);
  // An older browser does not say what it shows the page in.
  assert.deepEqual(await policyOf([]), allowed);
  assert.deepEqual(await policyOf(["Sec-Fetch-Dest: document"]), []);
  assert.deepEqual(await policyOf(["Sec-Fetch-Dest: iframe"], plain.port), []);
});

test("a frame's page gets its header also right after the same page without a frame", async () => {
  const cookie = `Cookie: ${await guest()}`;
  const request = (/** @type {string} */ shownIn) =>
    ask({
      target: "/twice",
      lines: [cookie, "Sec-Fetch-Mode: navigate", `Sec-Fetch-Dest: ${shownIn}`],
    });
  for (let time = 0; time < 3; time += 1) {
    assert.deepEqual(header(await request("document"), "content-security-policy"), []);
    const [policy] = header(await request("iframe"), "content-security-policy");
    assert.match(policy, /^frame-ancestors /);
  }
});

test("a page of a named site signs its visitor in with name and password", async () => {
  const body = JSON.stringify({ username: "ann", password: "correct horse" });
  const json = ["Content-Type: application/json", `Content-Length: ${body.length}`];
  const signIn = (/** @type {string} */ site) =>
    ask({ method: "POST", target: "/_session/login", lines: [...json, ...fromPage(site)], body });
  const answer = await signIn(SHOP);
  assert.equal(answer.status, 200, answer.body);
  assert.match(header(answer, "set-cookie")[0], SET);
  assert.deepEqual(corsOf(answer), [SHOP, "true"]);
  for (const site of STRANGERS) {
    const refused = await signIn(site);
    assert.deepEqual([refused.status, refused.code], [403, "csrf"], site);
  }
});

for (const sites of ["https://*.shop.example", "http://shop.example", "https://shop.example/a"]) {
  test(`EMBED_SITES=${sites} is refused with the fix`, async (t) => {
    const vestibule = await Vestibule.start(t, {
      origins: [origin.url],
      vars: { EMBED_SITES: sites },
    });
    const answer = await fetch(vestibule.url);
    assert.equal(answer.status, 500);
    assert.match(await answer.text(), /EMBED_SITES\[0\]: use an origin as browsers write it/);
  });
}
