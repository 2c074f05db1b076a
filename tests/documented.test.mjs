/**
 * Runs the commands of README and docs/ as printed, in a separate checkout. The last test fails for a
 * block of commands that no test runs.
 */
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { createServer } from "node:tls";
import { io } from "socket.io-client";
import { handsOnIdentity } from "./apps/documented-start.mjs";
import { sendMessage } from "./browser/chainlit-page.mjs";
import { NO_THIRD_PARTY_COOKIES, openPage } from "./browser/chromium.mjs";
import { conversations } from "./chainlit/conversations.mjs";
import { CHAINLIT, ensureChainlit } from "./chainlit/venv.mjs";
import { Visitor } from "./chainlit/visitor.mjs";
import { Browser } from "./harness/browser.mjs";
import { Checkout } from "./harness/checkout.mjs";
import { CloudflareApi } from "./harness/cloudflare-api.mjs";
import { assertPrinted, Documented, steps } from "./harness/documented.mjs";
import { KvServer } from "./harness/kv.mjs";
import { freePort, listen } from "./harness/ports.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";
import { answeringAt, mounted, PAGE, visitorOf } from "./kit/mounted.mjs";
import { ensureKit, PYTHON } from "./kit/venv.mjs";

const ADMIN_TOKEN = "an-admin-token-for-tests";

/** Starting Python and importing Chainlit takes seconds, more with all cores busy. */
const PATIENCE_MS = 90_000;

/** wrangler starts for seconds, more with all cores busy. */
const SLOW = { timeout: 600_000 };

const documented = new Documented();

test("README: npm start serves the demo", async (t) => {
  const checkout = Checkout.make(t);
  const start = checkout.start(documented.block("README.md", "npm start\n").text);
  await start.prints("Open http://localhost:8787", PATIENCE_MS);
  const page = await fetch("http://localhost:8787/");
  assert.equal(page.status, 200);
  assert.match(page.headers.get("set-cookie") ?? "", /session=/);
});

test("README names npm test, which runs this suite", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(documented.block("README.md", "npm test").text, "npm test\n");
  assert.equal(scripts.test, "node scripts/test.mjs");
});

test("README: two Chainlit processes keep a conversation across a lost connection", async (t) => {
  await ensureChainlit();
  const bin = path.dirname(CHAINLIT);
  const checkout = Checkout.make(t, { PATH: `${bin}:${process.env.PATH}` });
  const signIn = documented.block("README.md", "header_auth_callback").text;
  checkout.write("app/app.py", application(signIn));
  const servers = checkout.start(
    // Without "wait" the shell would end with the block, before its background processes.
    `${documented.block("README.md", "chainlit run app.py").text}\nwait`,
    { within: "app" },
  );
  const start = checkout.start(
    documented.block("README.md", "--origin http://127.0.0.1:8000").text,
  );
  await start.prints("Open http://localhost:8787", PATIENCE_MS);
  for (const port of [8000, 8001]) await answering(`http://127.0.0.1:${port}/auth/config`, servers);

  const visitor = new Visitor("http://localhost:8787", { within: 20_000, attempts: 10 });
  try {
    await visitor.signIn();
    await visitor.connect();
    assert.match(await visitor.sendMessage("hello"), /^1: .*hello$/);
    await visitor.reconnect();
    assert.match(await visitor.sendMessage("again"), /^2: .*again$/);
  } finally {
    visitor.leave();
  }
});

test("the deploy steps create a key, and say which servers Cloudflare cannot reach", async (t) => {
  const api = await CloudflareApi.start(t);
  const checkout = Checkout.make(t, api.env);
  const { text } = documented.block("docs/operate/deploy.md", "npm run deploy");
  const { printed } = await checkout.run(text);
  assert.match(api.secrets.get("SESSION_KEYS") ?? "", /^[\w-]{43}$/);
  assert.match(printed, /missing: chat servers that Cloudflare can reach/);
  assert.doesNotMatch(printed, /missing: the secret/);
});

test("the documented commands create the console's token and store it as a secret", async (t) => {
  const api = await CloudflareApi.start(t);
  const checkout = Checkout.make(t, api.env);
  const { code } = await checkout.run(
    documented.block("docs/operate/console.md", "ADMIN_TOKEN").text,
  );
  assert.equal(code, 0);
  assert.match(api.secrets.get("ADMIN_TOKEN") ?? "", /^[\w+/]{32}$/);
});

