/** Tests what all commands of package.json, and scripts that people start, have in common: help, and words about mistakes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { codeIn, read, rowsOf } from "./harness/pages.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");

/** Commands of package.json by their scripts, and further scripts. @type {[string, string][]} */
const COMMANDS = [
  ...Object.entries(JSON.parse(read("package.json")).scripts)
    // It is a program of its own, with the exit codes of a service: tests/serve-config.test.mjs.
    .filter(([name]) => name !== "serve")
    .map(
      ([name, command]) =>
        /** @type {[string, string]} */ ([
          ["start", "test"].includes(name) ? `npm ${name}` : `npm run ${name}`,
          /** @type {string} */ (command).replace("node ", ""),
        ]),
    ),
  ...["setup", "keep-release", "prometheus", "rsyslog"].map(
    (name) => /** @type {[string, string]} */ ([`node scripts/${name}.mjs`, `scripts/${name}.mjs`]),
  ),
];

/** Options of the reference by command. */
const DOCUMENTED = new Map(
  rowsOf(read("docs/reference/commands.md"))
    .filter(([command]) => command.startsWith("`npm "))
    .map(([command, options]) => [codeIn(command)[0], codeIn(options).sort()]),
);

/** Commands that compile Rust. */
const COMPILING = ["start", "test", "check", "bench", "build", "tenants", "deploy"];

const STACK = /^\s+at |node:internal|\.mjs:\d+:\d+/m;

/**
 * @param {string[]} args of Node
 * @param {Record<string, string>} [env]
 */
async function node(args, env = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = { stdout: "", stderr: "" };
  for (const stream of /** @type {const} */ (["stdout", "stderr"])) {
    child[stream].setEncoding("utf8").on("data", (chunk) => {
      printed[stream] += chunk;
    });
  }
  const [code] = await once(child, "close");
  return { ...printed, code };
}

/** @param {import("node:test").TestContext} t */
function emptyFolder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-command-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/**
 * Asserts that a mistake is explained in a sentence, with the way to the help.
 * @param {{ stdout: string, stderr: string, code: number | null }} run
 * @param {string} name
 * @param {RegExp} message
 */
function assertExplained({ stdout, stderr, code }, name, message) {
  assert.equal(code, 1, stdout + stderr);
  assert.equal(stdout, "");
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, STACK);
  const help = name.startsWith("npm") ? `Help: ${name} -- --help` : `Help: ${name} --help`;
  assert.ok(stderr.includes(help), stderr);
}

for (const [name, script] of COMMANDS) {
  test(`${name} --help prints its usage and does nothing`, async () => {
    for (const flag of ["--help", "-h"]) {
      const { stdout, stderr, code } = await node([script, flag]);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.startsWith(`Usage: ${name}`), stdout);
      assert.match(stdout, /--help +prints this text/);
      assert.equal(stderr, "");
    }
  });

  test(`${name} names the option that was probably meant`, async () => {
    const { stdout } = await node([script, "--help"]);
    for (const [option] of stdout.matchAll(/(?<=^ +)--[a-z-]+/gm)) {
      const misspelt = `${option.slice(0, 4)}x${option.slice(4)}`;
      const refused = await node([script, misspelt]);
      assertExplained(refused, name, new RegExp(`no option ${misspelt}\\. Did you mean ${option}`));
    }
  });

  test(`${name} refuses an option that is like no other with the options there are`, async () => {
    const refused = await node([script, "--zzzzzzzzzz"]);
    assertExplained(refused, name, /There is no option --zzzzzzzzzz\. Options: .*--help/);
  });
}

for (const [command, args, message] of /** @type {[string, string[], RegExp][]} */ ([
  ["npm start", ["--port", "eighty"], /--port takes a number from 0 to 65535, not "eighty"/],
  ["npm start", ["--port", "65536"], /--port takes a number from 0 to 65535, not "65536"/],
  ["npm start", ["--port"], /--port is without its value\. It takes a number from 0/],
  ["npm start", ["--port", "--origin", "x"], /--port is without its value/],
  [
    "npm start",
    ["--origin", "localhost:8000"],
    /--origin takes \[NAME=\]URL, such as http:.*not "/,
  ],
  ["npm start", ["http://a.example"], /options only\. Did you mean --origin http:\/\/a\.example/],
  ["npm start", ["--var", "log_level:warn"], /--var takes NAME:VALUE, such as LOG_LEVEL:warn\.\n/],
  ["npm run build", ["now"], /"now" is one word too many/],
  ["npm run bench", ["--rounds", "many"], /--rounds takes a number from 1 to 1000, not "many"/],
  ["npm run tenants", ["lsit"], /no command "lsit"\. Did you mean list\? Use one of: validate/],
  ["npm run tenants", [], /The command is missing\. Use one of: validate, put/],
  ["npm run tenants", ["get"], /ID is missing: get ID/],
  ["npm run tenants", ["put"], /FILE… is missing: put FILE…/],
  ["npm run tenants", ["list", "all"], /words too many\. Write: list/],
  ["npm run tenants", ["list", "--remote=x"], /--remote takes a URL, such as https:.*, not "x"/],
  ["npm run users", ["lits", "acme"], /no command "lits"\. Did you mean list\?/],
  ["npm run users", ["add", "acme"], /NAME is missing: add TENANT NAME/],
  ["npm run deploy", ["staging"], /"staging" is one word too many.*Did you mean --env staging\?/],
  ["npm run deploy", ["--env"], /--env is without its value/],
])) {
  const [, script] = COMMANDS.find(([name]) => name === command) ?? [];
  test(`${command} ${args.join(" ")} is refused with what would be right`, async () => {
    assertExplained(await node([String(script), ...args]), command, message);
  });
}

