/** Tests `npm run deploy` with the real wrangler and the harness's Cloudflare API. */
import assert from "node:assert/strict";
import { homedir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { configurationFaults } from "../scripts/deploy-checks.mjs";
import { Checkout } from "./harness/checkout.mjs";
import { CloudflareApi } from "./harness/cloudflare-api.mjs";

const ORIGIN = "https://chat-1.example";

/** wrangler's start and bundling take seconds, more with all cores busy. */
const SLOW = { timeout: 600_000 };

/**
 * Makes a checkout whose Worker has a server and a key.
 * @param {import("node:test").TestContext} t
 */
async function ready(t) {
  const api = await CloudflareApi.start(t);
  api.secrets.set("SESSION_KEYS", "a key");
  const checkout = Checkout.make(t, api.env);
  const change = (/** @type {(text: string) => string} */ edit) =>
    checkout.write("wrangler.toml", edit(checkout.read("wrangler.toml")));
  change((text) => text.replace(/^ORIGINS = .*$/m, `ORIGINS = "${ORIGIN}"`));
  return { api, checkout, change };
}

/**
 * Asserts that a deployment is refused.
 * @param {Awaited<ReturnType<typeof ready>>} made
 * @param {RegExp} message
 * @param {string} [options]
 */
async function assertRefused({ api, checkout }, message, options = "") {
  const { printed, code } = await checkout.run(`npm run --silent deploy -- ${options}`);
  assert.equal(code, 1, printed);
  assert.match(printed, message);
  assert.match(printed, /Nothing was deployed/);
  assert.doesNotMatch(printed, /^\s+at /m);
  assert.equal(api.deployed.size, 0);
  assert.deepEqual(api.namespaces, []);
}

test("npm run deploy creates the namespace and deploys with a schedule", SLOW, async (t) => {
  const { api, checkout } = await ready(t);
  const first = await checkout.run("npm run --silent deploy");
  assert.equal(first.code, 0, first.printed);
  const bindings = api.deployed.get("vestibule") ?? [];
  const value = (/** @type {string} */ name) => bindings.find((one) => one.name === name);
  assert.equal(value("ORIGINS").text, ORIGIN);
  assert.equal(value("SESSIONS").namespace_id, api.idOf(0));
  assert.deepEqual(api.namespaces, ["vestibule-sessions"]);
  assert.deepEqual(api.schedules.get("vestibule"), ["* * * * *"]);

  const second = await checkout.run("npm run --silent deploy");
  assert.equal(second.code, 0, second.printed);
  assert.deepEqual(api.namespaces, ["vestibule-sessions"], "the next one keeps the namespace");
});

test("npm run deploy refuses a Worker without SESSION_KEYS, with the command that sets them", async (t) => {
  const made = await ready(t);
  made.api.secrets.clear();
  await assertRefused(
    made,
    /missing: the secret SESSION_KEYS.*openssl.*wrangler secret put SESSION_KEYS\./,
  );
});

test(
  "in Cloudflare's own builds a missing secret is reported, and the Worker is deployed",
  SLOW,
  async (t) => {
    const { api, checkout } = await ready(t);
    api.secrets.clear();
    const { printed, code } = await checkout.run("WORKERS_CI=1 npm run --silent deploy");
    assert.equal(code, 0, printed);
    assert.match(printed, /not there yet: the secret SESSION_KEYS/);
    assert.ok(api.deployed.has("vestibule"));
  },
);

test("npm run deploy refuses origins on loopback addresses", async (t) => {
  const made = await ready(t);
  const origins = `${ORIGIN},b=http://127.0.0.1:8001;weight=2`;
  made.change((text) => text.replace(ORIGIN, origins));
  await assertRefused(made, /ORIGINS in wrangler\.toml names b=http:\/\/127\.0\.0\.1:8001/);
});

test(
  "npm run deploy refuses an ADMIN_TOKEN without a host for the console, unless told so",
  SLOW,
  async (t) => {
    const made = await ready(t);
    made.api.secrets.set("ACME__ADMIN_TOKEN", "a token");
    await assertRefused(made, /a host for the console.*CONSOLE_HOST.*--without-console/);
    const { printed, code } = await made.checkout.run(
      "npm run --silent deploy -- --without-console",
    );
    assert.equal(code, 0, printed);
    assert.ok(made.api.deployed.has("vestibule"));
  },
);

test("npm run deploy accepts an ADMIN_TOKEN with a host for the console", SLOW, async (t) => {
  const { api, checkout, change } = await ready(t);
  api.secrets.set("ADMIN_TOKEN", "a token");
  change((text) => text.replace(/^# (CONSOLE_HOST = )/m, "$1"));
  const { printed, code } = await checkout.run("npm run --silent deploy");
  assert.equal(code, 0, printed);
});

test("npm run deploy refuses the placeholder of an id", async (t) => {
  const made = await ready(t);
  const binding = 'binding = "SESSIONS"\n';
  made.change((text) => text.replace(binding, `${binding}id = "${"0".repeat(32)}"\n`));
  await assertRefused(made, /the namespace SESSIONS: its id .* is a placeholder/);
});

test("npm run deploy passes the environment on, and checks its settings", SLOW, async (t) => {
  const made = await ready(t);
  const staging = (/** @type {string} */ origin) =>
    `\n[env.staging.vars]\nORIGINS = "${origin}"\n\n[[env.staging.kv_namespaces]]\nbinding = "SESSIONS"\n`;
  made.change((text) => text + staging("http://localhost:8000"));
  await assertRefused(made, /ORIGINS .* names http:\/\/localhost:8000/, "--env staging");
  made.change((text) => text.replace("http://localhost:8000", "https://staging.example"));
  const { printed, code } = await made.checkout.run("npm run --silent deploy -- --env staging");
  assert.equal(code, 0, printed);
  assert.deepEqual([...made.api.deployed.keys()], ["vestibule-staging"]);
  assert.deepEqual(made.api.namespaces, ["vestibule-staging-sessions"]);
});

test("npm run deploy names the environment that was probably meant", async (t) => {
  const { checkout, change } = await ready(t);
  change((text) => `${text}\n[env.staging.vars]\nORIGINS = "${ORIGIN}"\n`);
  const { printed, code } = await checkout.run("npm run --silent deploy -- --env stagin");
  assert.equal(code, 1);
  assert.match(printed, /has no environment stagin\. Did you mean staging\?/);
});

test("npm run deploy --dry-run checks without an account", SLOW, async (t) => {
  const { api, checkout, change } = await ready(t);
  // rustup keeps its toolchains below HOME.
  const rust = ["CARGO_HOME", "RUSTUP_HOME"]
    .map(
      (name) =>
        `${name}=${process.env[name] ?? path.join(homedir(), name === "CARGO_HOME" ? ".cargo" : ".rustup")}`,
    )
    .join(" ");
  const away = `env -u CLOUDFLARE_API_TOKEN ${rust} HOME=$PWD/home XDG_CONFIG_HOME=$PWD/home npm run --silent deploy --`;
  const { printed, code } = await checkout.run(`${away} --dry-run`);
  assert.equal(code, 0, printed);
  assert.match(printed, /--dry-run: exiting now/);
  const refused = await checkout.run(away);
  assert.equal(refused.code, 1);
  assert.match(refused.printed, /not signed in to Cloudflare\. Run npx wrangler login/);
  change((text) => text.replace(ORIGIN, "http://10.0.0.1"));
  assert.match((await checkout.run(`${away} --dry-run`)).printed, /names http:\/\/10\.0\.0\.1/);
  assert.equal(api.deployed.size, 0);
});

test(
  "npm run deploy counts secrets that it deploys, and passes wrangler's options on",
  SLOW,
  async (t) => {
    const { api, checkout } = await ready(t);
    api.secrets.clear();
    checkout.write("secrets.env", "SESSION_KEYS=a-key-of-the-first-deployment\n");
    const { printed, code } = await checkout.run(
      "npm run --silent deploy -- --secrets-file secrets.env -- --var LOG_LEVEL:warn",
    );
    assert.equal(code, 0, printed);
    const named = (api.deployed.get("vestibule") ?? []).map(({ name }) => name);
    assert.ok(named.includes("LOG_LEVEL") && named.includes("SESSION_KEYS"), named.join());
  },
);

test("private addresses count as unreachable, public names do not", () => {
  const faults = (/** @type {string} */ ORIGINS, /** @type {object} */ more = {}) =>
    configurationFaults(
      { vars: { ORIGINS, ...more }, kv_namespaces: [{ binding: "SESSIONS" }], d1_databases: [] },
      [],
    );
  for (const host of [
    "localhost",
    "a.localhost",
    "127.0.0.2",
    "10.1.2.3",
    "192.168.0.1",
    "172.20.0.1",
    "[::1]",
    "nas.local",
  ])
    assert.match(faults(`a=http://${host}:8000`)[0] ?? "", /Cloudflare can reach/, host);
  for (const host of [
    "chat.example",
    "172.15.0.1",
    "11.0.0.1",
    "localhost.example",
    "[2001:db8::1]",
  ])
    assert.deepEqual(faults(`https://${host}`), [], host);
  assert.match(faults("")[0], /your chat servers: ORIGINS/);
  assert.deepEqual(faults("", { TENANTS_URL: "https://tenants.example" }), []);
});
