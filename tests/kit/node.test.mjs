/** The Node kit's own tests, and the package as other projects get it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { buildNodeKit, NODE_KIT } from "../../scripts/node-kit.mjs";
import { ROOT } from "../../scripts/setup.mjs";
import { NODE } from "./node-server.mjs";

/** Maximum number of lines of a file. */
const MAX_LINES = 300;

/** What the package's declarations and code import. */
const IMPORTED = ["@types", "hono", "jose", "socket.io", "undici-types"];

/** A project in TypeScript that uses the package. */
const PROJECT = `
import { createServer } from "node:http";
import { Hono } from "hono";
import { Server } from "socket.io";
import { LeaseHeld, OriginApi, type Session } from "vestibule-session";
import { AdminApi, NotFound } from "vestibule-session/admin";
import { sessionMiddleware } from "vestibule-session/express";
import { withSession } from "vestibule-session/fetch";
import { sessionMiddleware as honoMiddleware } from "vestibule-session/hono";
import { type SocketData, socketMiddleware } from "vestibule-session/socket.io";

declare module "vestibule-session" {
  interface SessionData {
    visits?: number;
    cart?: { items: string[]; note: string };
  }
}

export async function use(session: Session): Promise<string | null> {
  const visits: number = (session.data.visits ?? 0) + 1;
  await session.patch({ visits, cart: { note: null }, other: [1] });
  // @ts-expect-error: a number
  await session.patch({ visits: "two" });
  // @ts-expect-error: frozen
  session.data.visits = 3;
  try {
    const lease = await session.lease({ wait: 5 });
    await session.patch({ cart: null }, { lease });
  } catch (error) {
    if (error instanceof LeaseHeld) console.log(error.retryAfter);
  }
  return session.user;
}

export async function groupsOf(admin: AdminApi, user: string): Promise<readonly string[]> {
  try {
    return (await admin.getUser(user)).groups ?? [];
  } catch (error) {
    if (error instanceof NotFound) return [error.code];
    throw error;
  }
}

const middleware = sessionMiddleware({ openPaths: ["/healthz"] });
createServer((request, response) => {
  middleware(request, response, () => use(request.vestibuleSession));
});
export const handler: (request: Request) => Promise<Response> = withSession(
  async (_, session) => Response.json({ user: await use(session) }),
  { api: new OriginApi("https://chat.example", "a key") },
);
new Hono().use(honoMiddleware()).get("/", (c) => c.text(c.var.vestibuleSession.id));
const io: Server<object, object, object, SocketData> = new Server();
io.use(socketMiddleware());
io.on("connection", (socket) => use(socket.data.session));
`;

/** A project without types, on the machine's own Node. */
const PLAIN = `
import { readFileSync } from "node:fs";
import { ProofVerifier } from "vestibule-session";
for (const name of ["admin", "express", "fetch", "hono", "socket.io"])
  await import(\`vestibule-session/\${name}\`);
const { valid, invalid } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const accepts = (vector) => {
  try {
    new ProofVerifier([vector.key], { clock: () => vector.t * 1000 }).verifyProof(vector.proof, vector);
    return true;
  } catch {
    return false;
  }
};
console.log(valid.every(accepts), invalid.some(accepts), process.version);
`;

/** @param {string} program @param {string[]} args @param {string} cwd */
function passes(program, args, cwd) {
  // Without what the test runner tells its children: they would report to it.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

test("the Node kit's own tests pass", () => {
  const files = readdirSync(path.join(NODE_KIT, "tests")).filter((file) =>
    /\.test\.ts$/.test(file),
  );
  const args = ["--test", "--test-reporter=tap", ...files.map((file) => `tests/${file}`)];
  const printed = passes(process.execPath, args, NODE_KIT);
  assert.match(printed, /^# pass \d{3}$/m);
  assert.match(printed, /^# (?:fail|skipped|todo) 0$/m);
});

test("the packed kit works in another project, with its types", async (t) => {
  await buildNodeKit();
  const folder = mkdtempSync(path.join(tmpdir(), "node-kit-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // Without its script, which would compile what other suites run.
  const pack = ["pack", "--silent", "--ignore-scripts", `--pack-destination=${folder}`];
  const [archive] = passes("npm", pack, NODE_KIT).trim().split("\n").slice(-1);
  passes("tar", ["xf", archive], folder);
  const modules = path.join(folder, "node_modules");
  mkdirSync(modules);
  for (const name of IMPORTED)
    symlinkSync(path.join(ROOT, "node_modules", name), path.join(modules, name));
  cpSync(path.join(folder, "package"), path.join(modules, "vestibule-session"), {
    recursive: true,
  });
  const packed = readdirSync(path.join(modules, "vestibule-session")).sort();
  assert.deepEqual(packed, ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist", "package.json"]);

  writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(path.join(folder, "project.ts"), PROJECT);
  const options = [
    "--strict",
    "--noEmit",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--types",
    "node",
  ];
  passes(path.join(ROOT, "node_modules/.bin/tsc"), [...options, "project.ts"], folder);

  writeFileSync(path.join(folder, "plain.js"), PLAIN);
  const vectors = path.join(ROOT, "kits/vectors/proof.json");
  assert.match(passes(NODE, ["plain.js", vectors], folder), /^true false v/);
});

test("the Node kit needs nothing but jose at run time", () => {
  const { dependencies } = JSON.parse(readFileSync(path.join(NODE_KIT, "package.json"), "utf8"));
  assert.deepEqual(Object.keys(dependencies), ["jose"]);
});

test(`no file of the Node kit has more than ${MAX_LINES} lines`, () => {
  const files = ["src", "tests", "examples"].flatMap((folder) =>
    readdirSync(path.join(NODE_KIT, folder)).map((file) => path.join(NODE_KIT, folder, file)),
  );
  assert.ok(files.length > 20);
  const lines = (/** @type {string} */ file) => readFileSync(file, "utf8").split("\n").length;
  assert.deepEqual(
    files.filter((file) => lines(file) > MAX_LINES),
    [],
  );
});
