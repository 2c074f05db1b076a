/** Tests `npm create vestibule`: its package as npm packs it, in an empty folder, with real workerd and a real server. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { CloudflareApi } from "./harness/cloudflare-api.mjs";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { until } from "./harness/until.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");
const MODULES = path.join(ROOT, "node_modules");

/** wrangler and npm take seconds, more with all cores busy. */
const PATIENCE_MS = 120_000;

const folder = mkdtempSync(path.join(tmpdir(), "vestibule-create-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const BIN = unpacked();

/** Packs the package as npm publishes it, and unpacks it. Returns its program. */
function unpacked() {
  const pack = ["pack", "--silent", "--pack-destination", folder];
  const { status, stdout, stderr } = spawnSync("npm", pack, {
    cwd: path.join(ROOT, "create"),
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const archive = String(stdout.trim().split("\n").at(-1));
  assert.equal(spawnSync("tar", ["xzf", archive], { cwd: folder }).status, 0);
  const { bin } = JSON.parse(readFileSync(path.join(folder, "package/package.json"), "utf8"));
  return path.join(folder, "package", bin["create-vestibule"]);
}

/**
 * @param {string} name of its folder
 * @param {string[]} args
 */
async function create(name, ...args) {
  const child = spawn(process.execPath, [BIN, name, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      printed += chunk;
    });
  }
  const [code] = await once(child, "close");
  return { printed, code, project: path.join(folder, name) };
}

/** Creates a project whose packages are installed already. @param {string} name @param {string[]} args */
async function project(name, ...args) {
  const made = await create(name, ...args, "--no-install");
  assert.equal(made.code, 0, made.printed);
  symlinkSync(MODULES, path.join(made.project, "node_modules"));
  return made.project;
}

/**
 * Runs a project's command to its end.
 * @param {string} cwd
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
async function run(cwd, args, env = {}) {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: "pipe",
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      printed += chunk;
    });
  }
  child.stdin.end("correct horse\n");
  const [code] = await once(child, "close");
  return { printed, code };
}

/** Serves a project as its `npm start` does. @param {import("node:test").TestContext} t @param {string} cwd */
async function serve(t, cwd) {
  const port = await freePort();
  const wrangler = path.join(MODULES, "wrangler/bin/wrangler.js");
  const args = [wrangler, "dev", "--port", String(port), "--ip", "127.0.0.1"];
  // wrangler starts a runtime: all of its group ends with the test.
  const child = spawn(process.execPath, args, {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      printed += chunk;
    });
  }
  const closed = once(child, "close");
  t.after(async () => {
    process.kill(-Number(child.pid), "SIGTERM");
    await closed;
  });
  const url = `http://127.0.0.1:${port}`;
  const isReady = async () => {
    assert.equal(child.exitCode, null, printed);
    return (await fetch(`${url}/_session/healthz`).catch(() => null))?.ok;
  };
  await until(isReady, { within: PATIENCE_MS, what: "the development server" });
  return { url };
}

test("the created gateway serves a chat server in wrangler dev, without Rust", async (t) => {
  const origin = await Origin.start(t, (_request, reply) => reply.end("mine"));
  const cwd = await project("my-chat", "--origins", origin.url, "--sign-in", "off");
  assert.equal(existsSync(path.join(cwd, "Cargo.toml")), false);
  const { url } = await serve(t, cwd);
  const answer = await fetch(url);
  assert.equal(await answer.text(), "mine");
  assert.match(answer.headers.get("set-cookie") ?? "", /session=/);
  assert.match(String(origin.received("x-session-id")[0]), /^[\w-]+$/);
});

test("the created gateway asks for a password, and knows the accounts that its command makes", async (t) => {
  const origin = await Origin.start(t, (_request, reply) => reply.end("mine"));
  const cwd = await project("doors", "--origins", origin.url, "--sign-in", "password");
  const added = await run(cwd, ["scripts/users.mjs", "add", "default", "ada"]);
  assert.deepEqual(added, { printed: "ada: added.\n", code: 0 });
  const { url } = await serve(t, cwd);
  assert.equal((await fetch(url)).status, 401);
  const signIn = (/** @type {string} */ password) =>
    fetch(`${url}/_session/login`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: url },
      body: JSON.stringify({ username: "ada", password }),
    });
  assert.equal((await signIn("wrong horse")).status, 401);
  const signedIn = await signIn("correct horse");
  assert.equal(signedIn.status, 200, await signedIn.text());
});

test("the created gateway is deployed to both of its environments, and refuses what cannot work", async (t) => {
  const api = await CloudflareApi.start(t);
  const cwd = await project("gate", "--origins", "https://chat.example", "--sign-in", "off");
  const deploy = (/** @type {string[]} */ ...args) =>
    run(cwd, ["scripts/deploy.mjs", ...args], api.env);
  const refused = await deploy();
  assert.equal(refused.code, 1);
  assert.match(refused.printed, /missing: the secret SESSION_KEYS/);
  api.secrets.set("SESSION_KEYS", "a key");
  for (const args of [[], ["--env", "staging"]]) {
    const { code, printed } = await deploy(...args);
    assert.equal(code, 0, printed);
  }
  assert.deepEqual([...api.deployed.keys()], ["gate", "gate-staging"]);
  assert.deepEqual(api.namespaces, ["gate-sessions", "gate-staging-sessions"]);
  const names = [...api.deployed.values()].map((bindings) =>
    bindings.map(({ name }) => name).sort(),
  );
  assert.deepEqual(names[0], names[1], "both have the same bindings");
  assert.ok(names[0].includes("SESSION_OBJECTS") && names[0].includes("ORIGINS"));
});

