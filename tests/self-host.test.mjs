/** Runs what docs/operate/self-host.md prints: its commands, the systemd unit, the proxies, and the Dockerfile's steps. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { output } from "../scripts/run.mjs";
import { ROOT } from "../scripts/setup.mjs";
import { Browser } from "./harness/browser.mjs";
import { Checkout } from "./harness/checkout.mjs";
import { assertPrinted, Documented, steps } from "./harness/documented.mjs";
import { freePort } from "./harness/ports.mjs";
import { chatServer, dataFolder, Serve } from "./harness/serve.mjs";
import {
  ask,
  CLIENT,
  HOST,
  proxyMissing,
  startProxy,
  withCertificate,
} from "./harness/tls-proxies.mjs";
import { until } from "./harness/until.mjs";

const PAGE = "docs/operate/self-host.md";
const PATIENCE_MS = 90_000;

const documented = new Documented();

/** Stands for systemd, and prints what a service tells it. */
const RECEIVE = `
import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print("receiving", flush=True)
while True:
    print(receiver.recv(4096).decode(), flush=True)
`;

/** @param {string} name @param {string} unit */
function linesOf(name, unit) {
  return Array.from(unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm")), ([, value]) => value);
}

test("npm run serve serves from a checkout", async (t) => {
  const checkout = Checkout.make(t);
  const origin = await chatServer(t);
  const port = await freePort();
  const { text } = documented.block(PAGE, "npm run serve -- --origin");
  const command = text.trimEnd().replace("http://127.0.0.1:8000", origin.url);
  const serve = checkout.start(`${command} --port ${port}`);
  await serve.prints("Serving http", PATIENCE_MS);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  assert.ok(existsSync(path.join(checkout.folder, ".vestibule/kv.sqlite")));
});

test("the commands for a server install a service whose sessions survive its restart", async (t) => {
  const checkout = Checkout.make(t);
  const packed = await checkout.run(documented.block(PAGE, "vestibule.tar.gz build serve").text);
  assert.equal(packed.code, 0, packed.printed);

  // A folder stands for the root of the server's file system.
  const root = mkdtempSync(path.join(tmpdir(), "vestibule-server-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(path.join(root, "etc/systemd/system"), { recursive: true });
  const origin = await chatServer(t);
  const rooted = (/** @type {string} */ text) =>
    text
      .replaceAll(/(?<![\w.])\/(?=opt\/|etc\/)/g, `${root}/`)
      .replaceAll("http://127.0.0.1:8000", origin.url);
  const { text } = documented.block(PAGE, "apt-get install");
  const [install, enable] = [/^apt-get install .*$/m, /^systemctl enable --now vestibule$/m];
  for (const line of [install, enable]) assert.match(text, line);
  const commands = rooted(text).replace(install, "").replace(enable, "");
  const installed = await checkout.run(`set -e\n${commands}`);
  assert.equal(installed.code, 0, installed.printed);
  const settings = path.join(root, "etc/vestibule/settings.env");
  assert.equal(statSync(settings).mode & 0o077, 0, "only root reads the settings");
  assert.match(readFileSync(settings, "utf8"), /^SESSION_KEYS=[\w-]{43}$/m);
  const modules = path.join(root, "opt/vestibule/node_modules");
  assert.ok(!existsSync(path.join(modules, "wrangler")), "no tools of developers");

  const unit = rooted(
    readFileSync(path.join(root, "etc/systemd/system/vestibule.service"), "utf8"),
  );
  checkout.write("vestibule.service", unit);
  await t.test(
    "systemd accepts the unit",
    { skip: output("systemd-analyze", ["--version"]) === null && "systemd is missing" },
    async () => {
      const verify = "systemd-analyze verify --man=no ./vestibule.service";
      assert.deepEqual(await checkout.run(verify), { code: 0, printed: "" });
      const security =
        "systemd-analyze security --offline=true --threshold=40 --no-pager ./vestibule.service";
      const { code, printed } = await checkout.run(security);
      assert.equal(code, 0, printed);
    },
  );

  // Not every machine can boot a container, as `systemd.test.mjs` does. So the command also runs as the unit would run it.
  const [command] = linesOf("ExecStart", unit);
  const state = path.join(root, "var/lib/vestibule");
  const credentials = path.join(root, "run/credentials");
  const [credential, source] = linesOf("LoadCredential", unit)[0].split(":");
  const port = await freePort();
  const start = `mkdir -p -m 0700 ${state} ${credentials}
install -m 0400 ${source} ${credentials}/${credential}
cd / && exec env -i PATH=$PATH NOTIFY_SOCKET=$NOTIFY_SOCKET STATE_DIRECTORY=${state} CREDENTIALS_DIRECTORY=${credentials} \
  bash -c 'exec ${command} --port ${port}'`;
  const notified = checkout.start(`python3 -c '${RECEIVE}' ${root}/notify`);
  await notified.prints("receiving", PATIENCE_MS);
  const service = checkout.start(`export NOTIFY_SOCKET=${root}/notify\n${start}`);
  await service.prints("Serving http", PATIENCE_MS);
  if (output("systemd-notify", ["--version"])) await notified.prints("READY=1", PATIENCE_MS);
  const checks = steps(documented.block(PAGE, "_session/readyz"));
  for (const { command, prints } of checks.filter(({ command }) => command.startsWith("curl"))) {
    const { printed } = await checkout.run(command.replace("8787", String(port)));
    assertPrinted(printed, prints);
  }
  const browser = new Browser(`http://127.0.0.1:${port}`);
  await browser.fetch(`/?x-session-patch=${encodeURIComponent('{"name":"Zoe"}')}`);
  await service.stop();
  const again = checkout.start(start);
  await again.prints("Serving http", PATIENCE_MS);
  await browser.fetch("/");
  assert.deepEqual(origin.received("x-session-data"), ['{"name":"Zoe"}']);
});

/** Settings of nginx that the page omits, because every installation has them. */
const nginxAround = (/** @type {string} */ server) =>
  `pid nginx.pid;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;
fastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n${server}\n}`;

for (const name of /** @type {const} */ (["nginx", "caddy"])) {
  test(`${name} as printed passes address, https and WebSockets on`, {
    skip: proxyMissing(name),
  }, async (t) => {
    const origin = await chatServer(t);
    const sockets = new WebSocketServer({ server: origin.server });
    sockets.on("connection", (socket) => socket.on("message", (text) => socket.send(`${text}!`)));
    const serve = await Serve.start(t, [
      ...["--origin", origin.url, "--data", dataFolder(t), "--trust-proxy", "127.0.0.1"],
    ]);
    const { folder, certificate, key } = withCertificate(t);
    const port = await freePort();
    const page = readFileSync(PAGE, "utf8");
    const [, printed] =
      page.match(
        name === "nginx" ? /```nginx\n([\s\S]*?)```/ : /```text\n(chat\.example\.com [\s\S]*?)```/,
      ) ?? [];
    assert.ok(printed);
    const here = printed
      .replace("127.0.0.1:8787", `127.0.0.1:${serve.port}`)
      .replace("listen 443", `listen 127.0.0.1:${port}`)
      .replace(/\/etc\/ssl\/certs\/\S+?;/, `${certificate};`)
      .replace(/\/etc\/ssl\/private\/\S+?;/, `${key};`)
      .replace(`${HOST} {`, `https://${HOST}:${port} {\ntls ${certificate} ${key}`);
    const caddy = `{\nadmin off\nauto_https disable_redirects\n}\n${here}`;
    const text = name === "nginx" ? nginxAround(here) : caddy;
    await startProxy(t, name, folder, text, port);

    const claims = { "x-forwarded-for": "192.0.2.66", "cf-connecting-ip": "192.0.2.77" };
    const { status, headers } = await ask(port, "/", claims);
    assert.equal(status, 200);
    assert.match(headers["set-cookie"]?.[0] ?? "", /^__Host-session=.*; Secure/);
    assert.deepEqual(origin.received("x-forwarded-proto"), ["https"]);
    assert.deepEqual(origin.received("x-forwarded-for"), [CLIENT]);
    assert.match(origin.received("x-forwarded-host")[0], /^chat\.example\.com/);

    /** @type {object} */
    const options = { rejectUnauthorized: false, servername: HOST, origin: `https://${HOST}` };
    const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, [], {
      ...options,
      headers: { host: HOST },
    });
    t.after(() => socket.terminate());
    await once(socket, "open");
    socket.send("hello");
    assert.equal(String((await once(socket, "message"))[0]), "hello!");
  });
}

/** One step of a Dockerfile. @typedef {{ word: string, rest: string }} Step */

/** @param {string} text @returns {{ name: string, steps: Step[] }[]} */
function stagesOf(text) {
  /** @type {{ name: string, steps: Step[] }[]} */
  const stages = [];
  for (const line of text.split("\n").filter((one) => /^[A-Z]/.test(one))) {
    const [, word, rest] = line.match(/^([A-Z]+) (.*)$/) ?? [];
    if (word === "FROM") stages.push({ name: rest.match(/ AS (\w+)$/)?.[1] ?? "", steps: [] });
    else stages.at(-1)?.steps.push({ word, rest });
  }
  return stages;
}

test("the Dockerfile's steps, run without Docker, make a service that answers its health check", async (t) => {
  const checkout = Checkout.make(t);
  const root = mkdtempSync(path.join(tmpdir(), "vestibule-image-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const stages = stagesOf(readFileSync(path.join(ROOT, "serve/Dockerfile"), "utf8"));
  assert.deepEqual(
    stages.map(({ name }) => name),
    ["build", "packages", ""],
  );
  /** @type {Record<string, string>} */
  const last = {};
  let folder = root;
  for (const { name, steps } of stages) {
    // Programs of the base image and of Debian are those of this machine.
    const image = path.join(root, name || "image");
    folder = image;
    for (const { word, rest } of steps) {
      if (word === "WORKDIR") folder = path.join(image, rest);
      else if (word === "COPY") await copy(rest, folder);
      else if (word === "RUN" && !rest.startsWith("apt-get")) {
        const { code, printed } = await checkout.run(`cd ${folder} && ${rest}`);
        assert.equal(code, 0, printed);
      } else last[word] = rest;
    }
  }

  /** @param {string} rest @param {string} to */
  async function copy(rest, to) {
    mkdirSync(to, { recursive: true });
    const words = rest.split(" ");
    const stage = words[0].match(/^--from=(.*)$/)?.[1];
    const [target, ...sources] = words.slice(stage ? 1 : 0).reverse();
    const from = stage ? path.join(root, stage) : checkout.folder;
    // A folder's content is copied, not the folder. Links of the checkout stand for what is installed already.
    const commands = sources.map((source) => {
      const file = path.join(from, source);
      const into = path.join(to, target);
      return statSync(file).isDirectory()
        ? `mkdir -p ${into} && cp -a ${file}/. ${into}/`
        : `mkdir -p ${path.join(into, target.endsWith("/") ? "." : "..")} && cp -a ${file} ${into}`;
    });
    const { code, printed } = await checkout.run(["set -e", ...commands].join("\n"));
    assert.equal(code, 0, printed);
  }

  const origin = await chatServer(t);
  const port = await freePort();
  const entry = /** @type {string[]} */ (JSON.parse(last.ENTRYPOINT)).map((word) =>
    word === "/data" ? dataFolder(t) : word,
  );
  const env = `VESTIBULE_ORIGINS=${origin.url} VESTIBULE_TRUST_PROXY=10.0.0.0/8`;
  const service = checkout.start(
    `cd ${folder} && exec env ${env} ${entry.join(" ")} --port ${port}`,
  );
  await service.prints("Serving http://0.0.0.0", PATIENCE_MS);
  const [, check = ""] = last.HEALTHCHECK.match(/CMD (.*)$/) ?? [];
  const words = /** @type {string[]} */ (JSON.parse(check)).map((word) => `"${word}"`);
  const healthy = words.join(" ").replace("8787", String(port));
  const { code } = await checkout.run(`cd ${folder} && ${healthy}`);
  assert.equal(code, 0);
  await service.stop();
  await until(async () => (await checkout.run(`cd ${folder} && ${healthy}`)).code === 1, {
    what: "a failed health check",
    within: PATIENCE_MS,
  });
  assert.equal(last.USER, "vestibule");
});

test("every block of commands of the page is run", () => {
  const left = documented.left.filter((place) => place.startsWith(`${PAGE}:`));
  assert.deepEqual(left, []);
});
