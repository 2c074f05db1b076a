/** Runs the systemd unit under a real systemd, installed by the commands of docs/operate/self-host.md as they are printed. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { Browser } from "./harness/browser.mjs";
import { Checkout } from "./harness/checkout.mjs";
import { assertPrinted, Documented, steps } from "./harness/documented.mjs";
import { freePort } from "./harness/ports.mjs";
import { chatServer } from "./harness/serve.mjs";
import { SystemdMachine, systemdMissing } from "./harness/systemd-machine.mjs";
import { until } from "./harness/until.mjs";

const PAGE = "docs/operate/self-host.md";

const PATIENCE = { within: 60_000 };

/** Maximum time of a test, in milliseconds: the first one installs. */
const INSTALL_MS = 400_000;

const documented = new Documented();

const missing = systemdMissing();

/** What the end of this file removes. @type {(() => unknown)[]} */
const remains = [];
const suite = { after: (/** @type {() => unknown} */ remove) => void remains.push(remove) };
after(async () => {
  for (const remove of remains.reverse()) await remove();
});

/** @type {ReturnType<typeof install> | undefined} */
let installation;

/** Installs the service as the page says, with another port. All tests use it, because npm takes long. */
async function install() {
  const checkout = Checkout.make(suite);
  const packed = await checkout.run(documented.block(PAGE, "vestibule.tar.gz build serve").text);
  assert.equal(packed.code, 0, packed.printed);
  const [machine, port] = [await SystemdMachine.start(suite), await freePort()];
  copyFileSync(
    path.join(checkout.folder, "vestibule.tar.gz"),
    path.join(machine.root, "root/vestibule.tar.gz"),
  );
  const unit = readFileSync("serve/vestibule.service", "utf8");
  const [command] = unit.match(/^ExecStart=.*$/m) ?? [];
  const dropIn = path.join(machine.root, "etc/systemd/system/vestibule.service.d");
  mkdirSync(dropIn, { recursive: true });
  const override = `[Service]\nExecStart=\n${command} --port ${port}\n`;
  writeFileSync(path.join(dropIn, "port.conf"), override);

  // The machine has the programs of this one.
  const commands = documented.block(PAGE, "apt-get install").text.replace(/^apt-get .*$/m, "");
  const { code, printed } = await machine.run(`set -e\n${commands}`);
  assert.equal(code, 0, printed);
  const settings = readFileSync(path.join(machine.root, "etc/vestibule/settings.env"), "utf8");
  return { machine, port, settings };
}

/** Starts the service in front of a chat server. @param {import("node:test").TestContext} t */
async function service(t) {
  installation ??= install();
  const { machine, port, settings } = await installation;
  const origin = await chatServer(t);
  const configure = (/** @type {string} */ text) =>
    writeFileSync(path.join(machine.root, "etc/vestibule/settings.env"), text);
  configure(settings.replace("http://127.0.0.1:8000", origin.url));
  // Restarts of other tests count for the limit of systemd and for NRestarts.
  const restart = "systemctl reset-failed vestibule; systemctl restart vestibule";
  const { code, printed } = await machine.run(restart);
  assert.equal(code, 0, printed);
  const show = async (/** @type {string} */ name) =>
    (await machine.run(`systemctl show --value --property=${name} vestibule`)).printed.trim();
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/_session/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  return { machine, port, origin, url, configure, show, isReady };
}

test("the printed commands install a service that runs under systemd as its own user", {
  skip: missing,
  timeout: INSTALL_MS,
}, async (t) => {
  const { machine, port, show } = await service(t);
  assert.equal(await show("ActiveState"), "active");
  for (const { command, prints } of steps(documented.block(PAGE, "_session/readyz"))) {
    const { printed } = await machine.run(command.replace("8787", String(port)));
    assertPrinted(printed, prints);
  }
  const main = await show("MainPID");
  const { printed } = await machine.run(`grep ^Uid: /proc/${main}/status`);
  assert.match(printed, /^Uid:(?:\s+[1-9]\d*){4}$/m, "it is not root");
  const settings = statSync(path.join(machine.root, "etc/vestibule/settings.env"));
  assert.deepEqual([settings.uid, settings.mode & 0o077], [0, 0], "only root reads the settings");
  const sessions = statSync(path.join(machine.root, "var/lib/private/vestibule"));
  assert.equal(sessions.mode & 0o077, 0, "only the service reads the sessions");
});

test("sessions survive a killed service, which systemd starts again", {
  skip: missing,
  timeout: INSTALL_MS,
}, async (t) => {
  const { machine, origin, url, show, isReady } = await service(t);
  const browser = new Browser(url);
  await browser.fetch(`/?x-session-patch=${encodeURIComponent('{"name":"Zoe"}')}`);
  const main = await show("MainPID");
  await machine.run(`kill -9 ${main}`);
  const isAgain = async () => (await show("NRestarts")) === "1" && (await isReady());
  await until(isAgain, { ...PATIENCE, what: "the service again" });
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"name":"Zoe"}']);
});

test("sessions survive a reboot of the machine, which starts the service", {
  skip: missing,
  timeout: INSTALL_MS,
}, async (t) => {
  const { machine, origin, url, isReady } = await service(t);
  const browser = new Browser(url);
  await browser.fetch(`/?x-session-patch=${encodeURIComponent('{"name":"Ann"}')}`);
  await machine.powerOff();
  assert.equal(await isReady(), false);
  await machine.boot();
  await until(isReady, { ...PATIENCE, what: "the service after the reboot" });
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"name":"Ann"}']);
});

test("a wrong setting ends the service with its reason, and systemd does not try again", {
  skip: missing,
  timeout: INSTALL_MS,
}, async (t) => {
  const { machine, configure, show } = await service(t);
  configure("ORIGINS=nonsense\n");
  assert.notEqual((await machine.run("systemctl restart vestibule")).code, 0);
  assert.deepEqual(
    [await show("ActiveState"), await show("ExecMainStatus"), await show("NRestarts")],
    ["failed", "78", "0"],
  );
  const { printed } = await machine.run("journalctl --unit=vestibule --no-pager --output=cat");
  assert.match(printed, /^ORIGINS\[0\]\.url: use http\(s\):/m);
});
