/** Tests `npm start` with own servers: its output, its options, and how it ends. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { until } from "./harness/until.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");

/** The tests find processes in /proc. */
const onLinux = { skip: process.platform !== "linux" };

const origin = await Origin.start({ after }, (_request, reply) => reply.end("mine"));

/**
 * Starts it like a person, and ends its remaining processes after the test.
 * @param {import("node:test").TestContext} t
 * @param {string[]} args
 */
function start(t, args) {
  const child = spawn("npm", ["start", "--silent", "--", ...args], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const run = { child, printed: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      run.printed += chunk;
    });
  }
  const closed = once(child, "close");
  t.after(async () => {
    try {
      process.kill(-(/** @type {number} */ (child.pid)), "SIGTERM");
    } catch {
      // It has ended, as expected.
    }
    await closed;
  });
  return Object.assign(run, { closed });
}

/**
 * Starts it with the test's own server, and waits until it prints the URL.
 * @param {import("node:test").TestContext} t
 * @param {string[]} args
 */
async function started(t, ...args) {
  return startedBefore(t, ["--origin", `mine=${origin.url}`, ...args]);
}

/** @param {import("node:test").TestContext} t @param {string[]} args */
async function startedBefore(t, args) {
  const port = await freePort();
  const run = start(t, ["--port", String(port), ...args]);
  await until(() => run.printed.includes("Press Ctrl-C to stop"), {
    within: 120_000,
    what: `the start of ${JSON.stringify(run.printed)}`,
  });
  return Object.assign(run, { port, url: `http://127.0.0.1:${port}` });
}

/** Waits until the Worker does not respond any more. @param {{ url: string }} run */
function untilSilent({ url }) {
  const answers = async () => {
    try {
      await (await fetch(`${url}/_session/healthz`)).arrayBuffer();
      return true;
    } catch {
      return false; // Refused, or cut off in the middle of a response.
    }
  };
  return until(async () => !(await answers()), { within: 30_000, what: "the Worker's end" });
}

test("npm start with own servers prints the console's URL and a working token", async (t) => {
  const run = await started(t);
  const [, console, token] = run.printed.match(/console: (\S+) {2}token: (\S+)/) ?? [];
  assert.equal(console, `http://localhost:${run.port}/_session/console/`, run.printed);
  const headers = { authorization: `Bearer ${token}` };
  const listed = await fetch(`${run.url}/_session/admin/origins`, { headers });
  assert.equal(listed.status, 200);
  assert.equal(/** @type {any} */ (await listed.json()).origins[0].name, "mine");
});

test("npm start says where metrics, logs and traces are seen", async (t) => {
  const traces = `http://127.0.0.1:${await freePort()}`;
  const run = await started(t, "--var", `OTLP_ENDPOINT:${traces}`);
  const [, metrics] = run.printed.match(/metrics: (\S+) {2}with Authorization: Bearer/) ?? [];
  assert.equal(metrics, `http://localhost:${run.port}/_session/admin/metrics`, run.printed);
  const [, token] = run.printed.match(/token: (\S+)/) ?? [];
  const headers = { authorization: `Bearer ${token}` };
  const page = await fetch(metrics.replace("localhost", "127.0.0.1"), { headers });
  assert.match(await page.text(), /^vestibule_telemetry_batches_total \d+$/m);
  assert.match(run.printed, /logs: below/);
  assert.ok(run.printed.includes(`traces: sent to ${traces}`), run.printed);
});

test("npm start with own servers shows the Worker's log without wrangler's output", async (t) => {
  const run = await started(t);
  assert.equal(await (await fetch(`${run.url}/hello`)).text(), "mine");
  await until(() => /^\{.*"level":"info".*"event":"request".*"origin":"mine"/m.test(run.printed), {
    what: "the request's log line",
  });
  assert.doesNotMatch(run.printed, /\[wrangler:info\]|env\.SESSIONS/);
});

test("npm start -- --port 0 serves at a free port, and prints it", async (t) => {
  const run = start(t, ["--port", "0", "--origin", `mine=${origin.url}`]);
  await until(() => run.printed.includes("Press Ctrl-C to stop"), {
    within: 120_000,
    what: "its start",
  });
  const [, port] = run.printed.match(/Open http:\/\/localhost:(\d+)/) ?? [];
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/hello`)).text(), "mine");
});

test("a setting can be given on the command line", async (t) => {
  const run = await started(t, "--var", "LOGIN_MODE:required", "--var", "PREFIX:/_door");
  const me = await fetch(`${run.url}/_door/healthz`);
  assert.match(me.headers.get("content-type") ?? "", /json/);
  assert.equal((await fetch(`${run.url}/hello`)).status, 401);
});

for (const [what, args, message] of /** @type {[string, string[], RegExp][]} */ ([
  ["a setting without a value", ["--var", "LOG_LEVEL"], /--var takes NAME:VALUE/],
  ["a setting in lower case", ["--var", "secret-of-mine:x"], /--var takes NAME:VALUE/],
  ["a setting without name and value", ["--var"], /--var/],
  ["an option that does not exist", ["--orgin", "http://127.0.0.1:1"], /mean --origin/],
  ["an unknown word", ["http://127.0.0.1:1"], /http:\/\/127\.0\.0\.1:1/],
  ["an invalid port", ["--port", "eighty"], /--port takes a number/],
])) {
  test(`npm start rejects ${what} without a stack trace`, async (t) => {
    const run = start(t, args);
    const [code] = await run.closed;
    assert.notEqual(code, 0);
    assert.match(run.printed, message);
    assert.match(run.printed, /Help: npm start -- --help/);
    assert.doesNotMatch(run.printed, /^\s+at |node:internal|secret-of-mine/m);
  });
}

for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL", "SIGHUP"])) {
  test(`the Worker ends when npm is ended by ${signal}`, async (t) => {
    const run = await started(t);
    run.child.kill(signal);
    await untilSilent(run);
  });
}

test("the Worker ends when the script itself is killed", onLinux, async (t) => {
  const run = await started(t);
  killScript(run);
  await untilSilent(run);
});

test("the demo's chat servers end when the script is killed", onLinux, async (t) => {
  const run = await startedBefore(t, []);
  const servers = run.printed.match(/(?<==)http:\/\/127\.0\.0\.1:\d+/g) ?? [];
  assert.equal(servers.length, 2, run.printed);
  killScript(run);
  for (const url of [run.url, ...servers]) await untilSilent({ url });
});

/** Kills only the script that npm runs. @param {{ child: import("node:child_process").ChildProcess }} run */
function killScript({ child }) {
  const script = below(Number(child.pid)).find((pid) =>
    commandOf(pid).includes("scripts/start.mjs"),
  );
  assert.ok(script, "the script's process");
  process.kill(script, "SIGKILL");
}

/** Returns a process and its descendants. @param {number} pid @returns {number[]} */
function below(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [
    pid,
    ...(children === "" ? [] : children.split(" ").flatMap((child) => below(Number(child)))),
  ];
}

/** @param {number} pid */
function commandOf(pid) {
  const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return args[0].endsWith("node") ? args.slice(1).join(" ") : "";
}
