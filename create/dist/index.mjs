#!/usr/bin/env node
/*! @clack/prompts and @clack/core (c) Nate Moore: MIT licence. */

// ../scripts/node-version.mjs
import { readFileSync } from "node:fs";
var { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
var needed = engines.node.replace(/[^\d.]/g, "");
var numberOf = (version) => {
  const [major, minor = "0"] = version.split(".");
  return Number(major) * 1e3 + Number(minor);
};
if (numberOf(process.versions.node) < numberOf(needed)) {
  process.stderr.write(
    `Node.js ${needed} or newer is needed, this is ${process.versions.node}. Get it from https://nodejs.org and run this again.
`
  );
  process.exit(1);
}

// src/index.mjs
import { existsSync as existsSync2, readdirSync } from "node:fs";
import path3 from "node:path";

// ../scripts/command-line.mjs
import util from "node:util";

// ../scripts/nearest.mjs
function nearest(word, known) {
  return known.toSorted((a, b) => distance(a, word) - distance(b, word))[0];
}
function near(word, known) {
  const begun = known.find((one) => word.length > 3 && one.startsWith(word));
  if (begun !== void 0 || known.length === 0) return begun;
  const found = nearest(word, known);
  return distance(found, word) <= Math.max(2, word.length / 3) ? found : void 0;
}
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const letter of a) {
    const above = row;
    row = [above[0] + 1];
    for (const [at, other] of [...b].entries()) {
      const replaced = above[at] + (letter === other ? 0 : 1);
      row.push(Math.min(replaced, above[at + 1] + 1, row[at] + 1));
    }
  }
  return row[b.length];
}

// ../scripts/progress.mjs
function print(line) {
  process.stdout.write(`${line}
`);
}
var Fault = class extends Error {
  /** Exit code of the command. */
  code = 1;
};
var Help = class extends Error {
};
async function main(act) {
  try {
    process.exitCode = await act() ?? 0;
  } catch (error) {
    if (error instanceof Help) return print(error.message);
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`
${error.message}
`);
    process.exitCode = error.code;
  }
}

