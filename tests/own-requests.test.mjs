/** Tests the User-Agent of Vestibule's own requests: some servers refuse requests without one. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { HostileProvider } from "./harness/hostile-provider.mjs";
import { Origin } from "./harness/origin.mjs";
import { Browser, CLIENT_SECRET, oidcMethod } from "./harness/sign-in.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const { version } = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../package.json"), "utf8"),
);
const NAME = `Vestibule/${version}`;

test("Vestibule's own requests carry a User-Agent with product and version", async (t) => {
  const origin = await Origin.start(t);
  const issuer = (await HostileProvider.start(t)).issuer();
  const received = /** @type {[string, string | undefined][]} */ ([]);
  const answer = issuer.answer.bind(issuer);
  issuer.answer = async (asked) => {
    if (asked.route === "authorize") return answer(asked);
    received.push([asked.route, asked.headers["user-agent"]]);
    return asked.headers["user-agent"] ? answer(asked) : { status: 403, body: "Who are you?" };
  };
  const service = await Origin.start(t, (request, reply) => {
    received.push(["documents", request.headers["user-agent"]]);
    if (request.url === "/host%3Aacme.localhost") return void reply.end("acme");
    if (request.url !== "/tenant%3Aacme") return void reply.writeHead(404).end();
    reply.end(
      JSON.stringify({
        id: "acme",
        hosts: ["acme.localhost"],
        origins: [{ url: origin.url }],
        assets: { "/logo.svg": `${source.url}/logo.svg` },
        login: {
          mode: "required",
          methods: { oidc: [oidcMethod(issuer.url, { userinfo: true })] },
        },
      }),
    );
  });
  const source = await Origin.start(t, (request, reply) => {
    received.push(["asset", request.headers["user-agent"]]);
    reply.writeHead(200, { "content-type": "image/svg+xml" }).end("<svg/>");
  });
  const collector = await Origin.start(t, (request, reply) => {
    received.push(["traces", request.headers["user-agent"]]);
    reply.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [],
    vars: {
      TENANTS_URL: service.url,
      ACME__OIDC_SECRET: CLIENT_SECRET,
      OTLP_ENDPOINT: collector.url,
      TELEMETRY_EVERY: "250",
    },
  });
  const url = `http://acme.localhost:${vestibule.port}`;
  const browser = new Browser();
  const page = await browser.signIn(`${url}/`);
  assert.equal(page.body, "ok", page.code);
  assert.equal((await browser.get(`${url}/logo.svg`)).body, "<svg/>");
  const whom = ["asset", "discovery", "documents", "jwks", "token", "traces", "userinfo"];
  await until(
    async () => {
      await browser.get(`${url}/`);
      return new Set(received.map(([who]) => who)).size === whom.length;
    },
    { what: "a request to every server" },
  );
  assert.deepEqual([...new Set(received.map(([who]) => who))].sort(), whom);
  assert.deepEqual([...new Set(received.map(([, name]) => name))], [NAME]);
  const visitors = origin.requests.flatMap(({ headers }) => headers.map(([, value]) => value));
  assert.ok(!visitors.includes(NAME), "a visitor's request calls itself ours");
});

test("a collector's configured headers may replace the User-Agent", async (t) => {
  const receiver = await Origin.start(t, (_, reply) => void reply.end("{}"));
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: {
      OTLP_ENDPOINT: receiver.url,
      OTLP_HEADERS: "User-Agent=own",
      TELEMETRY_EVERY: "250",
    },
  });
  await until(async () => (await fetch(vestibule.url)).ok && receiver.requests.length > 0, {
    what: "an export",
  });
  assert.deepEqual(receiver.received("user-agent"), ["own"]);
});

test("every request of Vestibule's own carries a User-Agent", () => {
  const edge = path.resolve(import.meta.dirname, "../src/worker");
  const asking = readdirSync(edge, { recursive: true, encoding: "utf8" }).flatMap((file) => {
    const calls = /\.(?:js|rs)$/.test(file)
      ? readFileSync(path.join(edge, file), "utf8").match(/(?<![.\w])fetch\(|Fetch::|Fetcher/g)
      : null;
    return (calls ?? []).map((call) => `${file} ${call}`);
  });
  // The file that sets the header and uses it; the declarations of what sends, in the Worker and in the library; the
  // Worker's own entry, its streams' context, and what sends to URLs and service bindings.
  assert.deepEqual(asking.sort(), [
    "embedded/runtime.rs fetch(",
    "embedded/runtime.rs fetch(",
    "io/fetch.rs fetch(",
    "js/context.js fetch(",
    "js/entry.js fetch(",
    "js/instance.js fetch(",
    "runtime.rs fetch(",
  ]);
});
