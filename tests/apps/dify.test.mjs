/**
 * Holds the recipe for Dify against Dify's published files (`dify.json`), and runs the Worker as the recipe says.
 * Stand-ins take the place of Dify's programs, and insist on what these need.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { Browser } from "../harness/browser.mjs";
import { Origin } from "../harness/origin.mjs";
import { blocksOf, codeIn, read, rowsOf } from "../harness/pages.mjs";
import { listen } from "../harness/ports.mjs";
import { send } from "../harness/raw.mjs";
import { until } from "../harness/until.mjs";
import { SCHEME, Vestibule } from "../harness/workerd.mjs";

const PAGE = "docs/guide/dify.md";
const DIFY = JSON.parse(read("tests/apps/dify.json"));

/** Dify's programs by their paths in nginx. @type {Record<string, string>} */
const ROUTES = Object.fromEntries(
  Object.entries(DIFY.routes).map(([location, address]) => [location, address.split(":")[0]]),
);

/** The recipe's variables. @type {Record<string, string>} */
const VARS = Object.fromEntries(
  Array.from(blockWith("[vars]").matchAll(/^([A-Z_]+) *= *"([^"]*)"/gm), ([, name, value]) => [
    name,
    value,
  ]),
);

/** The recipe's servers: name, address and attributes. */
const RECIPE = VARS.ORIGINS.split(",").map((entry) => {
  const [, name, url, attributes] = /^([^=]+)=([^;]+)(.*)$/.exec(entry) ?? [];
  const found = Object.fromEntries(
    attributes.split(";").flatMap((one) => (one ? [one.split("=")] : [])),
  );
  return { name, url, attributes, paths: found.paths?.split("+") ?? [], health: found.health };
});

/** @param {string} text @returns {string} the first block of the page that contains it */
function blockWith(text) {
  const found = blocksOf(PAGE).find((block) => block.text.includes(text));
  assert.ok(found, `${PAGE} has no block with ${text}`);
  return found.text;
}

/** @typedef {(request: import("node:http").IncomingMessage, reply: import("node:http").ServerResponse) => void} Handler */

/**
 * Starts the recipe with a stand-in for each program. One that has no handler responds with its name.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, Handler>} [handlers]
 */
async function dify(t, handlers = {}) {
  /** @type {Record<string, Origin>} */
  const programs = {};
  for (const { name } of RECIPE)
    programs[name] = await Origin.start(t, handlers[name] ?? ((_, reply) => reply.end(name)));
  const { ORIGINS: _, ...vars } = VARS;
  const vestibule = await Vestibule.start(t, {
    origins: RECIPE.map(({ name, attributes }) => `${name}=${programs[name].url}${attributes}`),
    vars,
  });
  return { programs, vestibule };
}

test("the recipe has a server for each program of Dify's nginx template, and no path more", () => {
  assert.deepEqual(
    RECIPE.map(({ name }) => name).sort(),
    [...new Set(Object.values(ROUTES))].sort(),
  );
  for (const { name, paths, health: path } of RECIPE) {
    const locations = Object.keys(ROUTES).filter((location) => ROUTES[location] === name);
    const wanted = name === "web" ? [] : locations.map((location) => location.replace(/\/$/, ""));
    assert.deepEqual(paths.toSorted(), wanted.sort(), name);
    assert.equal(path, DIFY.health[name], `health of ${name}`);
  }
});

test("the recipe's table names the programs with the ports of the template", () => {
  const rows = rowsOf(read(PAGE)).filter(([, port]) => /^\d+$/.test(port ?? ""));
  const named = rows.map(([program, port]) => `${codeIn(program)[0]}:${port}`);
  assert.deepEqual(named.sort(), [...new Set(Object.values(DIFY.routes))].sort());
});

test("the recipe's document says the same as its variables", () => {
  const { origins, routing } = JSON.parse(`{${blockWith('"origins"')}}`);
  assert.deepEqual(
    origins.map((/** @type {any} */ one) => [one.name, one.url, one.paths ?? [], one.health_path]),
    RECIPE.map(({ name, url, paths, health }) => [name, url, paths, health]),
  );
  const {
    FIRST_BYTE_TIMEOUT: first_byte,
    STREAM_KEEP_ALIVE: keep_alive,
    ORIGINS,
    ...others
  } = VARS;
  assert.ok(ORIGINS);
  assert.deepEqual(others, {}, "the document has every variable");
  assert.deepEqual(routing, { timeouts: { first_byte, keep_alive } });
});

test("every path of the template reaches its program", async (t) => {
  const { vestibule } = await dify(t);
  const browser = new Browser(vestibule.url);
  for (const [location, program] of Object.entries(ROUTES)) {
    const below = location.endsWith("/") ? location : `${location}/`;
    const exact = location.endsWith("/") ? [] : [location, `${location}?a=/v1`];
    for (const path of [...exact, `${below}x`, `${below}x/e/y?z`]) {
      assert.equal(await (await browser.fetch(path)).text(), program, path);
    }
  }
  for (const path of ["/apps", "/signin", "/chat/token", "/_next/static/x.js", "/events"]) {
    assert.equal(await (await browser.fetch(path)).text(), "web", path);
  }
});

