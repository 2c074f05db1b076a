/** The systemd unit and the compose file of docs/guide/several-processes.md. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { output } from "../../scripts/run.mjs";
import { conversations } from "../chainlit/conversations.mjs";
import { freePorts } from "../harness/ports.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { answeringAt, blockIn, mounted, PAGE, visitorOf } from "./mounted.mjs";
import { ensureKit, PYTHON } from "./venv.mjs";

/** Reads a compose file as the specification says, and prints what the services have. */
const READ_COMPOSE = `
import json, sys
from compose_spec import PyOptions
options = PyOptions()
options.apply_merge = True
compose = options.from_yaml(sys.stdin.read())
compose.validate()
print(compose.to_json())
`;

/** Names of the page's origins, which are those that `serve` gives. */
const NAMES = namesOf(blockIn("toml").match(/^ORIGINS = "(.*)"$/m)?.[1] ?? "");

const CHINESE = "docs/guide/zh/processes.md";

/** @param {string} origins */
function namesOf(origins) {
  return origins.split(",").map((one) => one.split("=")[0]);
}

/** @param {string} text a compose file */
function readCompose(text) {
  const read = spawnSync(PYTHON, ["-c", READ_COMPOSE], { input: text, encoding: "utf8" });
  return read.status === 0 ? JSON.parse(read.stdout) : read.stderr;
}

test("systemd accepts the unit, and its commands serve conversations", async (t) => {
  await ensureKit();
  const checkout = mounted(t);
  const folder = path.join(checkout.folder, "app");
  symlinkSync(path.dirname(path.dirname(PYTHON)), path.join(folder, "venv"));
  const unit = blockIn("ini").replaceAll("/srv/chat", folder);
  checkout.write("app/env", "CHAINLIT_AUTH_SECRET=the-same-secret-in-every-process\n");
  checkout.write("app@.service", unit);

  await t.test(
    "systemd accepts it",
    { skip: output("systemd-analyze", ["--version"]) === null && "systemd is missing" },
    async () => {
      const verify = "systemd-analyze verify --man=no ./app@1.service";
      assert.deepEqual(await checkout.run(verify), { code: 0, printed: "" });
      checkout.write("app@.service", unit.replace("Restart=", "Restarts="));
      assert.match((await checkout.run(verify)).printed, /Unknown key/);
    },
  );

  const first = await freePorts(2);
  const ports = [first, first + 1];
  const commands = ports.map((port, at) =>
    checkout.start(asShell(unit.replace("800%i", String(port)), at + 1)),
  );
  await answeringAt(ports, ...commands);
  const origins = ports.map((port, at) => `${NAMES[at]}=http://127.0.0.1:${port}`);
  const vestibule = await Vestibule.start(t, { origins });
  const { whole, broken } = await conversations(20, () => visitorOf(vestibule));
  assert.deepEqual(broken, []);
  assert.equal(new Set(whole).size, 2, "both have conversations");
});

test("units, services, ORIGINS and the command that drains name the processes in one way", () => {
  const text = readFileSync(PAGE, "utf8");
  const units = [...text.matchAll(/app@(\d)/g)].map(([, instance]) => instance);
  const [, named] = blockIn("ini").match(/^Environment=VESTIBULE_ORIGIN=(.+)$/m) ?? [];
  assert.deepEqual(
    units.map((instance) => named?.replace("%i", instance)),
    NAMES,
  );
  const services = [...blockIn("yaml").matchAll(/VESTIBULE_ORIGIN: (.+)$/gm)];
  assert.deepEqual(
    services.map(([, name]) => name),
    NAMES.slice(0, services.length),
  );
  const commands = [...text.matchAll(/\/origins\/([^/]+)\/(?:un)?drain/g)];
  assert.deepEqual([...new Set(commands.map(([, name]) => name))], NAMES.slice(0, 1));
  const [, chinese = ""] = readFileSync(CHINESE, "utf8").match(/^ORIGINS = "(.*)"$/m) ?? [];
  const inChinese = namesOf(chinese);
  assert.deepEqual(inChinese, NAMES.slice(0, inChinese.length));
});

test("the compose file is valid, with one service per process", async () => {
  await ensureKit();
  const text = blockIn("yaml");
  const { services } = readCompose(text);
  const names = Object.keys(services);
  assert.ok(names.length > 1);
  const [, options] = blockIn("ini").match(/^ExecStart=\S+ (.*)$/m) ?? [];
  for (const name of names) {
    const { command, environment, image } = services[name];
    assert.equal(image, "chat");
    assert.deepEqual(environment, { VESTIBULE_ORIGIN: name });
    const here = options.replace("--port 800%i", "--host 0.0.0.0 --port 8000");
    assert.equal(command, `python ${here}`, "the command of the unit");
  }
  assert.match(readCompose(text.replace("image:", "imagine:")), /imagine/);
});

/**
 * Returns the commands of a unit's service as systemd would run them for an instance, with its environment.
 * @param {string} unit
 * @param {number} instance
 */
function asShell(unit, instance) {
  const lines = unit.replaceAll("%i", String(instance)).split("\n");
  const all = (/** @type {string} */ key) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  return [
    `cd ${all("WorkingDirectory")[0]}`,
    ...all("Environment").map((pair) => `export ${pair}`),
    ...all("EnvironmentFile").map((file) => `set -a; . ${file}; set +a`),
    ...all("ExecStartPre"),
    ...all("ExecStart").map((command) => `exec ${command}`),
  ].join("\n");
}
