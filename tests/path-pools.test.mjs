/** Tests that requests go to the servers of their path, while conversations stay with the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN = "an-admin-token-for-tests";

/** Attributes of the servers: two hold conversations, two have an API, one has sockets. */
const SERVERS = {
  web1: "",
  web2: "",
  api1: ";paths=/api+/v1",
  api2: ";paths=/v1+/api",
  sockets: ";paths=/api/sockets",
};

/** @param {import("node:test").TestContext} t @param {Record<string, string>} [vars] */
async function deployment(t, vars) {
  /** @type {Record<string, Origin>} */
  const servers = {};
  for (const name of Object.keys(SERVERS))
    servers[name] = await Origin.start(t, (request, reply) => {
      if (request.url === "/api/away") reply.setHeader("location", `${servers.api1.url}/api/here`);
      reply.end(name);
    });
  const vestibule = await Vestibule.start(t, {
    origins: Object.entries(SERVERS).map(([name, more]) => `${name}=${servers[name].url}${more}`),
    vars: { ADMIN_TOKEN: ADMIN, ...vars },
  });
  const ask = (/** @type {string} */ path, method = "GET", body = undefined) =>
    fetch(`${vestibule.url}/_session/admin/${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
  return { servers, vestibule, ask };
}

/** @param {Browser} browser @param {string} path */
async function place(browser, path) {
  return (await browser.fetch(path)).text();
}

/** Begins sessions until one has its API requests at this server. @param {Browser} browser @param {string} name */
async function beginAt(browser, name) {
  do {
    browser.jar.clear();
    await place(browser, "/");
  } while ((await place(browser, "/api")) !== name);
}

test("a request goes to the servers of its path, and a session stays at one of each pool", async (t) => {
  const { vestibule } = await deployment(t);
  const seen = new Set();
  for (let visitor = 0; visitor < 30; visitor += 1) {
    const browser = new Browser(vestibule.url);
    const home = await place(browser, "/");
    const api = await place(browser, "/api/1");
    for (const [path, expected] of [
      ["/apis", home],
      ["/page?next=/v1/x", home],
      ["/api", api],
      ["/v1/chat", api],
      ["/api/sockets/1", "sockets"],
    ])
      assert.equal(await place(browser, path), expected, path);
    seen.add(home).add(api);
  }
  assert.deepEqual([...seen].sort(), ["api1", "api2", "web1", "web2"]);
  assert.equal(vestibule.kv.operations.length, 0);
});

test("a failed server of some paths moves their requests and no conversation, and they return", async (t) => {
  const { servers, vestibule } = await deployment(t);
  const browser = new Browser(vestibule.url);
  await beginAt(browser, "api1");
  const home = await place(browser, "/");
  await servers.api1.stop();
  assert.equal(await place(browser, "/api"), "api2");
  assert.deepEqual(servers.api2.received("x-session-state"), ["active"]);
  assert.equal(await place(browser, "/"), home);
  assert.deepEqual(servers[home].received("x-session-state"), ["active"]);
  assert.equal(vestibule.kv.count("put"), 0);
  await servers.api1.comeBack();
  await until(async () => (await place(browser, "/v1")) === "api1", { what: "the return" });
});

test("a conversation that moves takes no request of other paths with it", async (t) => {
  const { servers, vestibule } = await deployment(t);
  const browser = new Browser(vestibule.url);
  await beginAt(browser, "api2");
  const home = await place(browser, "/");
  await servers[home].stop();
  assert.equal(await place(browser, "/api"), "api2");
  const moved = await place(browser, "/");
  assert.notEqual(moved, home);
  assert.deepEqual(servers[moved].received("x-session-state"), ["takeover"]);
  assert.equal(await place(browser, "/api"), "api2");
  assert.deepEqual(servers.api2.received("x-session-state"), ["active"]);
});

test("an operator drains a server of some paths, and sees the paths", async (t) => {
  const { vestibule, ask } = await deployment(t);
  const browser = new Browser(vestibule.url);
  await beginAt(browser, "api1");
  assert.equal((await ask("origins/api1/drain", "POST")).status, 204);
  await until(async () => (await place(browser, "/api")) === "api2", { what: "the other server" });
  const { origins } = await (await ask("origins")).json();
  const shown = Object.fromEntries(origins.map((/** @type {any} */ one) => [one.name, one]));
  assert.deepEqual(Object.keys(shown).sort(), Object.keys(SERVERS).sort());
  assert.deepEqual([shown.web1.paths, shown.api1.paths], [[], ["/api", "/v1"]]);
  assert.deepEqual([shown.api1.state, shown.api2.state], ["drain", "active"]);
  const question = {
    url: `${vestibule.url}/api/1`,
    headers: { cookie: browser.cookie },
  };
  const explained = await (await ask("explain", "POST", /** @type {any} */ (question))).json();
  assert.equal(explained.choice.origin, "api2");
  assert.deepEqual(
    explained.origins.map((/** @type {any} */ one) => [one.name, one.usable]),
    [
      ["api1", false],
      ["api2", true],
    ],
  );
});

test("the metrics count the requests of every server", async (t) => {
  const { vestibule, ask } = await deployment(t);
  const browser = new Browser(vestibule.url);
  for (const path of ["/", "/api", "/api/sockets"]) await place(browser, path);
  await until(
    async () => {
      const page = await (await ask("metrics")).text();
      return ["sockets", "api", "web"].every((name) =>
        new RegExp(`^vestibule_origin_requests_total.*origin="${name}`, "m").test(page),
      );
    },
    { what: "all three in the metrics" },
  );
});

test("a path that others read as another server's is refused", async (t) => {
  const { servers, vestibule } = await deployment(t);
  for (const target of ["/api%2F1", "/x/..%2fapi/1", "//api/1", "/%61pi/1", "/api;x/1"]) {
    const answer = await send(vestibule.port, { target });
    assert.deepEqual([answer.status, answer.code], [400, "bad_path"], target);
  }
  const requests = Object.values(servers).flatMap((server) => server.requests);
  assert.deepEqual(requests, []);
  const answer = await send(vestibule.port, { target: "/web/../api/1" });
  assert.equal(answer.status, 200, "all readers resolve it");
  assert.equal(servers.api1.requests.length + servers.api2.requests.length, 1);
});

test("a link to a server of any path becomes public", async (t) => {
  const { vestibule } = await deployment(t);
  const answer = await new Browser(vestibule.url).fetch("/api/away");
  assert.equal(answer.headers.get("location"), `${vestibule.url}/api/here`);
});

test("a full front end does not refuse a program that calls the API", async (t) => {
  const { servers, vestibule } = await deployment(t, { OVERLOAD_LOAD: "50" });
  for (const name of ["web1", "web2"])
    servers[name].server.prependListener("request", (_, reply) =>
      reply.setHeader("endpoint-load-metrics", 'JSON {"cpu_utilization": 0.9}'),
    );
  const isFull = async () => (await fetch(vestibule.url)).status === 503;
  await until(isFull, { what: "both servers reporting their load" });
  const answer = await fetch(`${vestibule.url}/v1/chat`);
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /^api/);
});