// ../scripts/command-line.mjs
function readCommandLine(shape, args = process.argv.slice(2)) {
  const { name, usage, options = {} } = shape;
  const end = shape.rest && args.includes("--") ? args.indexOf("--") : args.length;
  const rest = args.slice(end + 1);
  const known = { ...options, help: { type: "boolean" } };
  const { tokens } = util.parseArgs({
    args: joined(args.slice(0, end), options),
    options: Object.fromEntries([
      ...Object.entries(known).map(([option, { type }]) => [option, { type }]),
      ["help", { type: "boolean", short: "h" }]
    ]),
    allowPositionals: true,
    strict: false,
    tokens: true
  });
  if (tokens.some((token) => token.kind === "option" && token.name === "help"))
    throw new Help(usage);
  try {
    mustReachUs(name, options);
    const values = {};
    const words = [];
    for (const token of tokens) {
      if (token.kind === "positional") words.push(token.value);
      if (token.kind !== "option") continue;
      const value = optionValue(token, known);
      const { multiple } = known[token.name];
      values[token.name] = multiple ? [...values[token.name] ?? [], value] : value;
    }
    checkWords(shape, words);
    return { values, words, rest };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(`${error.message}

Help: ${helpOf(name)}`);
  }
}
function joined(args, options) {
  const all = [];
  for (const arg of args) {
    const last = all.at(-1) ?? "";
    const { orValue } = options[last.replace(/^--/, "")] ?? {};
    if (last.startsWith("--") && orValue?.test(arg)) all.splice(-1, 1, `${last}=${arg}`);
    else all.push(arg);
  }
  return all;
}
function helpOf(name) {
  return name.startsWith("npm ") ? `${name} -- --help` : `${name} --help`;
}
function mustReachUs(name, options) {
  const { npm_lifecycle_event: script } = process.env;
  if (!name.startsWith("npm ") || script !== name.split(" ").at(-1)) return;
  for (const option of Object.keys(options)) {
    if (process.env[`npm_config_${option.replaceAll("-", "_")}`]) {
      throw new Fault(
        `npm kept --${option} for itself. Write -- before it: ${name} -- --${option}`
      );
    }
  }
}
function optionValue({ name, rawName, value, inlineValue }, known) {
  if (!Object.hasOwn(known, name)) {
    const names = Object.keys(known).map((one) => `--${one}`);
    const meant = near(rawName, names);
    const cure = meant ? `Did you mean ${meant}?` : `Options: ${names.join(", ")}.`;
    throw new Fault(`There is no option ${rawName}. ${cure}`);
  }
  const option = known[name];
  const { takes = "a value", read = (text) => text, secret } = option;
  if (option.type === "boolean") {
    if (value === void 0) return true;
    if (!option.orValue) throw new Fault(`${rawName} takes no value.`);
  }
  if (value === void 0 || !inlineValue && /^--?[a-z]/.test(value)) {
    throw new Fault(`${rawName} is without its value. It takes ${takes}.`);
  }
  const found = read(value);
  if (found === void 0)
    throw new Fault(`${rawName} takes ${takes}${secret ? "" : `, not "${value}"`}.`);
  return found;
}
function checkWords({ name, commands, words: expected, onWord }, words) {
  if (!commands) {
    if (expected !== void 0 || words.length === 0) return;
    const advice = onWord?.(words[0]) ?? "";
    throw new Fault(`"${words[0]}" is one word too many: ${name} takes options only.${advice}`);
  }
  const [command, ...rest] = words;
  const names = Object.keys(commands);
  const list = `Use one of: ${names.join(", ")}.`;
  if (command === void 0) throw new Fault(`The command is missing. ${list}`);
  if (!Object.hasOwn(commands, command)) {
    const meant = near(command, names);
    throw new Fault(
      `There is no command "${command}". ${meant ? `Did you mean ${meant}? ` : ""}${list}`
    );
  }
  const wanted = commands[command].split(" ").filter(Boolean);
  const least = wanted.filter((word) => !word.startsWith("[")).length;
  const most = wanted.some((word) => word.includes("\u2026")) ? Number.POSITIVE_INFINITY : wanted.length;
  if (rest.length < least)
    throw new Fault(`${wanted[rest.length]} is missing: ${command} ${commands[command]}`);
  if (rest.length > most) {
    const right = `${command} ${commands[command]}`.trim();
    throw new Fault(`There are words too many. Write: ${right}${onWord?.(rest[most]) ?? ""}`);
  }
}

// ../scripts/run.mjs
import { spawn, spawnSync } from "node:child_process";
import { setPriority } from "node:os";
var STEPS_BACK = 10;
function exitCode(program, args, { stepsBack = false, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", ...options });
    if (stepsBack && child.pid !== void 0) setPriority(child.pid, STEPS_BACK);
    child.on(
      "error",
      (error) => reject(new Fault(`${program} cannot be started: ${error.message}`))
    );
    child.on("close", resolve);
  });
}

// src/answers.mjs
import path from "node:path";