test(
  "the documented commands store a tenant's document and create an account with a password",
  SLOW,
  async (t) => {
    const api = await CloudflareApi.start(t);
    const checkout = Checkout.make(t, api.env);
    bindTenants(checkout, "0".repeat(31).concat("1"));
    const stored = await checkout.run(documented.block("docs/guide/tenants.md", "acme.json").text);
    assert.equal(stored.code, 0, stored.printed);
    assert.deepEqual(api.namespaces, ["TENANTS"]);
    assert.match(stored.printed, /acme: stored/);
    assert.equal(JSON.parse(checkout.read("acme.json")).id, "acme");

    const { text } = documented.block("docs/guide/passwords.md", "npm run users -- add");
    // The first command asks for a password; the second is given one.
    const made = await checkout.run(text.replace("\n", " <<< 'battery staple'\n"));
    assert.equal(made.code, 0, made.printed);
    assert.match(made.printed, /ada: added/);
    const shown = await checkout.run("npm run --silent users -- show acme ada");
    assert.match(shown.printed, /"groups": \[\s*"editors",\s*"staff"\s*\]/);
  },
);

test("the start of Open WebUI hands on names", SLOW, (t) => handsOnIdentity(t, documented));

test("the documented list of servers distributes sessions over them", SLOW, async (t) => {
  const { text } = documented.block("docs/guide/routing.md", "servers.json");
  for (const port of [8001, 8002]) {
    const server = createHttpServer((_, reply) => void reply.end(`${port}`));
    await listen(server, port);
    t.after(() => server.close());
  }
  const checkout = Checkout.make(t);
  const port = await freePort();
  const started = checkout.start(text.replace("npm start --", `npm start -- --port ${port}`));
  await started.prints("Vestibule forwards to discover:", PATIENCE_MS);
  const seen = new Set();
  await until(async () => {
    seen.add(await (await fetch(`http://localhost:${port}/`)).text());
    return seen.size === 2;
  });
  assert.deepEqual([...seen].sort(), ["8001", "8002"]);
});

test("the documented curl command explains a request's route", async (t) => {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const { text } = documented.block("docs/guide/tenants.md", "acme.json");
  const [, document] = text.match(/<<'END'\n([\s\S]*?)\nEND/) ?? [];
  tenants.plant("tenant:acme", document);
  tenants.plant("host:chat.acme.example", "acme");
  const vestibule = await Vestibule.start(t, {
    tenants,
    origins: [],
    vars: { ADMIN_TOKEN, ACME__API_KEY: "a key" },
  });
  const checkout = Checkout.make(t, { ADMIN_TOKEN });
  const port = await tlsBefore(t, checkout, vestibule.port);
  checkout.write(
    ".curlrc",
    `insecure\nsilent\nconnect-to = "chat.acme.example:443:127.0.0.1:${port}"\n`,
  );
  const command = documented.block("docs/guide/tenants.md", "admin/explain").text;
  const { printed } = await checkout.run(`export CURL_HOME=$PWD\n${command}`);
  const { login, outcome, tenant } = JSON.parse(printed);
  assert.deepEqual([tenant.id, login.mode, outcome.problem], ["acme", "required", "no_session"]);
});

test("the guide to three tenants with one chat server works step by step", SLOW, async (t) => {
  await ensureChainlit();
  const page = "docs/guide/three-doors.md";
  const block = (/** @type {string} */ part) => documented.block(page, part);
  const checkout = lendChainlit(Checkout.make(t), "doors/.venv");
  checkout.write("doors/app.py", block("def leave").text);
  checkout.write("doors/provider.mjs", block("new Provider").text);
  checkout.write("wrangler.toml", `${checkout.read("wrangler.toml")}\n${block('"TENANTS"').text}`);
  for (const tenant of ["acme", "globex", "open"]) {
    checkout.write(`doors/${tenant}.json`, block(`"id": "${tenant}"`).text);
  }

  const [enter, install, run] = steps(block("chainlit run app.py"));
  const within = enter.command.replace("cd ", "");
  assert.equal((await checkout.run(install.command, { within })).code, 0);
  const chainlit = checkout.start(run.command, { within });
  const [provide] = steps(block("doors/provider.mjs"));
  const provider = checkout.start(provide.command);
  await provider.prints("knows alice and bob", PATIENCE_MS);
  assertPrinted(provider.printed, provide.prints);

  for (const { command, prints } of [
    ...steps(block("npm run tenants -- put")),
    ...steps(block("OIDC_SECRET=change me")),
    ...steps(block("npm run users -- add")),
  ]) {
    const { code, printed } = await checkout.run(command);
    assert.equal(code, 0, printed);
    assertPrinted(printed, prints);
  }

  const [open] = steps(block("npm start -- --origin"));
  const start = checkout.start(open.command);
  await start.prints("Press Ctrl-C to stop", PATIENCE_MS);
  assertPrinted(start.printed, open.prints);
  await answering("http://127.0.0.1:8000/auth/config", chainlit);
  assertPrinted(chainlit.printed, run.prints);
  for (const { command, prints } of steps(block("curl http://localhost:8787/"))) {
    assertPrinted((await checkout.run(command)).printed, prints);
  }
});