test("answers become settings that the Worker accepts as they are", async (t) => {
  const cwd = await project(
    "work",
    ...["--name", "front-door", "--origins", "a=https://a.example;weight=2,https://b.example"],
    ...["--sign-in", "oidc", "--issuer", "https://id.example", "--client-id", 'a "chat"'],
  );
  const configuration = readFileSync(path.join(cwd, "wrangler.toml"), "utf8");
  assert.match(configuration, /^name = "front-door"$/m);
  assert.doesNotMatch(configuration, /^\[build\]|^id = /m);
  assert.match(configuration, /^\[env\.staging\.vars\]$/m);
  const { url } = await serve(t, cwd);
  const ready = await fetch(`${url}/_session/readyz`);
  assert.equal(ready.status, 200, await ready.text());
});

test("without a terminal every missing answer is named", async () => {
  const { printed, code, project: cwd } = await create("empty");
  assert.equal(code, 1);
  assert.match(printed, /Missing: --origins, --sign-in\./);
  assert.doesNotMatch(printed, /^\s+at /m);
  assert.equal(existsSync(cwd), false);
});

for (const [args, message] of /** @type {[string[], RegExp][]} */ ([
  [["--orgins", "https://a.example"], /no option --orgins\. Did you mean --origins\?/],
  [["--origins", "a.example"], /--origins takes URLs .*, not "a\.example"/],
  [["--sign-in", "pasword"], /--sign-in takes one of off, password, oidc, not "pasword"/],
  [["--name", "My Chat"], /--name takes a name of a-z, 0-9 and -, not "My Chat"/],
  [["--sign-in", "oidc", "--origins", "https://a.example"], /Missing: --issuer, --client-id/],
])) {
  test(`npm create refuses ${args.join(" ")} and creates nothing`, async () => {
    const { printed, code, project: cwd } = await create("refused", ...args);
    assert.equal(code, 1);
    assert.match(printed, message);
    assert.doesNotMatch(printed, /^\s+at /m);
    assert.equal(existsSync(cwd), false);
  });
}

test("a folder with files stays as it is", async () => {
  const before = readdirSync(folder);
  const { printed, code } = await create(
    ".",
    "--name",
    "x",
    "--origins",
    "https://a.example",
    "--sign-in",
    "off",
  );
  assert.equal(code, 1);
  assert.match(printed, /is not empty/);
  assert.deepEqual(readdirSync(folder), before);
});

test("--upgrade replaces the Worker and keeps the settings", async () => {
  const cwd = await project("old", "--origins", "https://a.example", "--sign-in", "off");
  const file = (/** @type {string} */ name) => path.join(cwd, name);
  const built = readFileSync(file("build/index.js"));
  writeFileSync(file("build/index.js"), "// an earlier release");
  writeFileSync(file("build/left-over.js"), "");
  writeFileSync(file("wrangler.toml"), `${readFileSync(file("wrangler.toml"), "utf8")}# mine\n`);
  const before = readFileSync(file("wrangler.toml"), "utf8");
  const { printed, code } = await create("old", "--upgrade");
  assert.equal(code, 0, printed);
  assert.deepEqual(readFileSync(file("build/index.js")), built);
  assert.equal(existsSync(file("build/left-over.js")), false);
  assert.equal(readFileSync(file("wrangler.toml"), "utf8"), before);
  const nothing = await create("nowhere", "--upgrade");
  assert.match(nothing.printed, /was not made by npm create vestibule/);
});

test("a release's folder is served by wrangler dev and bundled for a deployment without a build", async (t) => {
  const origin = await Origin.start(t, (_request, reply) => reply.end("mine"));
  const cwd = path.join(folder, "release");
  const packed = await run(ROOT, ["scripts/pack-release.mjs", cwd]);
  assert.equal(packed.code, 0, packed.printed);
  assert.equal(existsSync(path.join(cwd, ".dev.vars")), false, "a release has no secrets");
  symlinkSync(MODULES, path.join(cwd, "node_modules"));
  const settings = readFileSync(path.join(cwd, "wrangler.toml"), "utf8");
  const named = settings.replace(/^ORIGINS = .*$/m, 'ORIGINS = "https://chat-1.example"');
  writeFileSync(path.join(cwd, "wrangler.toml"), named);
  const dry = await run(cwd, ["scripts/deploy.mjs", "--dry-run"]);
  assert.equal(dry.code, 0, dry.printed);
  assert.match(dry.printed, /index_bg\.wasm/);
  assert.doesNotMatch(dry.printed, /custom build/);
  writeFileSync(
    path.join(cwd, ".dev.vars"),
    `SESSION_KEYS=${"A".repeat(43)}\nORIGINS=${origin.url}\n`,
  );
  const { url } = await serve(t, cwd);
  assert.equal(await (await fetch(url)).text(), "mine");
});