for (const scheme of ["http", "https"]) {
  const prefix = scheme === "https" ? "__Host-" : "";
  const names = Object.keys(DIFY.cookies).map((name) => prefix + name);
  const lines = Object.entries(DIFY.cookies).map(([name, { scripts }]) => {
    const flags = [
      scheme === "https" && "Secure",
      !scripts && "HttpOnly",
      "Path=/",
      "SameSite=Lax",
    ];
    return [`${prefix}${name}=ey.${name}.x`, "Max-Age=3600", ...flags.filter(Boolean)].join("; ");
  });
  const header = DIFY.csrf_header.toLowerCase();

  test(`Dify's sign-in works over ${scheme}: cookies pass unchanged, and its CSRF check holds`, async (t) => {
    const { vestibule, programs } = await dify(t, {
      api: (request, reply) => {
        if (request.url === "/console/api/login") return reply.setHeader("set-cookie", lines).end();
        const cookies = new Map(
          (request.headers.cookie ?? "")
            .split("; ")
            .map((pair) => /** @type {[string, string]} */ (pair.split("="))),
        );
        // As Dify compares them: the header with the cookie.
        const token = cookies.get(`${prefix}csrf_token`);
        const isTheirs = names.every((name) => cookies.has(name)) && cookies.size === names.length;
        reply.writeHead(isTheirs && token && token === request.headers[header] ? 200 : 401).end();
      },
    });
    const call = (/** @type {string} */ target, /** @type {string[]} */ ...more) =>
      send(vestibule.port, { target, lines: [`${SCHEME}: ${scheme}`, ...more] });

    const signedIn = await call("/console/api/login");
    const set = signedIn.headers.filter(([name]) => name === "set-cookie").map(([, line]) => line);
    assert.deepEqual(
      set.filter((line) => lines.includes(line)),
      lines,
      "byte for byte",
    );
    const csrf = set.find((line) => line.startsWith(`${prefix}csrf_token=`)) ?? "";
    assert.doesNotMatch(csrf, /httponly/i, "scripts read it");

    const jar = `Cookie: ${set.map((line) => line.split(";")[0]).join("; ")}`;
    const token = `${DIFY.csrf_header}: ey.csrf_token.x`;
    assert.equal((await call("/console/api/apps", jar, token)).status, 200);
    assert.equal((await call("/console/api/apps", jar)).status, 401, "without the header");
    await call("/apps", jar);
    const [cookies] = programs.web.received("cookie");
    assert.equal(cookies, lines.map((line) => line.split(";")[0]).join("; "), "the front end");
  });
}

test("each program learns the public scheme, host, port and client, and its own address as Host", async (t) => {
  const { vestibule, programs } = await dify(t);
  const sent = {
    host: "dify.example",
    lines: [
      `${SCHEME}: https`,
      "CF-Connecting-IP: 203.0.113.7",
      ...DIFY.headers.slice(1).map((/** @type {string} */ name) => `${name}: evil`),
      "X-Original-Host: evil",
      "Dify-Hook-Url: https://evil.example/e/hook",
    ],
  };
  for (const [location, program] of Object.entries(ROUTES)) {
    assert.equal((await send(vestibule.port, { target: location, ...sent })).status, 200);
    const origin = programs[program];
    for (const [name, value] of [
      ["host", new URL(origin.url).host],
      ["x-forwarded-for", "203.0.113.7"],
      ["x-forwarded-host", "dify.example"],
      ["x-forwarded-proto", "https"],
      ["x-forwarded-port", "443"],
    ])
      assert.deepEqual(origin.received(name), [value], `${program}: ${name}`);
    for (const name of ["x-original-host", "dify-hook-url"])
      assert.deepEqual(origin.received(name), [], `${program}: ${name}`);
  }
});

test("a streamed answer of /v1/chat-messages arrives event by event", async (t) => {
  /** @type {import("node:http").ServerResponse | undefined} */
  let stream;
  const { vestibule, programs } = await dify(t, {
    api: (_, reply) => {
      stream = reply.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      reply.write("data: 0\n\n");
    },
  });
  const response = await fetch(`${vestibule.url}/v1/chat-messages`, {
    method: "POST",
    headers: { authorization: "Bearer app-key", "content-type": "application/json" },
    body: JSON.stringify({ query: "hello", response_mode: "streaming", user: "u" }),
  });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  for (let event = 0; event < 10; event += 1) {
    const { value } = await reader.read();
    assert.equal(new TextDecoder().decode(value), `data: ${event}\n\n`);
    stream?.write(`data: ${event + 1}\n\n`);
  }
  await reader.cancel();
  assert.deepEqual(programs.api.received("authorization"), ["Bearer app-key"]);
  assert.equal(
    vestibule.kv.operations.length,
    0,
    "a program with a key costs no storage operation",
  );
});

for (const transports of [["polling", "websocket"], ["websocket"]]) {
  const way = transports.join(", then ");
  test(`the collaboration socket works by ${way}`, async (t) => {
    const http = createServer((_, reply) => reply.writeHead(404).end());
    const sockets = new Server(http);
    t.after(() => sockets.close());
    sockets.on("connection", (socket) => socket.on("user_connect", (answer) => answer("joined")));
    const port = await listen(http);
    const programs = await Promise.all(
      RECIPE.map(async ({ name, attributes }) => {
        if (name === "api_websocket") return `${name}=http://127.0.0.1:${port}${attributes}`;
        return `${name}=${(await Origin.start(t)).url}${attributes}`;
      }),
    );
    const vestibule = await Vestibule.start(t, { origins: programs });
    const browser = new Browser(vestibule.url);
    await browser.fetch("/apps");
    const client = io(vestibule.url, {
      transports,
      extraHeaders: { cookie: browser.cookie, origin: vestibule.url },
      reconnection: false,
    });
    t.after(async () => void client.close());
    assert.equal(await client.timeout(10_000).emitWithAck("user_connect"), "joined");
    const isUpgraded = () => client.io.engine.transport.name === "websocket";
    await until(isUpgraded, { what: "the WebSocket" });
  });
}
