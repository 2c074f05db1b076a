/** The Node kit's examples, each in a process of its own before the real Worker. */
import { createHash, createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { buildNodeKit, NODE_KIT } from "../../scripts/node-kit.mjs";
import { until } from "../harness/until.mjs";
import { ORIGIN_KEY, openServers } from "./processes.mjs";

/** The machine's own Node, which may be older than that of the packages. */
export const NODE =
  (process.env.PATH ?? "")
    .split(path.delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => path.join(folder, "node"))
    .find((file) => existsSync(file)) ?? process.execPath;

/** What a client says that wants to be somebody else. */
export const FORGED = {
  "x-session-user": "boss",
  "x-session-id": "forged",
  x_session_user: "boss",
};

/**
 * Starts the Worker and the same example in each of the processes.
 * @param {import("node:test").TestContext} t
 * @param {"express-app.js" | "hono-app.js"} example
 * @param {string[]} names of the processes
 * @param {import("./processes.mjs").Options} [options]
 */
export async function openNodeKit(t, example, names, options) {
  await buildNodeKit();
  const file = path.join(NODE_KIT, "examples", example);
  return openServers(t, names, () => [NODE, file], options);
}

/** Loads a part of the compiled kit by its name. @param {string} name */
export async function loadNodeKitPart(name) {
  await buildNodeKit();
  return import(pathToFileURL(path.join(NODE_KIT, `dist/${name}.js`)).href);
}

/** @returns {Promise<typeof import("../../kits/node/dist/index.js")>} the compiled kit */
export async function loadNodeKit() {
  await buildNodeKit();
  return import(pathToFileURL(path.join(NODE_KIT, "dist/index.js")).href);
}

/**
 * @param {import("../harness/browser.mjs").Browser} browser
 * @param {string} path
 * @param {object} [body]
 */
export async function post(browser, path, body = {}) {
  const headers = { "content-type": "application/json" };
  const answer = await browser.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/**
 * Returns the process that the last request went to.
 * @template {{ name: string }} Server
 * @param {import("../harness/workerd.mjs").Vestibule} vestibule
 * @param {Server[]} servers
 */
export async function homeOf(vestibule, servers) {
  const last = await until(() => vestibule.logs.findLast((line) => line.origin), {
    what: "a logged request",
  });
  const home = servers.find(({ name }) => name === last.origin);
  if (!home) throw new Error(`no process is called ${last.origin}`);
  return home;
}

/**
 * Returns the headers of a user's request with a proof that was made so many seconds ago.
 * @param {string} path
 * @param {number} [age]
 * @returns {Record<string, string>}
 */
export function proved(path, age = 0) {
  const id = "Vo3nJzXQ0cYF0yq5cJ1a2g.AAECAwQF";
  const at = Math.floor(Date.now() / 1000) - age;
  const text = `GET\n${path}\n${id}\nada\n${at}`;
  const mac = createHmac("sha256", ORIGIN_KEY).update(text).digest("base64url");
  const key = createHash("sha256").update(ORIGIN_KEY).digest("hex").slice(0, 8);
  return {
    "x-session-id": id,
    "x-session-user": "ada",
    "x-session-proof": `v1;t=${at};k=${key};mac=${mac}`,
  };
}