for (const [name, args, message] of /** @type {[string, string[], RegExp][]} */ ([
  ["bench", ["soka"], /no experiment "soka"\. Did you mean soak\?/],
  ["bench", ["--only", "wsam"], /--only names unknown parts: wsam\. Use some of: processor/],
  ["bench", ["--quick", "--record"], /quick run is not recorded/],
  ["test", ["--quick", "cookie"], /--quick takes no words\. Remove: cookie/],
  ["test", ["no-test-has-this-name"], /No test matches no-test-has-this-name/],
  ["tenants", ["diff", "nowhere.json"], /There is no file nowhere\.json/],
  ["tenants", ["list", "--config", "nowhere.toml"], /There is no file .*nowhere\.toml/],
  ["tenants", ["list", "--remote", "http://chat.example"], /readable.*https:\/\/chat\.example/],
  ["tenants", ["list", "--remote", "https://chat.example"], /Set ADMIN_TOKEN in the environment/],
  ["users", ["list", "Acme"], /Name the tenant: 1 to 63 of a-z/],
])) {
  test(`${name} ${args.join(" ")} ends with a sentence and no stack trace`, async () => {
    const { stdout, stderr, code } = await node([`scripts/${name}.mjs`, ...args]);
    assert.equal(code, 1, stdout);
    assert.match(stderr, message);
    assert.doesNotMatch(stdout + stderr, STACK);
  });
}

test("the reference lists every command with its options", async () => {
  const named = COMMANDS.filter(([name]) => name.startsWith("npm"));
  for (const [name, script] of named) {
    const { stdout } = await node([script, "--help"]);
    const options = new Set(
      Array.from(stdout.matchAll(/(?<=^ +)--[a-z-]+/gm), ([option]) => option),
    );
    options.delete("--help");
    assert.deepEqual(DOCUMENTED.get(name), [...options].sort(), name);
  }
  assert.deepEqual(
    [...DOCUMENTED.keys()].filter((name) => name !== "npm run serve").length,
    named.length,
  );
});

test("a faulty wrangler.toml is explained with its name", async (t) => {
  const file = path.join(emptyFolder(t), "wrangler.toml");
  writeFileSync(file, 'name = "vestibule\n');
  const { stderr, code } = await node(["scripts/users.mjs", "list", "acme", "--config", file]);
  assert.equal(code, 1);
  assert.ok(stderr.includes(`wrangler cannot read ${file}`), stderr);
  assert.doesNotMatch(stderr, STACK);
});

test("a file that is no JSON is explained with its name", async (t) => {
  const file = path.join(emptyFolder(t), "acme.json");
  writeFileSync(file, "{");
  const { stderr, code } = await node(["scripts/tenants.mjs", "diff", file]);
  assert.equal(code, 1);
  assert.ok(stderr.includes(`${file} is not JSON`), stderr);
  assert.doesNotMatch(stderr, STACK);
});

test("options that npm kept for itself are explained", async () => {
  const kept = { npm_lifecycle_event: "start", npm_config_port: "8080" };
  const run = await node(["scripts/start.mjs", "8080"], kept);
  assertExplained(run, "npm start", /npm kept --port for itself\..*: npm start -- --port/);
});

for (const name of COMPILING) {
  test(`${name} says at once that Rust is missing`, async (t) => {
    const args = name === "tenants" ? ["list"] : [];
    const env = { PATH: emptyFolder(t) };
    const { stdout, stderr, code } = await node([`scripts/${name}.mjs`, ...args], env);
    assert.equal(code, 1);
    assert.match(stderr, /^\s*Rust is missing\. Install it from https:\/\/rustup\.rs/);
    assert.equal(stdout, "");
  });
}

for (const [name, script] of COMMANDS) {
  test(`${name} says at once that Node is too old`, async (t) => {
    // The version is the only thing about this Node that is old.
    const file = path.join(emptyFolder(t), "old.cjs");
    const versions = "{ ...process.versions, node: '20.10.0' }";
    writeFileSync(file, `Object.defineProperty(process, "versions", { value: ${versions} });`);
    const { stdout, stderr, code } = await node(["--require", file, script, "--help"]);
    assert.equal(code, 1);
    assert.match(stderr, /^Node\.js 20\.11 or newer is needed, this is 20\.10\.0\./);
    assert.equal(stdout, "");
    // Later imports use what old versions lack.
    const [, first] = readFileSync(path.join(ROOT, script), "utf8").match(/^import (.*);$/m) ?? [];
    assert.equal(first, '"./node-version.mjs"');
  });
}

test("npm run serve explains a misspelt option before it builds", async () => {
  const { stdout, stderr, code } = await node(["scripts/serve.mjs", "--prot", "1"]);
  assert.equal(code, 64);
  assert.match(stderr, /There is no option --prot\. Did you mean --port\?/);
  assert.doesNotMatch(stdout + stderr, STACK);
  assert.equal(stdout, "");
});