test("the guide to a chat on another site's page works step by step", SLOW, async (t) => {
  await ensureChainlit();
  const block = (/** @type {string} */ part) => documented.block("docs/guide/embedding.md", part);
  const checkout = lendChainlit(Checkout.make(t), "copilot/.venv");
  checkout.write("copilot/app.py", block("def on_message").text);
  checkout.write("copilot/shop/index.html", block("<title>Shop</title>").text);
  const [enter, ...setUp] = steps(block("chainlit init"));
  const within = enter.command.replace("cd ", "");
  const run = setUp.pop() ?? assert.fail("no command");
  for (const { command, prints } of setUp) {
    const { code, printed } = await checkout.run(command, { within });
    assert.equal(code, 0, printed);
    assertPrinted(printed, prints);
  }
  const chainlit = checkout.start(run.command, { within });
  const [open] = steps(block("EMBED_SITES:"));
  const start = checkout.start(open.command);
  await start.prints("Press Ctrl-C to stop", PATIENCE_MS);
  assertPrinted(start.printed, open.prints);
  await answering("http://127.0.0.1:8000/auth/config", chainlit);
  assertPrinted(chainlit.printed, run.prints);
  const [serve] = steps(block("http.server"));
  await answering("http://127.0.0.1:3000/", checkout.start(serve.command));
  for (const { command, prints } of steps(block("curl -s -i"))) {
    assertPrinted((await checkout.run(command)).printed, prints);
  }
  const shop = await openPage(t, {}, NO_THIRD_PARTY_COOKIES);
  await shop.goto("http://127.0.0.1:3000/");
  await shop.locator("#chainlit-copilot-button").click({ timeout: PATIENCE_MS });
  await sendMessage(shop, "hello", /^Message 1: you said hello$/);
});

test("several processes: a mounted Chainlit keeps its conversations", SLOW, async (t) => {
  await ensureKit();
  const block = (/** @type {string} */ part) => documented.block(PAGE, part).text;
  const [, named = ""] = readFileSync(PAGE, "utf8").match(/^ORIGINS = "(.*)"$/m) ?? [];
  const checkout = mounted(t);
  for (const [way, command] of Object.entries({
    "the kit": block("--workers 4 --port 8001"),
    "the loop": block("for port in"),
  })) {
    await t.test(`started by ${way}`, async (t) => {
      const servers = checkout.start(command, { within: "app" });
      t.after(() => servers.stop());
      await answeringAt([8001, 8002, 8003, 8004], servers);
      const printed = servers.printed.match(/^ORIGINS=(.*)$/m)?.[1];
      assert.equal(printed !== undefined, way === "the kit");
      const origins = (printed ?? named).split(",");
      const vestibule = await Vestibule.start(t, { origins });
      const { whole, broken } = await conversations(40, () => visitorOf(vestibule));
      assert.deepEqual(broken, []);
      assert.equal(new Set(whole).size, 4, "every process has conversations");
    });
  }
});

test("several processes: one command starts the workers and Vestibule", SLOW, async (t) => {
  await ensureKit();
  const checkout = mounted(t, { PATH: `${path.dirname(PYTHON)}:${process.env.PATH}` });
  const port = await freePort();
  const { text } = documented.block(PAGE, "--gateway");
  const command = text.replace("~/vestibule", `.. --gateway-port ${port}`);
  const site = checkout.start(command, { within: "app" });
  await site.prints(`Open http://localhost:${port}`, PATIENCE_MS);
  await answeringAt([8001, 8002, 8003, 8004], site);
  const url = `http://localhost:${port}`;
  const { whole, broken } = await conversations(20, () => visitorOf({ url }));
  assert.deepEqual(broken, []);
  assert.ok(new Set(whole).size > 1, "several processes have conversations");
});

test("several processes behind one port break conversations, and the log says so", async (t) => {
  await ensureKit();
  const checkout = mounted(t);
  const servers = checkout.start("uvicorn main:app --workers 2 --port 8001", { within: "app" });
  // One answers while the other still starts; then no conversation would break.
  await servers.prints(/(?:Application startup complete[\s\S]*){2}/, PATIENCE_MS);
  const vestibule = await Vestibule.start(t, { origins: ["both=http://127.0.0.1:8001"] });
  const { broken } = await conversations(20, () => visitorOf(vestibule));
  assert.ok(broken.length > 0);
  const events = () =>
    vestibule.logs.filter(({ event }) => event === "origin_is_several_processes");
  await until(() => events().length > 0, { what: "the event" });
  assert.equal(events()[0].origin, "both");
});

