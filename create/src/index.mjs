#!/usr/bin/env node
/**
 * `npm create vestibule [FOLDER] [-- options]`: creates a folder with the built Worker, its configuration and the commands
 * that run and deploy it. Asks on a terminal for what no option says.
 */
import "../../scripts/node-version.mjs";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { readCommandLine } from "../../scripts/command-line.mjs";
import { Fault, main, print } from "../../scripts/progress.mjs";
import { exitCode } from "../../scripts/run.mjs";
import { complete } from "./answers.mjs";
import { isOrigin, isWorkerName, SIGN_INS } from "./answers-read.mjs";
import { replaceWorker, writeProject } from "./project.mjs";

const TEXT = /** @type {const} */ ("string");
const FLAG = /** @type {const} */ ("boolean");

const SHAPE = {
  name: "npm create vestibule",
  usage: `Usage: npm create vestibule@latest [FOLDER] -- [options]
Creates a folder with the built Worker, its wrangler.toml, and commands to run and deploy it. Asks for what is missing.
  --name NAME       the Worker's name; that of FOLDER if it is not given
  --origins URL,…   your chat servers
  --sign-in WAY     off, password or oidc
  --issuer URL      of the OpenID provider, with --sign-in oidc
  --client-id ID    that the provider gave you, with --sign-in oidc
  --no-install      does not install wrangler
  --start           starts the gateway on this machine at the end
  --upgrade         replaces the Worker in an existing FOLDER by that of this release, and keeps its configuration
  --help            prints this text`,
  options: {
    name: { type: TEXT, takes: "a name of a-z, 0-9 and -", read: checked(isWorkerName) },
    origins: {
      type: TEXT,
      takes: "URLs with commas between them, such as https://chat-1.example",
      read: checked((text) => text.split(",").every(isOrigin)),
    },
    "sign-in": {
      type: TEXT,
      takes: `one of ${SIGN_INS.join(", ")}`,
      read: checked((text) => SIGN_INS.includes(text)),
    },
    issuer: {
      type: TEXT,
      takes: "a URL, such as https://id.example.com",
      read: checked((text) => /^https:\/\//.test(text) && URL.canParse(text)),
    },
    "client-id": { type: TEXT },
    "no-install": { type: FLAG },
    start: { type: FLAG },
    upgrade: { type: FLAG },
  },
  words: "[FOLDER]",
};

/** @param {(text: string) => boolean} isGood */
function checked(isGood) {
  return (/** @type {string} */ text) => (isGood(text) ? text : undefined);
}

await main(async () => {
  const { values, words } = readCommandLine(SHAPE);
  if (words.length > 1) throw new Fault(`One folder is enough: ${words.join(" ")}.`);
  if (values.upgrade) return upgrade(words[0] ?? ".");
  const answers = await complete(values, words[0]);
  const folder = path.resolve(words[0] ?? answers.name);
  if (existsSync(folder) && readdirSync(folder).some((file) => file !== ".git"))
    throw new Fault(`${folder} is not empty. Name another folder, or remove what is in it.`);
  writeProject(folder, answers);
  print(`Created ${folder}.`);
  if (!values["no-install"]) await install(folder);
  if (values.start) return (await exitCode("npm", ["start"], { cwd: folder })) ?? 1;
  printNextSteps(folder, answers, values["no-install"] === true);
});

/** @param {string} name of the folder */
async function upgrade(name) {
  const folder = path.resolve(name);
  const version = replaceWorker(folder);
  print(`${folder} has the Worker of release ${version}. Run npm install, then npm run deploy.`);
}

/** @param {string} folder */
async function install(folder) {
  print("Installing wrangler …");
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
  if ((await exitCode("npm", args, { cwd: folder })) !== 0)
    throw new Fault(
      `npm install failed: see above. The files are in ${folder}; run it there again.`,
    );
}

/**
 * @param {string} folder
 * @param {import("./answers.mjs").Answers} answers
 * @param {boolean} isBare
 */
function printNextSteps(folder, { signIn }, isBare) {
  const lines = [
    `cd ${path.relative(process.cwd(), folder) || "."}`,
    ...(isBare ? ["npm install"] : []),
    "npm start                    # on this machine: http://localhost:8787",
    ...(signIn === "password" ? ["npm run users -- add default ada"] : []),
    "npm run deploy               # says what is missing",
  ];
  print(`\nNext:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}