// src/answers-read.mjs
var SIGN_INS = ["off", "password", "oidc"];
function isWorkerName(text) {
  return /^[a-z0-9](?:[a-z0-9-]{0,52}[a-z0-9])?$/.test(text);
}
function isOrigin(text) {
  const [, url] = text.trim().match(/^(?:[a-z0-9][\w-]*=)?(https?:\/\/[^\s;,"'\\]+)(?:;[^,"'\\]*)?$/i) ?? [];
  return url !== void 0 && URL.canParse(url);
}

// src/answers.mjs
async function complete(values, folder) {
  const base = folder === void 0 ? "" : path.basename(path.resolve(folder));
  const name = values.name ?? (isWorkerName(base) ? base : void 0);
  const given = { name, origins: values.origins, signIn: values["sign-in"] };
  const oidc = { issuer: values.issuer, clientId: values["client-id"] };
  const answers = process.stdin.isTTY ? await asked(given, oidc) : { ...given, ...oidc };
  const needed2 = {
    "--name": answers.name,
    "--origins": answers.origins,
    "--sign-in": answers.signIn,
    ...answers.signIn === "oidc" && {
      "--issuer": answers.issuer,
      "--client-id": answers.clientId
    }
  };
  const missing = Object.entries(needed2).filter(([, value]) => value === void 0);
  if (missing.length > 0) {
    const names = missing.map(([option]) => option).join(", ");
    throw new Fault(
      `Without a terminal all answers are options. Missing: ${names}.

Help: npm create vestibule -- --help`
    );
  }
  return (
    /** @type {Answers} */
    answers
  );
}
async function asked(given, oidc) {
  const { isCancel, select, text } = await import("./dist-IAKU3IV5.mjs");
  const answered = async (question) => {
    const answer = await question;
    if (isCancel(answer)) throw new Fault("Nothing was created.");
    return String(answer);
  };
  const write = (message, placeholder, isGood) => answered(
    text({
      message,
      placeholder,
      validate: (value) => isGood(value ?? "") ? void 0 : `Write it like ${placeholder}`
    })
  );
  const origins = given.origins ?? await write(
    "Where are your chat servers? Several: with commas between them",
    "https://chat-1.example",
    (value) => value.split(",").every(isOrigin)
  );
  const signIn = given.signIn ?? await answered(
    select({
      message: "How do users sign in?",
      options: [
        { value: "off", label: "Not here", hint: "every visitor is a guest" },
        { value: "password", label: "With a password", hint: "needs Workers Paid" },
        { value: "oidc", label: "At an OpenID provider" }
      ]
    })
  );
  const name = given.name ?? await write("What is the Worker's name?", "my-chat", isWorkerName);
  if (signIn !== "oidc") return { name, origins, signIn };
  const isUrl = (value) => /^https:\/\//.test(value) && URL.canParse(value);
  const issuer = oidc.issuer ?? await write("The provider's issuer?", "https://id.example.com", isUrl);
  const clientId = oidc.clientId ?? await write("The client id that it gave you?", "chat", (value) => value !== "");
  return { name, origins, signIn, issuer, clientId };
}

// src/project.mjs
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync as readFileSync2, rmSync, writeFileSync } from "node:fs";
import path2 from "node:path";

// src/configuration.mjs
var DOCUMENTATION = "https://github.com/vestibule/vestibule/blob/main/docs/reference/settings.md";
function configuration(released, answers) {
  const { name, origins, signIn } = answers;
  const accounts = signIn === "password" ? '\n# Accounts.\n[[kv_namespaces]]\nbinding = "USERS"\n' : "";
  const top = released.replace(
    /^#.*\n/,
    `# A Vestibule gateway on Cloudflare Workers. What each setting means:
# ${DOCUMENTATION}
`
  ).replace(/^name = .*$/m, () => `name = ${quoted(name)}`).replace(/^ORIGINS = .*$/m, () => `ORIGINS = ${quoted(origins)}`).replace(/^LOGIN_MODE = .*$/m, () => login(answers)).replace(/(\[\[kv_namespaces\]\]\nbinding = "SESSIONS"\n)/, (found) => found + accounts);
  return `${top.trimEnd()}

${staging(top)}`;
}
function login({ signIn, issuer, clientId }) {
  if (signIn === "off") return 'LOGIN_MODE = "off"';
  const methods = signIn === "password" ? { password: true } : { oidc: [{ issuer, client_id: clientId, client_secret: "secret:OIDC_SECRET" }] };
  return `LOGIN_MODE = "required"
LOGIN_METHODS = ${quoted(JSON.stringify(methods))}`;
}
function staging(top) {
  const sections = top.split(/\n(?=(?:#.*\n)*\[)/).map((section) => section.replace(/^#.*\n/gm, "").trim());
  const repeated = sections.filter((section) => /^\[(?:\[kv_namespaces|\[durable_objects|vars\])/.test(section)).map((section) => section.replace(/^(\[+)/, "$1env.staging."));
  return `# A second deployment to try changes: npm run deploy -- --env staging
${repeated.join("\n\n")}
`;
}
function quoted(text) {
  return JSON.stringify(text);
}

// src/project.mjs
var TEMPLATE = path2.join(import.meta.dirname, "../template");
var REPLACED = ["build", "scripts"];
function writeProject(folder, answers) {
  mkdirSync(folder, { recursive: true });
  for (const name of REPLACED)
    cpSync(path2.join(TEMPLATE, name), path2.join(folder, name), { recursive: true });
  const write = (name, text, mode = 420) => writeFileSync(path2.join(folder, name), text, { mode });
  write(
    "wrangler.toml",
    configuration(readFileSync2(path2.join(TEMPLATE, "wrangler.toml"), "utf8"), answers)
  );
  write("package.json", `${JSON.stringify(manifest(answers.name), null, 2)}
`);
  write(".gitignore", "node_modules/\n.wrangler/\n.dev.vars\n");
  write(".dev.vars.example", example(answers));
  write("README.md", readme(answers));
  write(".dev.vars", secrets(answers), 384);
}
function replaceWorker(folder) {
  const file = path2.join(folder, "package.json");
  const isProject = existsSync(file) && REPLACED.every((name) => existsSync(path2.join(folder, name)));
  if (!isProject)
    throw new Fault(
      `${folder} was not made by npm create vestibule: it has no build/ and scripts/.`
    );
  for (const name of REPLACED) {
    rmSync(path2.join(folder, name), { recursive: true });
    cpSync(path2.join(TEMPLATE, name), path2.join(folder, name), { recursive: true });
  }
  const before = JSON.parse(readFileSync2(file, "utf8"));
  const { vestibule, engines: engines2, devDependencies } = manifest(before.name);
  const after = {
    ...before,
    vestibule,
    engines: engines2,
    devDependencies: { ...before.devDependencies, ...devDependencies }
  };
  writeFileSync(file, `${JSON.stringify(after, null, 2)}
`);
  return vestibule.release;
}
function manifest(name) {
  const { release, engines: engines2, dependencies } = JSON.parse(
    readFileSync2(path2.join(TEMPLATE, "release.json"), "utf8")
  );
  return {
    name,
    private: true,
    type: "module",
    description: "A Vestibule gateway for chat servers",
    vestibule: { release },
    scripts: {
      start: "wrangler dev",
      deploy: "node scripts/deploy.mjs",
      users: "node scripts/users.mjs",
      tenants: "node scripts/tenants.mjs"
    },
    engines: engines2,
    devDependencies: dependencies,
    cloudflare: {
      bindings: {
        SESSION_KEYS: {
          description: "Signs cookies and seals sessions: openssl rand -base64 32 | tr '+/' '-_' | tr -d '='"
        },
        ORIGINS: {
          description: "Your chat servers, which Cloudflare must reach, with commas between them"
        },
        SESSIONS: { description: "Namespace of the sessions" }
      }
    }
  };
}
function example({ signIn }) {
  return `# Secrets. On this machine they are in .dev.vars; deployed: npx wrangler secret put NAME
SESSION_KEYS=
${signIn === "oidc" ? "DEFAULT__OIDC_SECRET=\n" : ""}`;
}
function secrets({ signIn }) {
  const fresh = () => randomBytes(32).toString("base64url");
  return `# Made for this machine. Never use in production.
SESSION_KEYS=${fresh()}
ADMIN_TOKEN=${fresh()}
${signIn === "oidc" ? "# That of your provider.\nDEFAULT__OIDC_SECRET=change-me\n" : ""}`;
}
function readme({ name, signIn }) {
  const oidc = `
Register \`https://<host>/_session/callback\` at your provider, and store its secret, here in \`.dev.vars\`, deployed with
\`npx wrangler secret put DEFAULT__OIDC_SECRET\`.
`;
  const password = `
Make an account with \`npm run users -- add default ada\`; with \`--remote\` after the deployment.
`;
  return `# ${name}

A [Vestibule](https://github.com/vestibule/vestibule) gateway. \`build/\` is the Worker of a release; nothing here is compiled.

\`\`\`sh
npm install
npm start                                     # http://localhost:8787
openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' | npx wrangler secret put SESSION_KEYS
npm run deploy                                # refuses what cannot work, and says why
npm run deploy -- --env staging
\`\`\`
${signIn === "oidc" ? oidc : signIn === "password" ? password : ""}
Settings are in \`wrangler.toml\`. A later release replaces \`build/\` and \`scripts/\`, and keeps your settings:
\`npm create vestibule@latest . -- --upgrade\`.
`;
}

// src/index.mjs
var TEXT = (
  /** @type {const} */
  "string"
);
var FLAG = (
  /** @type {const} */
  "boolean"
);
var SHAPE = {
  name: "npm create vestibule",
  usage: `Usage: npm create vestibule@latest [FOLDER] -- [options]
Creates a folder with the built Worker, its wrangler.toml, and commands to run and deploy it. Asks for what is missing.
  --name NAME       the Worker's name; that of FOLDER if it is not given
  --origins URL,\u2026   your chat servers
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
      read: checked((text) => text.split(",").every(isOrigin))
    },
    "sign-in": {
      type: TEXT,
      takes: `one of ${SIGN_INS.join(", ")}`,
      read: checked((text) => SIGN_INS.includes(text))
    },
    issuer: {
      type: TEXT,
      takes: "a URL, such as https://id.example.com",
      read: checked((text) => /^https:\/\//.test(text) && URL.canParse(text))
    },
    "client-id": { type: TEXT },
    "no-install": { type: FLAG },
    start: { type: FLAG },
    upgrade: { type: FLAG }
  },
  words: "[FOLDER]"
};
function checked(isGood) {
  return (text) => isGood(text) ? text : void 0;
}
await main(async () => {
  const { values, words } = readCommandLine(SHAPE);
  if (words.length > 1) throw new Fault(`One folder is enough: ${words.join(" ")}.`);
  if (values.upgrade) return upgrade(words[0] ?? ".");
  const answers = await complete(values, words[0]);
  const folder = path3.resolve(words[0] ?? answers.name);
  if (existsSync2(folder) && readdirSync(folder).some((file) => file !== ".git"))
    throw new Fault(`${folder} is not empty. Name another folder, or remove what is in it.`);
  writeProject(folder, answers);
  print(`Created ${folder}.`);
  if (!values["no-install"]) await install(folder);
  if (values.start) return await exitCode("npm", ["start"], { cwd: folder }) ?? 1;
  printNextSteps(folder, answers, values["no-install"] === true);
});
async function upgrade(name) {
  const folder = path3.resolve(name);
  const version = replaceWorker(folder);
  print(`${folder} has the Worker of release ${version}. Run npm install, then npm run deploy.`);
}
async function install(folder) {
  print("Installing wrangler \u2026");
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
  if (await exitCode("npm", args, { cwd: folder }) !== 0)
    throw new Fault(
      `npm install failed: see above. The files are in ${folder}; run it there again.`
    );
}
function printNextSteps(folder, { signIn }, isBare) {
  const lines = [
    `cd ${path3.relative(process.cwd(), folder) || "."}`,
    ...isBare ? ["npm install"] : [],
    "npm start                    # on this machine: http://localhost:8787",
    ...signIn === "password" ? ["npm run users -- add default ada"] : [],
    "npm run deploy               # says what is missing"
  ];
  print(`
Next:
${lines.map((line) => `  ${line}`).join("\n")}`);
}