test("recipe: a chat with Express and socket.io continues in another process", SLOW, async (t) => {
  const block = (/** @type {string} */ part) =>
    documented.block("docs/guide/recipes.md", part).text;
  const checkout = Checkout.make(t);
  const { code, printed } = await checkout.run(block("npm pack"));
  assert.equal(code, 0, printed);
  checkout.write("chat/server.js", block("socketMiddleware()"));
  checkout.write("chat/index.html", block("<!doctype html>"));
  const start = checkout.start(block("node chat/server.js"));
  await start.prints("Press Ctrl-C to stop", PATIENCE_MS);

  const url = "http://localhost:8787";
  const browser = new Browser(url);
  const page = await until(
    async () => {
      const answer = await browser.fetch("/");
      return answer.ok && answer.text();
    },
    { within: PATIENCE_MS, what: "the page" },
  );
  assert.match(page, /socket\.io\.min\.js/);
  assert.equal((await browser.fetch("/socket.io/socket.io.min.js")).status, 200);
  for (const port of [3001, 3002])
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 401);

  const talk = () => {
    const extraHeaders = { cookie: browser.cookie, origin: url };
    const socket = io(url, { extraHeaders, forceNew: true, reconnectionDelayMax: 500 });
    t.after(async () => void socket.close());
    return (/** @type {string} */ text) => socket.timeout(30_000).emitWithAck("message", text);
  };
  const say = talk();
  const first = await say("hello");
  assert.match(first, /^1\. guest: hello \(process \d+\)$/);
  process.kill(Number(first.match(/\d+(?=\)$)/)?.[0]), "SIGKILL");
  const second = await until(() => say("again").catch(() => null), {
    within: PATIENCE_MS,
    what: "an answer of the other process",
  });
  assert.match(second, /guest: again/);
  assert.ok(Number.parseInt(second, 10) >= 2, second);
  assert.notEqual(second.split("(")[1], first.split("(")[1]);

  assert.equal((await browser.fetch("/sign-in/ada")).status, 302);
  assert.match(await talk()("me"), /^\d+\. ada: me/);
});

test("every block of commands in README and docs/ is run by a test", () => {
  // `self-host.test.mjs` and `key-rotation.test.mjs` run those of these pages.
  const isElsewhere = /^docs\/operate\/(?:self-host|keys)\.md:/;
  const left = documented.left.filter((place) => !isElsewhere.test(place));
  assert.deepEqual(left, []);
});

/**
 * Returns an application that signs in as in README, and counts a conversation's messages in memory.
 * @param {string} signIn
 */
function application(signIn) {
  return `import chainlit as cl

${signIn}

@cl.on_message
async def on_message(message: cl.Message):
    count = cl.user_session.get("count", 0) + 1
    cl.user_session.set("count", count)
    answer = cl.Message(content="")
    await answer.stream_token(f"{count}: you said ")
    await answer.stream_token(message.content)
    await answer.update()
`;
}

/** Copies the version that pip would install. @param {Checkout} checkout @param {string} to */
function lendChainlit(checkout, to) {
  const venv = path.dirname(path.dirname(CHAINLIT));
  cpSync(venv, path.join(checkout.folder, to), { recursive: true, verbatimSymlinks: true });
  return checkout;
}

/** Binds the created namespace, as the page says. @param {Checkout} checkout @param {string} id */
function bindTenants(checkout, id) {
  const binding = `\n[[kv_namespaces]]\nbinding = "TENANTS"\nid = "${id}"\n`;
  checkout.write("wrangler.toml", checkout.read("wrangler.toml") + binding);
}

/**
 * @param {string} url
 * @param {{ printed: string }} server
 */
async function answering(url, server) {
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(answers, { within: PATIENCE_MS, what: url }).catch((error) => {
    throw new Error(`${error.message}:\n${server.printed}`);
  });
}

/**
 * Terminates TLS, as Cloudflare does before the Worker.
 * @param {import("node:test").TestContext} t
 * @param {Checkout} checkout where its certificate is made
 * @param {number} to
 * @returns {Promise<number>} its port
 */
async function tlsBefore(t, checkout, to) {
  const subject = "-subj /CN=chat.acme.example -keyout key.pem -out certificate.pem -days 1";
  const made = await checkout.run(`openssl req -x509 -newkey ed25519 -nodes ${subject}`);
  assert.equal(made.code, 0, made.printed);
  const certificate = { key: checkout.read("key.pem"), cert: checkout.read("certificate.pem") };
  const server = createServer(certificate, (socket) => {
    const worker = connect(to, "127.0.0.1");
    for (const end of [socket, worker]) end.on("error", () => {});
    socket.pipe(worker).pipe(socket);
  });
  t.after(() => void server.close());
  return listen(server);
}
