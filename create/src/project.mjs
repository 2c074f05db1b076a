/** Writes the files of a project from the template, which is this release's Worker. */
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Fault } from "../../scripts/progress.mjs";
import { configuration } from "./configuration.mjs";

/** Beside `dist/`, where the published package has this module, and beside `src/`. */
const TEMPLATE = path.join(import.meta.dirname, "../template");

/** Folders that a release replaces as a whole. */
const REPLACED = ["build", "scripts"];

/**
 * @param {string} folder
 * @param {import("./answers.mjs").Answers} answers
 */
export function writeProject(folder, answers) {
  mkdirSync(folder, { recursive: true });
  for (const name of REPLACED)
    cpSync(path.join(TEMPLATE, name), path.join(folder, name), { recursive: true });
  const write = (/** @type {string} */ name, /** @type {string} */ text, mode = 0o644) =>
    writeFileSync(path.join(folder, name), text, { mode });
  write(
    "wrangler.toml",
    configuration(readFileSync(path.join(TEMPLATE, "wrangler.toml"), "utf8"), answers),
  );
  write("package.json", `${JSON.stringify(manifest(answers.name), null, 2)}\n`);
  // npm never packs a file of this name, so the template has none.
  write(".gitignore", "node_modules/\n.wrangler/\n.dev.vars\n");
  write(".dev.vars.example", example(answers));
  write("README.md", readme(answers));
  write(".dev.vars", secrets(answers), 0o600);
}

/**
 * Replaces the Worker of a project, and the versions of what runs it.
 * @param {string} folder
 * @returns {string} the release
 */
export function replaceWorker(folder) {
  const file = path.join(folder, "package.json");
  const isProject =
    existsSync(file) && REPLACED.every((name) => existsSync(path.join(folder, name)));
  if (!isProject)
    throw new Fault(
      `${folder} was not made by npm create vestibule: it has no build/ and scripts/.`,
    );
  for (const name of REPLACED) {
    rmSync(path.join(folder, name), { recursive: true });
    cpSync(path.join(TEMPLATE, name), path.join(folder, name), { recursive: true });
  }
  const before = JSON.parse(readFileSync(file, "utf8"));
  const { vestibule, engines, devDependencies } = manifest(before.name);
  const after = {
    ...before,
    vestibule,
    engines,
    devDependencies: { ...before.devDependencies, ...devDependencies },
  };
  writeFileSync(file, `${JSON.stringify(after, null, 2)}\n`);
  return vestibule.release;
}

/** @param {string} name */
function manifest(name) {
  const { release, engines, dependencies } = JSON.parse(
    readFileSync(path.join(TEMPLATE, "release.json"), "utf8"),
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
      tenants: "node scripts/tenants.mjs",
    },
    engines,
    devDependencies: dependencies,
    cloudflare: {
      bindings: {
        SESSION_KEYS: {
          description:
            "Signs cookies and seals sessions: openssl rand -base64 32 | tr '+/' '-_' | tr -d '='",
        },
        ORIGINS: {
          description: "Your chat servers, which Cloudflare must reach, with commas between them",
        },
        SESSIONS: { description: "Namespace of the sessions" },
      },
    },
  };
}

/** @param {import("./answers.mjs").Answers} answers */
function example({ signIn }) {
  return `# Secrets. On this machine they are in .dev.vars; deployed: npx wrangler secret put NAME
SESSION_KEYS=
${signIn === "oidc" ? "DEFAULT__OIDC_SECRET=\n" : ""}`;
}

/** @param {import("./answers.mjs").Answers} answers */
function secrets({ signIn }) {
  const fresh = () => randomBytes(32).toString("base64url");
  return `# Made for this machine. Never use in production.
SESSION_KEYS=${fresh()}
ADMIN_TOKEN=${fresh()}
${signIn === "oidc" ? "# That of your provider.\nDEFAULT__OIDC_SECRET=change-me\n" : ""}`;
}

/** @param {import("./answers.mjs").Answers} answers */
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
